//! What a machine's QEMU has beside disk and memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    Network,
    machine::Folder,
    process::comma_free,
    qmp::{Qmp, QmpError},
};

/// A USB device that machines can have as a peripheral.
///
/// ```
/// use virmo_qemu::UsbDevice;
///
/// let touch = UsbDevice::new("usb-tablet").is_input();
/// let camera = UsbDevice::new("usb-host").with("vendorid", "1133").with("productid", "2093");
/// # let _ = (touch, camera);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UsbDevice {
    driver: String,
    properties: BTreeMap<String, String>,
    input: bool,
}

impl UsbDevice {
    /// A device by the name of its driver in QEMU: `usb-tablet`, `usb-storage`, `usb-host`.
    ///
    /// A machine with a device that QEMU cannot save, as some of `usb-host`, cannot be suspended
    /// while it has it.
    #[must_use]
    pub fn new(driver: impl Into<String>) -> Self {
        Self {
            driver: driver.into(),
            properties: BTreeMap::new(),
            input: false,
        }
    }

    /// The device with a property of its driver. `true`, `false` and decimal numbers are taken for
    /// what they look like.
    #[must_use]
    pub fn with(mut self, property: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(property.into(), value.into());
        self
    }

    /// The device as one the user works the machine with: a locked machine does not have it.
    #[must_use]
    pub const fn is_input(mut self) -> Self {
        self.input = true;
        self
    }
}

/// The way messages go between host and guest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Channel {
    /// The second serial port: every guest has a driver for it.
    #[default]
    Serial,
    /// A port of a virtio console named `virmo.dm.0`: faster, for guests with the driver.
    Virtio,
}

/// The devices of a machine as it was last started: what was saved goes on only with the same ones.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Devices {
    /// Its memory in MiB; what it is entitled to may be less since.
    pub(crate) ram: u64,
    pub(crate) channel: Channel,
    pub(crate) network: bool,
    /// All it could have; a place in the list is a port.
    pub(crate) usb: Vec<(String, UsbDevice)>,
    /// Those it had when its execution was saved.
    pub(crate) plugged: BTreeSet<String>,
}

/// What the user has switched off.
pub(crate) struct Switches<'a> {
    pub(crate) disabled: &'a BTreeSet<String>,
    pub(crate) locked: bool,
}

impl Switches<'_> {
    fn allow(&self, name: &str, input: bool) -> bool {
        !(self.disabled.contains(name) || self.locked && input)
    }
}

/// The name of the network as a peripheral.
pub(crate) const NETWORK: &str = "network";
/// How often a guest's balloon is asked for statistics, in seconds; that it answers tells that it is
/// there.
const STATISTICS: u64 = 2;
const BALLOON: &str = "/machine/peripheral/balloon";
const PERIPHERALS: &str = "/machine/peripheral";

fn device_id(name: &str) -> String {
    format!("p-{name}")
}

impl Devices {
    /// Its memory in octets.
    pub(crate) const fn memory(&self) -> u64 {
        self.ram << 20
    }

    /// The words of QEMU's command line. `plugged` devices are there from the start.
    pub(crate) fn arguments(&self, uuid: &str, folder: &Folder) -> Vec<OsString> {
        let mut all: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| all.extend(words.iter().map(OsString::from));
        add(&["-device", "virtio-balloon-pci,id=balloon"]);
        match self.channel {
            Channel::Serial => add(&["-serial", "chardev:dm"]),
            Channel::Virtio => add(&[
                "-device",
                "virtio-serial-pci",
                "-device",
                "virtserialport,chardev=dm,name=virmo.dm.0",
            ]),
        }
        if self.network {
            let interface = Network::interface(uuid);
            let card = Network::address(uuid);
            add(&[
                "-netdev",
                &format!("tap,id=net0,ifname={interface},script=no,downscript=no"),
                "-device",
                &format!("virtio-net-pci,id=nic,netdev=net0,romfile=,mac={card}"),
            ]);
        }
        if !self.usb.is_empty() {
            add(&["-device", "qemu-xhci,id=usb"]);
        }
        for (port, (name, device)) in self.usb.iter().enumerate() {
            if self.plugged.contains(name) {
                add(&["-device", &json_device(port, name, device).to_string()]);
            }
        }
        let mut channel = OsString::from("socket,id=dm,server=on,wait=off,path=");
        channel.push(comma_free(&folder.channel()));
        all.extend([OsString::from("-chardev"), channel]);
        all
    }

