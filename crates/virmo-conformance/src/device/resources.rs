//! Resources: CurrentConfig, NewConfig, ApplyChanges, DeviceResources. [VirMO §8]

use virmo::params::{DeviceResources, ResourceConfig};

use super::{life, states::remove};
use crate::{
    Failed,
    bench::Bench,
    scenario::{Done, scenarios},
};

scenarios! {
    Device:
    RESOURCES_ARE_APPLIED = resources_are_applied;
    INCONSISTENT_RESOURCES_ARE_REFUSED = inconsistent_resources_are_refused;
    CONFIGURATIONS_ARE_READ = configurations_are_read;
    THE_DEVICE_SAYS_WHAT_IT_HAS = the_device_says_what_it_has;
}

const APPLY: &str = "./VirMO/Operations/ApplyChanges";
const SMALL: &str = "RAM=134217728&Storage=1073741824&CPU=20&Network=20";
const LARGE: &str = "RAM=268435456&Storage=1073741824&CPU=60&Network=50";

fn current(bench: &mut Bench<'_>, vm: &str) -> Result<String, Failed> {
    let value = bench.value(&format!("{vm}/Resources/CurrentConfig"))?;
    Ok(value.unwrap_or_default())
}

fn new(vm: &str) -> String {
    format!("{vm}/Resources/NewConfig")
}

/// So many VMs that are powered off, which take any change.
fn vms(bench: &mut Bench<'_>, count: usize) -> Result<Vec<String>, Failed> {
    let (_, image) = life::image(bench)?;
    let mut vms = Vec::new();
    for _ in 0..count {
        let vm = life::vm(bench, &format!("ImgID={image}&Running=false"))?;
        bench.operate(&vm, "Create")?;
        vms.push(vm);
    }
    Ok(vms)
}

/// The octets and shares of a configuration, as the specification writes them.
fn parsed(text: &str) -> Option<ResourceConfig> {
    text.parse().ok()
}

fn resources_are_applied(bench: &mut Bench<'_>) -> Done {
    let vms = vms(bench, 4)?;
    let [one, two, empty, other] = &vms[..] else {
        return Err(Failed::new("no VMs"));
    };
    let before = [current(bench, empty)?, current(bench, other)?];
    for (vm, config) in [(one, SMALL), (two, LARGE), (empty, "")] {
        bench.add(&new(vm), config)?;
    }
    let status = bench.exec(APPLY)?;
    if status == 202 {
        bench.wait_for(&new(one), |value| value.is_none())?;
    }
    for (vm, config) in [(one, SMALL), (two, LARGE)] {
        let now = current(bench, vm)?;
        bench.check(
            &["VR-028", "VR-111", "VR-112", "VR-114", "VR-122", "VR-279"],
            matches!(status, 200 | 202) && parsed(&now).is_some() && parsed(&now) == parsed(config),
            format_args!("ApplyChanges: {status}, CurrentConfig {now:?} instead of {config:?}"),
        );
    }
    let after = [current(bench, empty)?, current(bench, other)?];
    bench.check(
        &["VR-137"],
        before == after,
        format_args!("without a new configuration {before:?} became {after:?}"),
    );
    for vm in &vms {
        let left = bench.value(&new(vm))?;
        bench.check(
            &["VR-138"],
            left.is_none(),
            format_args!("NewConfig is still {left:?}"),
        );
    }
    vms.iter().try_for_each(|vm| remove(bench, vm))
}

