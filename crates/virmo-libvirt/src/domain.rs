//! A machine as libvirt has it: its definition, and what it is found to be.

use std::fmt::Display;

use virmo_hypervisor::MachineState;
use virmo_params::ResourceConfig;
use virt::domain::{
    DomainPausedReason as Paused, DomainShutoffReason as Shutoff, DomainState, DomainStateEnum,
    DomainStateReason as Reason, DomainStateReasonEnum,
};

use crate::{
    libvirt::{Driver, Link},
    machine::{Folder, NAMESPACE, Pending, Record},
    xml::Xml,
};

/// The name of the disk in the guest.
pub(crate) const DISK: &str = "hda";
/// The period of a CPU quota, in microseconds: short, so that a small share still answers soon.
pub(crate) const PERIOD: u64 = 20_000;
/// The smallest quota there is, in microseconds.
const LEAST: u64 = 1_000;

/// What goes into a definition besides the machine's record.
pub(crate) struct Frame<'a> {
    pub(crate) driver: &'a Driver,
    /// The CPUs of the host, if shares of them are given.
    pub(crate) cpus: Option<u64>,
    pub(crate) link: Option<&'a Link>,
    /// Whether what guests write to their first serial port is kept.
    pub(crate) log_console: bool,
}

/// A share of all CPUs as time within a period.
pub(crate) fn quota(percent: u8, cpus: u64) -> u64 {
    (u64::from(percent) * cpus * PERIOD / 100).max(LEAST)
}

/// The definition of a machine.
pub(crate) fn definition(
    name: &str,
    folder: &Folder,
    record: &Record,
    config: &ResourceConfig,
    frame: &Frame<'_>,
) -> String {
    let mut xml = Xml::default();
    xml.element("domain", &[("type", &frame.driver.domain_type)], |xml| {
        xml.text("name", &[], name);
        xml.text("uuid", &[], &record.own.uuid);
        if !record.description.is_empty() {
            xml.text("description", &[], &record.description);
        }
        xml.element("metadata", &[], |xml| {
            let attributes: &[(&str, &dyn Display)] = &[("xmlns:virmo", &NAMESPACE)];
            xml.text("virmo:record", attributes, text(record));
        });
        let kibibytes = config.ram.get().div_ceil(1024).max(1024);
        xml.text("memory", &[("unit", &"KiB")], kibibytes);
        xml.text("vcpu", &[], 1);
        if let Some(cpus) = frame.cpus {
            xml.element("cputune", &[], |xml| {
                xml.text("period", &[], PERIOD);
                xml.text("quota", &[], quota(config.cpu.get(), cpus));
            });
        }
        xml.element("os", &[], |xml| {
            xml.text("type", &[], "hvm");
            xml.empty("boot", &[("dev", &"hd")]);
        });
        xml.element("features", &[], |xml| xml.empty("acpi", &[]));
        xml.text("on_poweroff", &[], "destroy");
        xml.text("on_reboot", &[], "restart");
        xml.text("on_crash", &[], "destroy");
        xml.element("devices", &[], |xml| {
            xml.element("disk", &[("type", &"file"), ("device", &"disk")], |xml| {
                if frame.driver.is_qemu() {
                    xml.empty("driver", &[("name", &"qemu"), ("type", &"raw")]);
                }
                xml.empty("source", &[("file", &folder.disk().display())]);
                xml.empty("target", &[("dev", &DISK), ("bus", &"ide")]);
            });
            if let Some(link) = frame.link {
                interface(xml, &record.own.uuid, link, config.network.get());
            }
            if frame.driver.is_qemu() {
                xml.empty("controller", &[("type", &"usb"), ("model", &"none")]);
                xml.empty("memballoon", &[("model", &"none")]);
                let kind = if frame.log_console { "file" } else { "null" };
                xml.element("serial", &[("type", &kind)], |xml| {
                    if frame.log_console {
                        let path = folder.console();
                        xml.empty("source", &[("path", &path.display()), ("append", &"on")]);
                    }
                    xml.empty("target", &[("port", &0)]);
                });
            }
        });
    });
    xml.finish()
}

/// The element of an interface with its share of the link.
pub(crate) fn interface(xml: &mut Xml, uuid: &str, link: &Link, percent: u8) {
    let (kind, attribute, source) = match link {
        Link::Bridge { name, .. } => ("bridge", "bridge", name),
        Link::Network { name, .. } => ("network", "network", name),
    };
    xml.element("interface", &[("type", &kind)], |xml| {
        xml.empty("mac", &[("address", &mac(uuid))]);
        xml.empty("source", &[(attribute, source)]);
        // Kilobytes a second.
        let share = (link.capacity().get() / 1000 * u64::from(percent) / 100).max(1);
        xml.element("bandwidth", &[], |xml| {
            xml.empty("inbound", &[("average", &share)]);
            xml.empty("outbound", &[("average", &share)]);
        });
    });
}

