//! The events of the libraries in the words of the program.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use virmo::{
    VmState,
    client::Event as Virmo,
    dm::{
        client::Event as Client,
        session::notification::{Initiator, UiMode},
    },
    runtime::DeviceEvent,
    state::Primitive,
};

use crate::{
    commands::hypervisor,
    output::{Event, Output, Thing},
};

/// Tells what happens on a device.
pub(crate) struct DeviceTeller {
    output: Arc<Output>,
    /// Where the device keeps what it knows.
    state: String,
    /// What was last said of each download, in hundredths.
    downloads: Mutex<BTreeMap<String, u64>>,
    /// Why the link broke last in this session.
    broken: Mutex<Option<String>>,
    /// The device's folder, if its guest counts.
    counts: Option<PathBuf>,
}

impl DeviceTeller {
    pub(crate) fn new(output: Arc<Output>, state: String) -> Self {
        Self {
            output,
            state,
            downloads: Mutex::default(),
            broken: Mutex::default(),
            counts: None,
        }
    }

    /// Tells how far the guest of the demo counted whenever its machine stops or goes on.
    pub(crate) fn with_counts(mut self, folder: PathBuf) -> Self {
        self.counts = Some(folder);
        self
    }

    pub(crate) fn tell(&self, event: &DeviceEvent) {
        match event {
            DeviceEvent::JournalSetAside { file } => self.error(format!(
                "the journal of this device is damaged and set aside as {}; its tree begins anew",
                file.display()
            )),
            DeviceEvent::SessionStarted { id } => {
                *lock(&self.broken) = None;
                self.output.say(format_args!("session {id:X} begins"));
            }
            // Each try may fail, mostly for the same reason.
            DeviceEvent::ExchangeFailed { reason, .. } => {
                let mut broken = lock(&self.broken);
                if broken.as_ref() != Some(reason) {
                    *broken = Some(reason.clone());
                    self.error(reason.clone());
                }
            }
            DeviceEvent::SessionPutOff { pause } => self.output.event(&Event::Retry {
                seconds: pause.as_secs_f64(),
            }),
            DeviceEvent::SessionEnded { id, end } => self.output.event(&Event::Session {
                id: format!("{id:X}"),
                result: Some(end.to_string()),
                device: None,
                nonce: None,
            }),
            DeviceEvent::Client(event) => self.client(event),
            DeviceEvent::Virmo(event) => self.virmo(event),
            _ => {}
        }
    }

    fn client(&self, event: &Client) {
        match event {
            Client::Command { name, uri, status } => self.output.event(&Event::Command {
                name: name.to_string(),
                uri: uri.clone(),
                status: status.get(),
                device: None,
            }),
            Client::AlertQueued(alert) | Client::AlertDelivered(alert) => {
                self.output.event(&Event::Alert {
                    alert_type: alert.alert_type.clone(),
                    source: alert.source.clone(),
                    delivered: Some(matches!(event, Client::AlertDelivered(_))),
                    device: None,
                });
            }
            Client::AlertRefused { alert, status, .. } => self.error(match status {
                Some(status) => format!("the alert {} was refused: {status:?}", alert.alert_type),
                None => format!("the alert {} was not acknowledged", alert.alert_type),
            }),
            Client::AlertDropped { alert, reason } => {
                self.error(format!("the alert {} is lost: {reason}", alert.alert_type));
            }
            Client::Notified(notified) => self.output.event(&Event::Notification {
                session: Some(format!("{:X}", notified.start.session_id)),
                to: None,
                ui_mode: Some(match notified.ui_mode {
                    UiMode::NotSpecified => "not-specified",
                    UiMode::Background => "background",
                    UiMode::Informative => "informative",
                    UiMode::UserInteraction => "user-interaction",
                }),
                initiator: Some(match notified.initiator {
                    Initiator::Client => "client",
                    Initiator::Server => "server",
                }),
                accepted: Some(true),
                reason: None,
            }),
            Client::NotificationDropped(reason) => self.output.event(&Event::Notification {
                session: None,
                to: None,
                ui_mode: None,
                initiator: None,
                accepted: Some(false),
                reason: Some(reason.to_string()),
            }),
            Client::JobTimedOut(_) => self.error("an operation did not end in time".to_owned()),
            Client::JournalFailed(kind) => self.error(format!("{}: {kind}", self.state)),
            Client::NotResumed { object, status } => self.error(format!(
                "what was left open below {object} is not taken up: {status:?}"
            )),
            _ => {}
        }
    }

    /// How far the guest of the demo counted; one that was just booted is waited for.
    fn counted(&self, now: VmState) -> Option<u64> {
        let folder = self.counts.as_deref()?;
        let tries = if now == VmState::Running { 6000 } else { 1 };
        (0..tries).find_map(|_| {
            let count = hypervisor::count(folder);
            if count.is_none() && tries > 1 {
                thread::sleep(Duration::from_millis(10));
            }
            count
        })
    }

