//! `virmo demo`: a DM server, an image server and a device, all talking HTTP.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    net::TcpListener,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use virmo::{
    dm::{
        client::{Auth, Config},
        markup::WbxmlOptions,
        server::Place,
        session::Proof,
    },
    nodes::Profile,
    runtime::{Unattended, Until},
};
use virmo_qemu::guest;

use super::{device, hypervisor::Backend, serve};
use crate::{
    args,
    auth::Proofs,
    failure::Failure,
    fault::Faults,
    interrupt::{self, Ends},
    links::Links,
    output::{Event, Output},
    plan::{self, Step},
    steps,
};

const PLAN: &str = r#"
[[step]]
deliver_image = { node = "entvm", name = "enterprise", uri = "/images/entvm.img", media_type = "application/octet-stream", description = "Image of the enterprise VM" }
[[step]]
create_vm = { node = "entvm", image = "entvm", running = true, description = "Enterprise" }
[[step]]
suspend = { vm = "entvm" }
[[step]]
resume = { vm = "entvm" }
[[step]]
power_off = { vm = "entvm" }
[[step]]
power_on = { vm = "entvm" }
[[step]]
delete_vm = { vm = "entvm" }
[[step]]
delete_image = { node = "entvm" }
"#;

/// The size of the image in bytes.
const IMAGE: u64 = 48 << 20;

/// How long the machine may take to be gone at the end.
const CLEARING: Duration = Duration::from_secs(20);

pub(crate) fn run(args: &args::Demo) -> Result<(), Failure> {
    let backend = Backend::of(&args.hypervisor)?;
    if !backend.has_demo() {
        return Err(Failure::usage("--hypervisor: the demo runs on sim or qemu"));
    }
    let steps = steps(args)?;
    let count = steps.len();
    let started = Instant::now();
    let output = Arc::new(Output::new(args.json));
    let ends = Ends::watch()?;
    let folder = TempDir::new().map_err(Failure::work)?;
    let images = folder.path().join("images");
    std::fs::create_dir(&images).map_err(Failure::work)?;
    write_image(&images.join("entvm.img"), &backend).map_err(Failure::work)?;

    let listener = TcpListener::bind("127.0.0.1:0").map_err(Failure::work)?;
    let password = virmo::runtime::correlator_prefix;
    let proof = |name| {
        let scheme = args.auth.scheme()?;
        Some(Proof::new(scheme, name, password()))
    };
    let proofs = Proofs {
        client: proof("demo-device"),
        server: proof("demo-server"),
    };
    let settings = serve::Settings {
        proofs: proofs.clone(),
        profile: Profile::Approved,
        strict: true,
        wbxml: WbxmlOptions::default(),
        only: None,
        images: Some(images),
        public_url: None,
        identity: None,
        steps_only: true,
        journal: None,
    };
    let (server, done) = serve::start(listener, steps, settings, &output)?;
    if args.json {
        output.event(&Event::Listening { url: server.url() });
    }
    output.say(format_args!(
        "DM server at {}, image server beside it",
        server.url()
    ));

    let server_id = "virmo-server".parse().map_err(Failure::work)?;
    let mut config = Config::new(server_id, server.url());
    config.encoding = args.encoding.into();
    config.auth = Auth::given(proofs.client, proofs.server);
    let settings = device::Settings {
        config,
        device_id: "urn:virmo:demo".to_owned(),
        state: Some(folder.path().join("device")),
        policy: device::policy(),
        profile: Profile::Approved,
        faults: Faults::default(),
        guests_ask: false,
        interface: Arc::new(Unattended::Reject),
        links: Links::default(),
        counts: backend == Backend::Qemu && args.plan.is_none(),
        backend,
    };
    let (device, machines) = device::build(settings, &output)?;
    let result = device::run_until(device, Until::Idle, &ends);
    server.stop();
    let cleared = machines.clear(CLEARING);
    output.close();
    if let Err(why) = cleared {
        let folder = folder.keep();
        return Err(Failure::work(format_args!(
            "a machine may be left, its files are in {}: {why}",
            folder.display()
        )));
    }
    interrupt::remove(folder);
    result?;
    // The device is idle, so what the server had to say was said.
    if done.try_recv() != Ok(true) {
        return Err(Failure::work("not every step of the demo succeeded"));
    }
    let seconds = started.elapsed().as_secs_f64();
    let delivered = match args.plan {
        Some(_) => String::new(),
        None => format!("{} MiB delivered, ", IMAGE >> 20),
    };
    output.say(format_args!(
        "done: {count} of {count} steps, {delivered}{seconds:.1} s"
    ));
    Ok(())
}

/// The steps of the given plan, or those of the demo.
fn steps(args: &args::Demo) -> Result<Vec<Step>, Failure> {
    let Some(path) = &args.plan else {
        return plan::parse(PLAN).map_err(Failure::work);
    };
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::usage(format_args!("--plan {}: {why}", path.display()))
    };
    let steps = plan::read(path).map_err(|error| wrong(&error))?;
    if steps.is_empty() {
        return Err(wrong(&"it has no steps"));
    }
    // The address does not matter for whether they can be carried out.
    match steps::procedures(
        &steps,
        "http://127.0.0.1",
        Profile::Approved,
        &Place::default(),
    ) {
        Ok(_) => Ok(steps),
        Err(why) => Err(wrong(&why)),
    }
}

/// An image with content that differs from place to place; for QEMU one that boots and counts.
fn write_image(path: &Path, backend: &Backend) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let boot = match backend {
        Backend::Simulator => Vec::new(),
        _ => guest::boot_sector().to_vec(),
    };
    file.write_all(&boot)?;
    for number in 0..(IMAGE - boot.len() as u64) / 8 {
        file.write_all(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())?;
    }
    file.flush()
}
