//! A DM server's program: it takes one device through the life of a virtual machine.
//!
//! It delivers an image from a folder, creates a machine from it, suspends it, reads everything
//! the device has to say, and cleans up. Every step is a procedure with a typed outcome.
//!
//! ```sh
//! cargo run -p virmo --example server -- 127.0.0.1:8080 urn:example:board:1 FOLDER work.img
//! ```

#![allow(clippy::print_stdout, reason = "a program that tells what it does")]

use std::{any::Any, error::Error, net::TcpListener, sync::mpsc};

use virmo::{
    CreateVm, DeliverImage, Mounts, Operate, Procedure, Server, TakeSnapshot, VmState,
    dm::{http::Files, server::EventKind},
    server::ImageReady,
};

/// Serves until `device` went through it all; `say` is told of every step.
pub(crate) fn run(
    listener: TcpListener,
    device: &str,
    folder: &str,
    file: &str,
    mut say: impl FnMut(String),
) -> Result<(), Box<dyn Error>> {
    let (sender, events) = mpsc::channel();
    let server = Server::builder()
        .files(Files::new(folder))
        .observer(move |event| drop(sender.send(event)))
        .start(listener)?;
    say(format!("devices may come to {}", server.url()));

    let mounts = Mounts::default();
    let (image, vm) = (mounts.image("work")?, mounts.vm("work")?);
    let uri = format!("http://{}/images/{file}", server.address());
    let deliver = DeliverImage::new(image.clone(), "work", uri, "application/octet-stream");
    let create = CreateVm::new(vm.clone(), image.clone()).with_description("Work");
    let steps: [Box<dyn Procedure>; 6] = [
        Box::new(deliver),
        Box::new(create),
        Box::new(Operate::suspend(vm.clone())),
        Box::new(TakeSnapshot::new(mounts.clone())),
        Box::new(Operate::delete(vm)),
        Box::new(Operate::delete_image(image)),
    ];
    let mut left = steps.len();
    for step in steps {
        server.enqueue(device, step)?;
    }

    for event in events {
        match event.kind {
            EventKind::SessionStarted { dev_info, .. } => {
                let model = dev_info.get("Mod").unwrap_or("device");
                say(format!("{} is a {model}", event.device));
            }
            EventKind::Alert { alert, .. } => {
                if let Some(ready) = ImageReady::of(&alert, &mounts) {
                    say(format!("image {} is ready", ready.image));
                }
            }
            EventKind::ProcedureFinished {
                report, procedure, ..
            } => {
                if !report.ok {
                    return Err(report.detail.unwrap_or_default().into());
                }
                say(outcome(&*procedure).unwrap_or_default());
                left -= 1;
            }
            EventKind::SessionEnded(_) if left == 0 => break,
            _ => {}
        }
    }
    server.stop();
    Ok(())
}

/// What a procedure found out, in its own types.
fn outcome(procedure: &dyn Any) -> Option<String> {
    Some(
        if let Some(deliver) = procedure.downcast_ref::<DeliverImage>() {
            let image = deliver.outcome()?;
            format!("the image is {}", image.state?)
        } else if let Some(create) = procedure.downcast_ref::<CreateVm>() {
            let vm = create.outcome()?;
            format!("the machine is {} with {}", vm.state?, vm.config.as_ref()?)
        } else if let Some(snapshot) = procedure.downcast_ref::<TakeSnapshot>() {
            let all = snapshot.outcome()?;
            format!("machines: {}, images: {}", all.vms.len(), all.images.len())
        } else {
            let operate = procedure.downcast_ref::<Operate>()?;
            let state = operate.state().unwrap_or(VmState::Deleted);
            format!("done: {state}")
        },
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, device, folder, file] = words.as_slice() else {
        return Err("usage: server ADDRESS DEVICE-ID FOLDER FILE".into());
    };
    let listener = TcpListener::bind(address)?;
    run(listener, device, folder, file, |line| println!("{line}"))
}