/// An address of the machine's own, of those that QEMU gives.
fn mac(uuid: &str) -> String {
    let mut digits = uuid.chars().filter(char::is_ascii_hexdigit);
    let mut pair = || digits.by_ref().take(2).collect::<String>();
    format!("52:54:00:{}:{}:{}", pair(), pair(), pair())
}

/// A small machine that never runs, to try what can be limited.
pub(crate) fn probe(name: &str, driver: &Driver) -> String {
    let mut xml = Xml::default();
    xml.element("domain", &[("type", &driver.domain_type)], |xml| {
        xml.text("name", &[], name);
        xml.text("memory", &[("unit", &"KiB")], 1024);
        xml.text("vcpu", &[], 1);
        xml.element("cputune", &[], |xml| {
            xml.text("period", &[], PERIOD);
            xml.text("quota", &[], PERIOD);
        });
        xml.element("os", &[], |xml| xml.text("type", &[], "hvm"));
        xml.element("devices", &[], |xml| {
            xml.empty("controller", &[("type", &"usb"), ("model", &"none")]);
            xml.empty("memballoon", &[("model", &"none")]);
        });
    });
    xml.finish()
}

/// A record as it stands in a domain's metadata. JSON says with an escape what XML cannot.
fn text(record: &Record) -> String {
    // Of strings, numbers and truth values nothing fails.
    let json = record.to_json().unwrap_or_default();
    String::from_utf8_lossy(&json)
        .replace('\u{fffe}', "\\ufffe")
        .replace('\u{ffff}', "\\uffff")
}

/// The element with a record, for a domain that is there.
pub(crate) fn metadata(record: &Record) -> String {
    let mut xml = Xml::default();
    xml.text("record", &[], text(record));
    xml.finish()
}

/// What libvirt says of a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    Running,
    /// In memory, and its guest stopped.
    Stopped,
    /// In memory from a saved execution, and its guest not let go on.
    Restored,
    /// In memory and of no use, for this reason.
    Failing(&'static str),
    /// Not in memory; whether it crashed, if libvirt knows.
    Off {
        crashed: Option<bool>,
    },
}

impl Life {
    pub(crate) fn of((state, reason): (DomainStateEnum, DomainStateReasonEnum)) -> Self {
        let Some(state) = state.known() else {
            return Self::Failing("libvirt tells a state that is not known");
        };
        match state {
            DomainState::Running
            | DomainState::Blocked
            | DomainState::Shutdown
            | DomainState::PMSuspended => Self::Running,
            DomainState::Paused => match reason {
                DomainStateReasonEnum::Known(Reason::Paused(reason)) => match reason.known() {
                    Some(Paused::Migration) => Self::Restored,
                    Some(Paused::IOError) => Self::Failing("its disk failed"),
                    Some(Paused::Crashed) => Self::Failing("the guest crashed"),
                    _ => Self::Stopped,
                },
                _ => Self::Stopped,
            },
            DomainState::Crashed => Self::Failing("the guest crashed"),
            DomainState::NoState | DomainState::Shutoff => {
                let crashed = match reason {
                    DomainStateReasonEnum::Known(Reason::Shutoff(reason)) => {
                        reason.known().and_then(has_crashed)
                    }
                    _ => None,
                };
                Self::Off { crashed }
            }
        }
    }

    pub(crate) const fn is_off(self) -> bool {
        matches!(self, Self::Off { .. })
    }
}

const fn has_crashed(reason: Shutoff) -> Option<bool> {
    match reason {
        Shutoff::Crashed | Shutoff::Daemon => Some(true),
        // It failed to start.
        Shutoff::Failed
        | Shutoff::Shutdown
        | Shutoff::Destroyed
        | Shutoff::Saved
        | Shutoff::Migrated
        | Shutoff::FromSnapshot => Some(false),
        Shutoff::Unknown => None,
    }
}

