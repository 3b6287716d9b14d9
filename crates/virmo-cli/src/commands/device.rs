//! `virmo device`.

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;
use virmo::{
    Hypervisor,
    client::{CpuPolicy, GuestLink, Policy, UnknownMachines},
    dm::{
        client::{Auth, Compat, Config},
        core::{Backoff, Causes, ServerId},
        download::Fetch,
        http::{HttpFetch, HttpTransport},
        mo::DevInfo,
        session::notification::Resync,
        syncml::{Encoding, Limits},
        tree::Uri,
    },
    nodes::Profile,
    runtime::{BuildError, Device, DeviceState, Unattended, Until, UserInterface},
};

use super::hypervisor::{self, Backend};
use crate::{
    args::{self, Ui},
    auth,
    failure::Failure,
    fault::{self, Faults, FaultyFetch},
    interrupt::{self, Ends},
    links::{self, Links},
    listen,
    output::Output,
    terminal::{self, Terminal},
    told::DeviceTeller,
};

pub(crate) fn run(args: &args::Device) -> Result<(), Failure> {
    let output = Arc::new(Output::new(args.json));
    let mut settings = settings(args)?;
    settings.interface = interface(args.ui, &output);
    settings.guests_ask = args.ui == Some(Ui::Guest);
    let ends = Ends::watch()?;
    let (device, machines) = build(settings, &output)?;
    let until = if args.once {
        Until::SessionEnds
    } else if args.until_idle {
        Until::Idle
    } else {
        Until::Stopped {
            interval: args.interval,
        }
    };
    let listener = match args.listen {
        Some(address) => Some(listen::start(address, device.handle(), &output)?),
        None => None,
    };
    let result = run_until(device, until, &ends);
    drop(listener);
    output.close();
    if let Some(folder) = machines.temporary {
        interrupt::remove(folder);
    }
    result
}

/// Runs a device until it has come to its end or a signal ends it.
pub(crate) fn run_until(mut device: Device, until: Until, ends: &Ends) -> Result<(), Failure> {
    let handle = device.handle();
    let run = move || {
        let run = device.run(until);
        run.map_err(|error| Failure::work(chain(&error)))
    };
    ends.work("device", run, || handle.abort())
}

/// What a device of this program is made from.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) device_id: String,
    pub(crate) state: Option<PathBuf>,
    pub(crate) policy: Policy,
    pub(crate) profile: Profile,
    pub(crate) faults: Faults,
    pub(crate) interface: Arc<dyn UserInterface>,
    /// Guests ask their users themselves.
    pub(crate) guests_ask: bool,
    pub(crate) links: Links,
    pub(crate) backend: Backend,
    /// Tell how far the guest counted; for the guest of the demo.
    pub(crate) counts: bool,
}

/// A device, and what its machines are on.
pub(crate) fn build(
    settings: Settings,
    output: &Arc<Output>,
) -> Result<(Device, Machines), Failure> {
    let temporary = match &settings.state {
        Some(_) => None,
        None => Some(TempDir::new().map_err(Failure::work)?),
    };
    let folder = match (&settings.state, &temporary) {
        (Some(folder), _) => std::path::absolute(folder).map_err(Failure::work)?,
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => PathBuf::new(),
    };
    let hypervisor = settings
        .backend
        .open(&folder, &settings.faults.simulator, settings.counts)?;
    let info = DevInfo {
        dev_id: settings.device_id,
        man: "virmo".to_owned(),
        model: settings.backend.model(),
        dmv: env!("CARGO_PKG_VERSION").to_owned(),
        lang: "en".to_owned(),
    };
    let state = format!("--state {}", folder.display());
    let mut teller = DeviceTeller::new(Arc::clone(output), state.clone());
    if settings.counts {
        teller = teller.with_counts(folder.clone());
    }
    let link = settings
        .guests_ask
        .then(|| link(&hypervisor, settings.policy.guest_encoding));
    let mut builder = Device::builder(Arc::clone(&hypervisor), settings.config, info)
        .policy(settings.policy)
        .profile(settings.profile)
        .user_interface(settings.interface)
        .state(folder)
        .observer(move |event| teller.tell(event));
    if let Some(link) = link {
        builder = builder
            .guest_link(Arc::clone(&link))
            .vm_user_interface(link);
    }
    let fetch: Arc<dyn Fetch> = Arc::new(HttpFetch::new(settings.links.images));
    builder = builder.fetch(match settings.faults.download {
        Some(mode) => Arc::new(FaultyFetch::new(fetch, mode, Arc::clone(output))),
        None => fetch,
    });
    let device = builder
        .transport(Arc::new(HttpTransport::new(settings.links.messages)))
        .build()
        .map_err(|error| match error {
            BuildError::Profile(other) => Failure::work(format_args!(
                "the machines in --state are of the {other} profile: start with --profile {other}, or with another folder"
            )),
            BuildError::Folder(_)
            | BuildError::Open(_)
            | BuildError::Journal(_)
            | BuildError::Sink(_)
            | BuildError::Tree(_) => Failure::work(format_args!("{state}: {}", chain(&error))),
            error => Failure::work(chain(&error)),
        })?;
    let machines = Machines {
        hypervisor,
        temporary,
    };
    Ok((device, machines))
}

