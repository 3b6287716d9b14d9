//! A device without virtual machines: capabilities, firmware and software managed over DM.
//!
//! `cargo run -p omadm-objects --example appliance` prints its tree; a server is all that is missing.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use omadm_core::{Journal, JournalError, MemoryJournal, Now};
use omadm_download::Cancel;
use omadm_mo::{Effects, ManagementObject, Registry};
use omadm_objects::{
    Capability, Component, Dcmo, Failure, Firmware, Fumo, Installation, Package, ResultCode, Scomo,
    Software, Switch, Updated,
};
use omadm_tree::{Acl, Tree, TreeLimits, Uri};

/// A camera that can be switched, and a USB port with nothing in it.
struct Board;

impl Switch for Board {
    fn capabilities(&self) -> Vec<Capability> {
        let mut usb = Capability::new("USB");
        usb.group = "IO".to_owned();
        usb.attached = Some(false);
        vec![Capability::new("Camera"), usb]
    }

    fn switch(&self, _name: &str, _enabled: bool, _notify_user: bool) -> Result<(), Failure> {
        // Here: the driver.
        Ok(())
    }
}

/// Two slots, one of which is written while the other runs.
struct Slots;

impl Firmware for Slots {
    fn update(&self, package: &Package) -> Result<Updated, ResultCode> {
        match package {
            Package::Data(image) if image.starts_with(b"FW") => Ok(Updated::Done),
            Package::Data(_) => Err(ResultCode::FUMO_CORRUPTED),
            Package::File(_) | Package::Own => Ok(Updated::Done),
        }
    }

    fn download(&self, url: &str, _cancel: &Cancel) -> Result<(), ResultCode> {
        // Here: a downloader the device has already.
        match url.starts_with("https://") {
            true => Ok(()),
            false => Err(ResultCode::FUMO_BAD_URL),
        }
    }
}

/// A package manager that keeps what it was given in memory.
#[derive(Default)]
struct Packages(Mutex<Vec<Component>>);

impl Packages {
    fn with<R>(&self, change: impl FnOnce(&mut Vec<Component>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Software for Packages {
    fn inventory(&self) -> Result<Vec<Component>, ResultCode> {
        Ok(self.with(|components| components.clone()))
    }

    fn install(&self, _package: &Package, how: &Installation) -> Result<Vec<String>, ResultCode> {
        let mut component = Component::new(&how.package_id, &how.package_id);
        component.package_id.clone_from(&how.package_id);
        component.active = how.active;
        self.with(|components| {
            components.retain(|one| one.id != how.package_id);
            components.push(component);
        });
        Ok(vec![how.package_id.clone()])
    }

    fn set_active(&self, component: &str, active: bool) -> Result<(), ResultCode> {
        self.with(|components| {
            let known = components.iter_mut().filter(|one| one.id == component);
            known.for_each(|one| one.active = active);
        });
        Ok(())
    }

    fn remove(&self, component: &str) -> Result<(), ResultCode> {
        self.with(|components| components.retain(|one| one.id != component));
        Ok(())
    }
}

/// The objects at their usual places.
pub(crate) fn objects(
    journal: &dyn Journal,
) -> Result<Vec<Box<dyn ManagementObject>>, JournalError> {
    let at = |name: &str| Uri::root().child(name).unwrap_or_else(|_| Uri::root());
    let dcmo = Dcmo::new(at("DCMO"), Arc::new(Board), journal)?;
    let fumo = Fumo::new(at("FUMO"), Arc::new(Slots), journal)?;
    let scomo = Scomo::new(at("SCOMO"), Arc::new(Packages::default()), journal)?;
    Ok(vec![
        Box::new(dcmo.without("DCMOConfig/DenyUserEnable")),
        Box::new(fumo),
        Box::new(scomo),
    ])
}

fn main() -> Result<(), Box<dyn Error>> {
    let journal = MemoryJournal::new();
    let mut registry = Registry::new();
    for object in objects(&journal)? {
        registry.mount(object)?;
    }
    let mut tree = Tree::load(&journal, TreeLimits::default(), Acl::root_default())?;

    // From here on an `omadm_client::Client` does it.
    let mut transaction = tree.begin(Now::default());
    let mut effects = Effects::new(0);
    registry.start(&mut transaction, &mut effects, Now::default())?;
    transaction.commit(&journal, effects.batch)?;
    registry.committed();

    let mut open: Vec<_> = tree.node(&Uri::root()).into_iter().collect();
    while let Some(node) = open.pop() {
        println!("{} {}", node.uri(), node.text().unwrap_or_default());
        open.extend(node.children().rev());
    }
    Ok(())
}