/// Sums that go beyond the device; nothing of them is applied.
fn inconsistent_resources_are_refused(bench: &mut Bench<'_>) -> Done {
    let vms = vms(bench, 2)?;
    let [one, two] = &vms[..] else {
        return Err(Failed::new("no VMs"));
    };
    let device = bench.value("./VirMO/DeviceResources")?.unwrap_or_default();
    let device: DeviceResources = device.parse().map_err(Failed::new)?;
    let more = |octets: u64| octets / 2 + 1;
    let (ram, storage) = (more(device.ram.get()), more(device.storage.get()));
    for config in [
        "RAM=134217728&Storage=1073741824&CPU=51&Network=20".to_owned(),
        "RAM=134217728&Storage=1073741824&CPU=20&Network=51".to_owned(),
        format!("RAM={ram}&Storage=1073741824&CPU=20&Network=20"),
        format!("RAM=134217728&Storage={storage}&CPU=20&Network=20"),
    ] {
        let before = [current(bench, one)?, current(bench, two)?];
        for vm in [one, two] {
            bench.delete(&new(vm))?;
            bench.add(&new(vm), &config)?;
        }
        let status = bench.exec(APPLY)?;
        let after = [current(bench, one)?, current(bench, two)?];
        bench.check(
            &["VR-139"],
            status >= 400 && before == after,
            format_args!("{config} for two VMs: {status}, {before:?} became {after:?}"),
        );
    }
    for vm in [one, two] {
        bench.delete(&new(vm))?;
    }
    vms.iter().try_for_each(|vm| remove(bench, vm))
}

/// What is a configuration, and what is none.
fn configurations_are_read(bench: &mut Bench<'_>) -> Done {
    let vms = vms(bench, 1)?;
    let [vm] = &vms[..] else {
        return Err(Failed::new("no VM"));
    };
    let bad = [
        ("Storage=1073741824&CPU=20&Network=20", &["VR-115"][..]),
        (
            "RAM=1&RAM=134217728&Storage=1073741824&CPU=20&Network=20",
            &["VR-115"],
        ),
        ("RAM=134217728&CPU=20&Network=20", &["VR-116"]),
        ("RAM=134217728&Storage=lots&CPU=20&Network=20", &["VR-116"]),
        (
            "RAM=134217728&Storage=1073741824&CPU=101&Network=20",
            &["VR-117"],
        ),
        ("RAM=134217728&Storage=1073741824&Network=20", &["VR-117"]),
        (
            "RAM=134217728&Storage=1073741824&CPU=20&Network=101",
            &["VR-118"],
        ),
        ("RAM=134217728&Storage=1073741824&CPU=20", &["VR-118"]),
        (
            "RAM=134217728;Storage=1073741824;CPU=20;Network=20",
            &["VR-123"],
        ),
    ];
    for (config, rows) in bad {
        let before = current(bench, vm)?;
        let added = bench.add(&new(vm), config)?;
        let applied = bench.exec(APPLY)?;
        let after = current(bench, vm)?;
        bench.check(
            rows,
            (added >= 400 || applied >= 400) && before == after,
            format_args!("{config}: Add {added}, ApplyChanges {applied}, {after:?}"),
        );
        bench.delete(&new(vm))?;
    }
    for config in [
        SMALL,
        LARGE,
        "Network=5&CPU=0&Storage=1073741824&RAM=134217728&X-Vendor=1",
    ] {
        bench.add(&new(vm), config)?;
        let status = bench.exec(APPLY)?;
        bench.wait_for(&new(vm), |value| value.is_none())?;
        let now = current(bench, vm)?;
        let (now, due) = (parsed(&now), parsed(config));
        let same = now.is_some_and(|now| {
            due.is_some_and(|due| {
                (now.ram, now.storage, now.cpu, now.network)
                    == (due.ram, due.storage, due.cpu, due.network)
            })
        });
        bench.check(
            &["VR-113", "VR-115", "VR-116", "VR-117", "VR-118", "VR-123"],
            matches!(status, 200 | 202) && same,
            format_args!("{config} was answered with {status}"),
        );
    }
    remove(bench, vm)
}

fn the_device_says_what_it_has(bench: &mut Bench<'_>) -> Done {
    let text = bench.value("./VirMO/DeviceResources")?.unwrap_or_default();
    bench.check(
        &["VR-141", "VR-142", "VR-143", "VR-144", "VR-145", "VR-146"],
        text.parse::<DeviceResources>().is_ok(),
        format_args!("DeviceResources {text:?}"),
    );
    for (key, row) in [("RAM", "VR-145"), ("Storage", "VR-146")] {
        let mut values = text
            .split('&')
            .filter_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        let octets = values.next().and_then(|value| value.parse::<u64>().ok());
        let once = values.next().is_none();
        bench.check(
            &[row],
            once && octets.is_some_and(|octets| octets > 0),
            format_args!("{key} in {text:?}"),
        );
    }
    Ok(())
}