/// What a machine is, by its record and what libvirt says of it.
pub(crate) fn state(record: &Record, life: Life, saved: bool) -> MachineState {
    match (life, record.own.pending) {
        (Life::Failing(reason), _) => MachineState::Broken(reason.to_owned()),
        (Life::Running, Some(Pending::Suspend)) => MachineState::Unsettled,
        (Life::Running, _) => MachineState::Running,
        (Life::Stopped | Life::Restored, _) => MachineState::Unsettled,
        // libvirt may still be at it.
        (Life::Off { .. }, Some(Pending::PowerOn)) => MachineState::Unsettled,
        (Life::Off { .. }, Some(Pending::Resume)) if saved => MachineState::Unsettled,
        (Life::Off { .. }, _) if saved => MachineState::Suspended,
        (Life::Off { crashed }, _) => MachineState::Off {
            crashed: crashed.unwrap_or(record.own.running),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{machine::Own, xml::text_of};

    fn record() -> Record {
        let own = Own {
            place: "p".to_owned(),
            uuid: "b6d1c5a0-0000-4000-8000-000000000001".to_owned(),
            disk: 512,
            pending: None,
            running: false,
        };
        let config = "RAM=16777217&Storage=512&CPU=25&Network=50".parse();
        Record::new(
            "a \u{fffe}<phone> & \"co\"".to_owned(),
            config.unwrap(),
            own,
        )
    }

    #[test]
    fn a_record_comes_back_from_metadata() {
        let record = record();
        let text = text_of(&metadata(&record)).unwrap();
        assert_eq!(
            crate::machine::Found::parse(text.as_bytes()),
            crate::machine::Found::Machine(record)
        );
    }

    #[test]
    fn a_definition_says_all_there_is_of_a_machine() {
        let driver = Driver::new("QEMU", "qemu");
        let link = Link::bridge("br<0>", virmo_params::Bytes::new(10_000_000));
        let frame = Frame {
            driver: &driver,
            cpus: Some(2),
            link: Some(&link),
            log_console: true,
        };
        let folder = Folder("/m/a&b".into());
        let xml = definition("virmo-vm", &folder, &record(), &record().config, &frame);
        for part in [
            "<domain type=\"qemu\">",
            "<description>a \u{fffd}&lt;phone&gt; &amp; &quot;co&quot;</description>",
            "<memory unit=\"KiB\">16385</memory>",
            "<period>20000</period><quota>10000</quota>",
            "file=\"/m/a&amp;b/disk.raw\"",
            "<mac address=\"52:54:00:b6:d1:c5\"/><source bridge=\"br&lt;0&gt;\"/>",
            "<inbound average=\"5000\"/><outbound average=\"5000\"/>",
            "<serial type=\"file\"><source path=\"/m/a&amp;b/console.log\" append=\"on\"/>",
        ] {
            assert!(xml.contains(part), "{part} is not in {xml}");
        }
        let frame = Frame {
            log_console: false,
            ..frame
        };
        let xml = definition("virmo-vm", &folder, &record(), &record().config, &frame);
        assert!(xml.contains("<serial type=\"null\"><target"), "{xml}");
        assert!(!xml.contains("console.log"), "{xml}");
    }

    #[test]
    fn a_machine_under_way_is_unsettled_and_one_that_is_there_is_not() {
        use MachineState::{Running, Suspended, Unsettled};
        const OFF: Life = Life::Off {
            crashed: Some(false),
        };
        let off = |crashed| MachineState::Off { crashed };
        for (pending, life, saved, due) in [
            (None, Life::Running, false, Running),
            (None, Life::Stopped, false, Unsettled),
            (None, Life::Restored, false, Unsettled),
            (None, OFF, false, off(false)),
            (None, OFF, true, Suspended),
            (
                None,
                Life::Off {
                    crashed: Some(true),
                },
                false,
                off(true),
            ),
            (Some(Pending::PowerOn), OFF, false, Unsettled),
            (Some(Pending::PowerOn), Life::Running, false, Running),
            (Some(Pending::Suspend), Life::Running, false, Unsettled),
            (Some(Pending::Suspend), OFF, true, Suspended),
            (
                Some(Pending::Suspend),
                Life::Off {
                    crashed: Some(true),
                },
                false,
                off(true),
            ),
            (Some(Pending::Resume), OFF, true, Unsettled),
            (Some(Pending::Resume), Life::Restored, false, Unsettled),
            (Some(Pending::Resume), Life::Running, false, Running),
        ] {
            let mut record = record();
            record.own.pending = pending;
            assert_eq!(
                state(&record, life, saved),
                due,
                "{pending:?}, {life:?}, {saved}"
            );
        }
        let mut record = record();
        let forgotten = Life::Off { crashed: None };
        assert_eq!(state(&record, forgotten, false), off(false));
        record.own.running = true;
        assert_eq!(state(&record, forgotten, false), off(true));
    }

    #[test]
    fn a_share_is_of_all_cpus() {
        assert_eq!(quota(100, 2), 2 * PERIOD);
        assert_eq!(quota(0, 2), LEAST);
    }
}
