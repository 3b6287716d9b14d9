//! Firmware and software, of VMs and of devices that have none.

use virmo::{
    dm::{session::Procedure, tree::Uri},
    nodes::Profile,
    server::{Manage, ManageSoftware, Mounts, Place, Policy, SoftwarePackage},
};

use super::resolve;
use crate::plan::{Companion, Component, Package};

/// What a step is called, and how it is done.
pub(super) fn procedure(
    step: &Companion,
    base: &str,
    profile: Profile,
    policy: Policy,
) -> Result<(String, Box<dyn Procedure>), String> {
    let place = |vm: &Option<String>, object: &Option<String>, usual: &str| {
        place(vm.as_deref(), object.as_deref(), usual, profile)
    };
    let scomo = |vm: &Option<String>, object: &Option<String>| place(vm, object, "./SCOMO");
    let named = |name: &str, built: Result<ManageSoftware, _>| {
        let built = built.map_err(|error| format!("{name:?}: {error}"));
        built.map(|built: ManageSoftware| Box::new(built.with_policy(policy)))
    };
    let component = |what: &str, it: &Component, make: Make| {
        let (place, of) = scomo(&it.vm, &it.object)?;
        let procedure: Box<dyn Procedure> = named(&it.component, make(place, &it.component))?;
        Ok((format!("{what} {}{of}", it.component), procedure))
    };
    match step {
        Companion::UpdateFirmware(it) => {
            let (place, of) = place(&it.vm, &it.object, "./FUMO")?;
            if it.uri.is_empty() {
                return Err("firmware has a uri".to_owned());
            }
            let procedure = Manage::update_firmware(place, &resolve(&it.uri, base));
            let procedure = Box::new(procedure.with_policy(policy));
            Ok((format!("update firmware{of}"), procedure))
        }
        Companion::DeliverSoftware(it) => {
            if it.active.is_some() {
                return Err("active is for install_software".to_owned());
            }
            let (place, of) = scomo(&it.vm, &it.object)?;
            let package = package(it, base)?.ok_or("a package has a uri or a file")?;
            let procedure = named(&it.package, ManageSoftware::deliver(place, package))?;
            Ok((format!("deliver software {}{of}", it.package), procedure))
        }
        Companion::InstallSoftware(it) => {
            let (place, of) = scomo(&it.vm, &it.object)?;
            let built = match package(it, base)? {
                Some(package) => ManageSoftware::install(place, package),
                None => ManageSoftware::install_delivered(place, &it.package),
            };
            let built = built.map(|built| match it.active {
                Some(false) => built.inactive(),
                _ => built,
            });
            let procedure = named(&it.package, built)?;
            Ok((format!("install software {}{of}", it.package), procedure))
        }
        Companion::RemovePackage(it) => {
            let (place, of) = scomo(&it.vm, &it.object)?;
            let built = ManageSoftware::remove_package(place, &it.package);
            let procedure = named(&it.package, built)?;
            Ok((format!("remove package {}{of}", it.package), procedure))
        }
        Companion::ActivateSoftware(it) => {
            component("activate software", it, ManageSoftware::activate)
        }
        Companion::DeactivateSoftware(it) => {
            component("deactivate software", it, ManageSoftware::deactivate)
        }
        Companion::RemoveSoftware(it) => component("remove software", it, ManageSoftware::remove),
    }
}

type Make = fn(Place, &str) -> Result<ManageSoftware, virmo::dm::tree::UriError>;

/// Where an object is, and how that is said behind what is done.
fn place(
    vm: Option<&str>,
    object: Option<&str>,
    usual: &str,
    profile: Profile,
) -> Result<(Place, String), String> {
    match (vm, object) {
        (Some(_), Some(_)) => Err("vm and object are one too many".to_owned()),
        (Some(name), None) => {
            let vm = Mounts::default().vm(name);
            let vm = vm.map_err(|error| format!("{name:?}: {error}"))?;
            let place = match profile {
                Profile::Draft => Place::DraftVm(vm),
                _ => Place::Vm(vm),
            };
            Ok((place, format!(" of VM {name}")))
        }
        (None, object) => {
            let at = object.unwrap_or(usual);
            let root = Uri::parse(at).map_err(|error| format!("{at:?}: {error}"))?;
            Ok((Place::Object(root), String::new()))
        }
    }
}

/// A package that is brought; none for one that is there.
fn package(it: &Package, base: &str) -> Result<Option<SoftwarePackage>, String> {
    let id = it.id.as_ref().unwrap_or(&it.package);
    let mut package = match (&it.uri, &it.content) {
        (Some(_), Some(_)) => return Err("uri and file are one too many".to_owned()),
        (Some(uri), None) if uri.is_empty() => return Err("the uri is empty".to_owned()),
        (Some(uri), None) => SoftwarePackage::at_url(&it.package, id, resolve(uri, base)),
        (None, Some(content)) => SoftwarePackage::with_data(&it.package, id, content.clone()),
        (None, None) => {
            let more = [
                &it.id,
                &it.name,
                &it.params,
                &it.environment,
                &it.media_type,
            ];
            return match more.into_iter().any(Option::is_some) {
                true => Err("a package that is described has a uri or a file".to_owned()),
                false => Ok(None),
            };
        }
    };
    if let Some(name) = &it.name {
        package = package.named(name);
    }
    if let Some(params) = &it.params {
        package = package.with_params(params);
    }
    if let Some(environment) = &it.environment {
        package = package.for_environment(environment);
    }
    if let Some(media_type) = &it.media_type {
        package = package.of_type(media_type);
    }
    Ok(Some(package))
}