/// The way to guests, under a name of this process.
fn link(hypervisor: &Arc<dyn Hypervisor>, encoding: Encoding) -> Arc<GuestLink> {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH);
    let session = format!("{:x}", begun.unwrap_or_default().as_micros());
    Arc::new(GuestLink::new(Arc::clone(hypervisor), session).with_encoding(encoding))
}

/// What a device's machines are on, with the folder that goes with the device.
pub(crate) struct Machines {
    hypervisor: Arc<dyn Hypervisor>,
    temporary: Option<TempDir>,
}

impl Machines {
    /// Ends and deletes all of them when the device that had them is gone. Its last calls may still
    /// make or boot one: that they come to their end is waited for, for so long.
    pub(crate) fn clear(&self, within: Duration) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let is_free = Arc::strong_count(&self.hypervisor) == 1;
            let is_late = start.elapsed() >= within;
            let cleared = match is_free || is_late {
                true => hypervisor::clear(&*self.hypervisor),
                false => Ok(()),
            };
            match (cleared, is_free) {
                (Ok(()), true) => return Ok(()),
                (Ok(()), false) if is_late => return Err("the device does not end".to_owned()),
                (Err(why), _) if is_late => return Err(why),
                _ => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

/// The type of the alert that brings the final status of what was answered with 202; the
/// specification has none.
const RESULT_ALERT: &str = "Reversed-Domain-Name: io.github.virmo.result";

/// The type of the alert that tells of a State no server asked for.
const STATE_ALERT: &str = "Reversed-Domain-Name: io.github.virmo.state";

/// The type of the alert that tells of a machine that cannot be told.
const UNREACHABLE_ALERT: &str = "Reversed-Domain-Name: io.github.virmo.unreachable";

/// The type of the alert that tells of a machine that no node names.
const UNKNOWN_ALERT: &str = "Reversed-Domain-Name: io.github.virmo.unknown";

/// What devices of this program decide by themselves. Who watches one waits for a failed download
/// as long as for a failed session.
pub(crate) fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.alert_type = Some(RESULT_ALERT.to_owned());
    policy.state_alert_type = Some(STATE_ALERT.to_owned());
    policy.unreachable_alert_type = Some(UNREACHABLE_ALERT.to_owned());
    policy.unknown_alert_type = Some(UNKNOWN_ALERT.to_owned());
    policy.downloads.retry = Backoff {
        retries: 4,
        first: Duration::from_secs(1),
        longest: Duration::from_secs(8),
    };
    policy
}

fn settings(args: &args::Device) -> Result<Settings, Failure> {
    let mut config = match &args.server {
        Some(server) => config(args, server)?,
        None => config_of_account(args)?,
    };
    let mut links = links::to("--server", &config.server_url, &args.tls)?;
    if let Some(limit) = args.op_timeout {
        config.exec_limit = limit;
    }
    let proven = match &config.auth {
        Auth::Given { server, .. } => server.is_some(),
        // What an earlier run left there may say it.
        _ => args.state.is_some(),
    };
    if args.listen.is_some() && !proven {
        return Err(Failure::usage(
            "--listen needs --auth, --server-user and --server-password-env: \
             notifications are verified by the server's password",
        ));
    }
    if args.nonce_resync {
        config.nonce_resync = Resync::Allowed;
    }
    config.encoding = args.encoding.into();
    config.wbxml = args.wbxml.options();
    if !args.strict {
        config.compat = Compat::lenient();
        config.limits = Limits::lenient();
    }
    if args.device_id.is_empty() {
        return Err(Failure::usage("--device-id: a device has a name"));
    }
    let mut policy = policy();
    if let Some(deadline) = args.op_deadline {
        policy.deadline = deadline;
    }
    policy.watch = Some(args.watch);
    if let Some(most) = args.max_downloads {
        policy.max_downloads = most.into();
    }
    if !args.download_host.is_empty() {
        links.images.hosts = Some(args.download_host.iter().cloned().collect());
    }
    policy.unknown_machines = match args.unknown_machines {
        args::UnknownMachines::Report => UnknownMachines::Report,
        args::UnknownMachines::Adopt => UnknownMachines::Adopt,
    };
    policy.cpu = match args.cpu_policy {
        args::CpuPolicy::AtMost => CpuPolicy::AtMost,
        args::CpuPolicy::Exactly => CpuPolicy::Exactly,
    };
    let backend = Backend::of(&args.hypervisor)?;
    if backend.needs_state() && args.state.is_none() {
        return Err(Failure::usage(format_args!(
            "--hypervisor {} needs --state: its machines stay when the device ends",
            args.hypervisor
        )));
    }
    Ok(Settings {
        config,
        device_id: args.device_id.clone(),
        state: args.state.clone(),
        policy,
        profile: args.profile.into(),
        faults: fault::parse(&args.fault)?,
        interface: Arc::new(Unattended::Reject),
        guests_ask: false,
        backend,
        counts: false,
        links,
    })
}

/// The server that the flags name.
fn config(args: &args::Device, server: &str) -> Result<Config, Failure> {
    let (server_id, account) = server_id(args.server_id.as_deref().unwrap_or(SERVER_ID))?;
    let mut config = Config::new(server_id, server);
    config.auth = match auth::read(&args.auth)? {
        Some(proofs) => Auth::given(proofs.client, proofs.server),
        None => Auth::Account(account),
    };
    Ok(config)
}

/// What `--server-id` says, and the node of the account that has this name.
pub(crate) fn server_id(text: &str) -> Result<(ServerId, Uri), Failure> {
    let wrong =
        |error: &dyn std::fmt::Display| Failure::usage(format_args!("--server-id: {error}"));
    let server_id: ServerId = text.parse().map_err(|error| wrong(&error))?;
    let account = Uri::parse("./DMAcc").and_then(|root| root.child(server_id.as_str()));
    let account = account.map_err(|error| wrong(&error))?;
    Ok((server_id, account))
}

/// The server of the account in the state.
fn config_of_account(args: &args::Device) -> Result<Config, Failure> {
    if auth::read(&args.auth)?.is_some() {
        return Err(Failure::usage("--auth needs --server: the account says it"));
    }
    let server_id: Option<ServerId> = match &args.server_id {
        Some(id) => Some(
            id.parse()
                .map_err(|error| Failure::usage(format_args!("--server-id: {error}")))?,
        ),
        None => None,
    };
    let folder = args.state.clone().unwrap_or_default();
    let state = DeviceState::open(&folder);
    state
        .and_then(|state| state.config(server_id.as_ref()))
        .map_err(|error| {
            Failure::work(format_args!(
                "--state {}: {}",
                folder.display(),
                chain(&error)
            ))
        })
}

/// The server's identity where none is given.
const SERVER_ID: &str = "virmo-server";

/// Who answers what the server asks.
fn interface(ui: Option<Ui>, output: &Arc<Output>) -> Arc<dyn UserInterface> {
    match ui {
        Some(Ui::Accept) => Arc::new(Unattended::Accept),
        Some(Ui::Guest) | None if !terminal::is_there() => Arc::new(Unattended::Reject),
        Some(Ui::Reject) => Arc::new(Unattended::Reject),
        Some(Ui::Ask | Ui::Guest) | None => {
            let output = Arc::clone(output);
            Arc::new(Terminal::new(move |text: &str| output.prompt(text)))
        }
    }
}

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    Causes(error).to_string()
}

#[cfg(test)]
mod tests {
    use virmo::Simulator;

    use super::*;

    #[test]
    fn machines_are_cleared_when_nobody_works_on_them() {
        let folder = TempDir::new().unwrap();
        let simulator = Simulator::builder(folder.path().join("machines"));
        let machines = Machines {
            hypervisor: Arc::new(simulator.open().unwrap()),
            temporary: None,
        };
        let call = Arc::clone(&machines.hypervisor);
        let why = machines.clear(Duration::ZERO).unwrap_err();
        assert_eq!(why, "the device does not end");
        drop(call);
        machines.clear(Duration::ZERO).unwrap();
    }
}
