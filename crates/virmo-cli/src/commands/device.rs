//! `virmo device`.

use std::{path::PathBuf, sync::Arc};

use tempfile::TempDir;
use virmo::{
    client::{CpuPolicy, Policy},
    dm::{
        client::{Compat, Config},
        core::ServerId,
        download::Fetch,
        http::{FetchConfig, HttpFetch},
        mo::DevInfo,
        syncml::Limits,
    },
    runtime::{Device, RunError, Until},
    simulator::Simulator,
};

use crate::{
    args::{self, Profile},
    auth,
    failure::Failure,
    fault::{self, Faults, FaultyFetch},
    output::Output,
    told::DeviceTeller,
};

pub(crate) fn run(args: &args::Device) -> Result<(), Failure> {
    refuse_unbuilt(args)?;
    let output = Arc::new(Output::new(args.json));
    let settings = settings(args)?;
    let mut device = build(settings, &output)?;
    let until = if args.once {
        Until::SessionEnds
    } else if args.until_idle {
        Until::Idle
    } else {
        Until::Stopped {
            interval: args.interval,
        }
    };
    match device.run(until) {
        Ok(()) => Ok(()),
        // The end of the session told why.
        Err(RunError::Session(_)) => Err(Failure::Told),
        Err(error) => Err(Failure::work(error)),
    }
}

/// What a device of this program is made from.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) device_id: String,
    pub(crate) state: Option<PathBuf>,
    pub(crate) policy: Policy,
    pub(crate) faults: Faults,
}

/// A device on the simulator.
pub(crate) fn build(settings: Settings, output: &Arc<Output>) -> Result<Running, Failure> {
    let temporary = match &settings.state {
        Some(_) => None,
        None => Some(TempDir::new().map_err(Failure::work)?),
    };
    let folder = match (&settings.state, &temporary) {
        (Some(folder), _) => std::path::absolute(folder).map_err(Failure::work)?,
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => PathBuf::new(),
    };
    let simulator = settings
        .faults
        .simulator
        .iter()
        .fold(
            Simulator::builder(folder.join("machines")),
            |builder, fault| builder.fault(*fault),
        )
        .open()
        .map_err(|error| Failure::work(chain(&error)))?;
    let info = DevInfo {
        dev_id: settings.device_id,
        man: "virmo".to_owned(),
        model: "simulated device".to_owned(),
        dmv: env!("CARGO_PKG_VERSION").to_owned(),
        lang: "en".to_owned(),
    };
    let teller = DeviceTeller::new(Arc::clone(output));
    let mut builder = Device::builder(Arc::new(simulator), settings.config, info)
        .policy(settings.policy)
        .state(folder)
        .observer(move |event| teller.tell(event));
    if let Some(mode) = settings.faults.download {
        let http: Arc<dyn Fetch> = Arc::new(HttpFetch::new(FetchConfig::default()));
        builder = builder.fetch(Arc::new(FaultyFetch::new(http, mode)));
    }
    let device = builder
        .build()
        .map_err(|error| Failure::work(chain(&error)))?;
    Ok(Running {
        device,
        _temporary: temporary,
    })
}

/// A device with the folder that goes with it.
pub(crate) struct Running {
    device: Device,
    _temporary: Option<TempDir>,
}

impl Running {
    pub(crate) fn run(&mut self, until: Until) -> Result<(), RunError> {
        self.device.run(until)
    }
}

fn settings(args: &args::Device) -> Result<Settings, Failure> {
    let server_id: ServerId = args
        .server_id
        .parse()
        .map_err(|error| Failure::usage(format_args!("--server-id: {error}")))?;
    if !["http://", "https://"]
        .iter()
        .any(|scheme| args.server.starts_with(scheme))
    {
        return Err(Failure::usage(format_args!(
            "--server {}: not an http or https URL",
            args.server
        )));
    }
    let mut config = Config::new(server_id, args.server.clone());
    let auth = auth::read(&args.auth)?;
    config.scheme = auth.scheme;
    config.credentials = auth.client;
    config.server_credentials = auth.server;
    if let Some(limit) = args.op_timeout {
        config.exec_limit = limit;
    }
    config.encoding = args.encoding.into();
    if !args.strict {
        config.compat = Compat::lenient();
        config.limits = Limits::lenient();
    }
    let mut policy = Policy::default();
    policy.cpu = match args.cpu_policy {
        args::CpuPolicy::AtMost => CpuPolicy::AtMost,
        args::CpuPolicy::Exactly => CpuPolicy::Exactly,
    };
    Ok(Settings {
        config,
        device_id: args.device_id.clone(),
        state: args.state.clone(),
        policy,
        faults: fault::parse(&args.fault)?,
    })
}

fn refuse_unbuilt(args: &args::Device) -> Result<(), Failure> {
    hypervisor(&args.hypervisor)?;
    profile(args.profile)?;
    let later = [
        ("--listen", args.listen.is_some()),
        ("--ca", args.ca.is_some()),
        ("--cert", args.cert.is_some()),
        ("--ui", args.ui.is_some()),
    ];
    match later.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Failure::not_built(flag)),
        None => Ok(()),
    }
}

/// The hypervisors of this build.
pub(crate) fn hypervisor(name: &str) -> Result<(), Failure> {
    match name {
        "sim" => Ok(()),
        "qemu" => Err(Failure::not_built("--hypervisor qemu")),
        _ if name.starts_with("libvirt:") => Err(Failure::not_built("--hypervisor libvirt")),
        _ => Err(Failure::usage(format_args!(
            "--hypervisor {name}: it is one of sim, qemu, libvirt:URI"
        ))),
    }
}

/// The profiles of this build.
pub(crate) fn profile(profile: Profile) -> Result<(), Failure> {
    match profile {
        Profile::Approved => Ok(()),
        Profile::Draft => Err(Failure::not_built("--profile draft")),
    }
}

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