    fn virmo(&self, event: &Virmo) {
        match event {
            Virmo::Vm { node, from, to, .. } => {
                self.output.event(&Event::State {
                    of: Thing::Vm(node.clone()),
                    from: from.value().into(),
                    to: Some(to.value().into()),
                    to_name: to.name(),
                });
                if let Some(count) = self.counted(*to) {
                    let vm = node.clone();
                    self.output.event(&Event::Guest { vm, count });
                }
            }
            Virmo::Image { node, from, to, .. } => {
                lock(&self.downloads).remove(node);
                self.output.event(&Event::State {
                    of: Thing::Image(node.clone()),
                    from: from.value().into(),
                    to: to.map(|to| to.value().into()),
                    to_name: to.map_or("gone", |to| to.name()),
                });
            }
            Virmo::Download {
                node, bytes, total, ..
            } => {
                let mut downloads = lock(&self.downloads);
                let part = total.map_or(bytes >> 20, |total| {
                    u64::try_from(u128::from(*bytes) * 100 / u128::from(total.max(1)))
                        .unwrap_or(100)
                });
                if downloads.insert(node.clone(), part) != Some(part) {
                    self.output.event(&Event::Download {
                        image: node.clone(),
                        bytes: *bytes,
                        total: *total,
                    });
                }
            }
            Virmo::Interaction { node, status, .. } => self.output.event(&Event::Question {
                vm: node.clone(),
                status: status.get(),
            }),
            Virmo::Recovered {
                node,
                primitive,
                outcome,
                ..
            } => {
                self.output.event(&Event::Recovered {
                    vm: Some(node.clone()),
                    intent: name(*primitive).to_owned(),
                    outcome: outcome.as_str().to_owned(),
                });
            }
            Virmo::ChangesRecovered { outcome } => self.output.event(&Event::Recovered {
                vm: None,
                intent: "ApplyChanges".to_owned(),
                outcome: outcome.as_str().to_owned(),
            }),
            Virmo::ChangesFailed { reason } => self.error(format!("ApplyChanges failed: {reason}")),
            Virmo::Resources { node, config, .. } => {
                self.output.say(format_args!("       VM {node}: {config}"));
            }
            Virmo::PrimitiveFailed {
                node,
                primitive,
                reason,
                ..
            } => {
                let primitive = name(*primitive);
                self.error(format!("{primitive} of VM {node} failed: {reason}"));
            }
            Virmo::Locked { node, locked, .. } => {
                let now = if *locked { "locked" } else { "unlocked" };
                self.output.say(format_args!("       VM {node} is {now}"));
            }
            Virmo::Sharing { node, allowed, .. } => {
                let now = if *allowed { "may" } else { "may not" };
                self.output
                    .say(format_args!("       VM {node} {now} share data"));
            }
            Virmo::AccessFailed {
                node,
                operation,
                reason,
                ..
            } => self.error(format!("{operation} of VM {node} failed: {reason}")),
            Virmo::ImageFailed { node, reason, .. } => {
                self.error(format!("image {node}: {reason}"))
            }
            Virmo::Unreachable { node, reason, .. } => {
                self.error(format!("VM {node} cannot be reached: {reason}"));
            }
            Virmo::Reachable { node, .. } => {
                self.output
                    .say(format_args!("       VM {node} can be reached again"));
            }
            Virmo::GuestSilent { node, reason, .. } => {
                self.error(format!("the guest of VM {node} does not answer: {reason}"));
            }
            Virmo::GuestHeard { node, .. } => {
                self.output
                    .say(format_args!("       the guest of VM {node} answers again"));
            }
            Virmo::GuestNewsDropped { node, reason, .. } => self.error(format!(
                "something the guest of VM {node} told is dropped: {reason}"
            )),
            Virmo::UnknownMachine { vm } => {
                self.error(format!(
                    "machine {vm} is ours, but no node stands for it; left alone"
                ));
            }
            Virmo::Adopted { node, vm } => {
                self.output.say(format_args!(
                    "       machine {vm} had no node; it is VM {node} now"
                ));
            }
            Virmo::UnknownImage { image } => {
                self.error(format!(
                    "there is a file of image {image}, but no node stands for it; left alone"
                ));
            }
            Virmo::AdoptedImage { node, image } => {
                self.output.say(format_args!(
                    "       image {image} had no node; it is image {node} now"
                ));
            }
            Virmo::ForeignMachine { name } => {
                self.output.say(format_args!(
                    "       machine {name} is somebody else's; left alone"
                ));
            }
            Virmo::NotListed { reason } => {
                self.error(format!(
                    "the hypervisor does not say which machines there are: {reason}"
                ));
            }
            Virmo::DamagedRecord { key } => {
                self.error(format!("the record {key} cannot be read; left alone"));
            }
            _ => {}
        }
    }

    fn error(&self, message: String) {
        self.output.event(&Event::Error { message });
    }
}

/// A primitive under the name of its node.
const fn name(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Create => "Create",
        Primitive::CreateAndPoweroff => "CreateAndPowerOff",
        Primitive::Delete => "Delete",
        Primitive::Suspend => "Suspend",
        Primitive::Resume => "Resume",
        Primitive::PowerOn => "PowerOn",
        Primitive::PowerOff => "PowerOff",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