    /// Whether the guest drives its balloon.
    pub(crate) fn has_balloon(qmp: &mut Qmp) -> Result<bool, QmpError> {
        let statistics = json!({ "path": BALLOON, "property": "guest-stats" });
        let statistics = qmp.execute("qom-get", statistics)?;
        let last = statistics.get("last-update").and_then(Value::as_u64);
        Ok(last.is_some_and(|last| last > 0))
    }

    /// Makes a QEMU whose guest does not run yet, or does, have what it is to have.
    pub(crate) fn settle(&self, qmp: &mut Qmp, switches: &Switches<'_>) -> Result<(), QmpError> {
        let plugged = self.plugged_now(qmp)?;
        for (port, (name, device)) in self.usb.iter().enumerate() {
            match (switches.allow(name, device.input), plugged.contains(name)) {
                (true, false) => {
                    qmp.execute("device_add", json_device(port, name, device))?;
                }
                (false, true) => {
                    qmp.execute("device_del", json!({ "id": device_id(name) }))?;
                }
                _ => {}
            }
        }
        if self.network {
            let up = switches.allow(NETWORK, false);
            qmp.execute("set_link", json!({ "name": "nic", "up": up }))?;
        }
        let interval = "guest-stats-polling-interval";
        let asked = json!({ "path": BALLOON, "property": interval, "value": STATISTICS });
        qmp.execute("qom-set", asked)?;
        Ok(())
    }

    /// The peripherals QEMU has at this moment.
    pub(crate) fn plugged_now(&self, qmp: &mut Qmp) -> Result<BTreeSet<String>, QmpError> {
        let there = qmp.execute("qom-list", json!({ "path": PERIPHERALS }))?;
        let there = there.as_array().map(Vec::as_slice).unwrap_or_default();
        let is_there = |name: &&(String, UsbDevice)| {
            let id = device_id(&name.0);
            there
                .iter()
                .any(|property| property.get("name").and_then(Value::as_str) == Some(&id))
        };
        let plugged = self.usb.iter().filter(is_there);
        Ok(plugged.map(|(name, _)| name.clone()).collect())
    }
}

/// A device as QEMU takes it, on its command line and by QMP.
fn json_device(port: usize, name: &str, device: &UsbDevice) -> Value {
    let mut all: Map<String, Value> = device
        .properties
        .iter()
        .map(|(name, value)| (name.clone(), json_value(value)))
        .collect();
    all.insert("driver".to_owned(), device.driver.clone().into());
    all.insert("id".to_owned(), device_id(name).into());
    all.insert("bus".to_owned(), "usb.0".into());
    all.insert("port".to_owned(), (port + 1).to_string().into());
    Value::Object(all)
}

fn json_value(text: &str) -> Value {
    match (text, text.parse::<u64>()) {
        ("true", _) => true.into(),
        ("false", _) => false.into(),
        (_, Ok(number)) => number.into(),
        (text, _) => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_typed() {
        let camera = UsbDevice::new("usb-host")
            .with("vendorid", "1133")
            .with("guest-reset", "false");
        assert_eq!(
            json_device(1, "camera", &camera),
            json!({ "driver": "usb-host", "id": "p-camera", "bus": "usb.0", "port": "2", "vendorid": 1133, "guest-reset": false })
        );
    }

    #[test]
    fn a_lock_takes_input_away_and_nothing_else() {
        let disabled = BTreeSet::from(["camera".to_owned()]);
        let switches = |locked| Switches {
            disabled: &disabled,
            locked,
        };
        for (name, input, unlocked, locked) in [
            ("touch", true, true, false),
            ("speaker", false, true, true),
            ("camera", false, false, false),
        ] {
            assert_eq!(switches(false).allow(name, input), unlocked, "{name}");
            assert_eq!(switches(true).allow(name, input), locked, "{name}");
        }
    }
}
