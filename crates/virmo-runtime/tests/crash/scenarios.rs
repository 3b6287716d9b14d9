//! What a server has a device do: every primitive, and what is beside them.

use std::collections::BTreeMap;

use omadm_core::{Interaction, UserInteraction};
use omadm_mo::Reporting;
use omadm_server::SingleCommand;
use omadm_session::{Procedure, request::Leaf};
use omadm_tree::Uri;
use virmo_client::Policy;
use virmo_params::ResourceConfig;
use virmo_server::{ApplyResources, AskVmUser, CreateVm, DeliverImage, Manage, Mounts, Operate};

use crate::world::{MEDIA_TYPE, World, image_uri};

pub(crate) type Programme = Vec<Box<dyn Procedure>>;

/// Something a server wants, once it may be done.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Before it.
    setup: fn() -> Programme,
    pub(crate) run: fn() -> Programme,
    /// Back to where it may be done, after it was done.
    pub(crate) undo: fn() -> Programme,
    /// Whether the server learns the true end by its procedures, whatever happens; a single command
    /// whose answer was lost is not one.
    pub(crate) tells: bool,
    /// Whether a start ends it: a question is not asked again.
    pub(crate) ends: bool,
}

fn vm(name: &str) -> Uri {
    Mounts::default().vm(name).unwrap()
}

fn image(name: &str) -> Uri {
    Mounts::default().image(name).unwrap()
}

fn config(text: &str) -> ResourceConfig {
    text.parse().unwrap()
}

const SMALL: &str = "RAM=4096&Storage=4096&CPU=10&Network=10";

fn deliver(name: &str) -> Box<dyn Procedure> {
    let uri = image_uri(name);
    Box::new(DeliverImage::new(image(name), name, uri, MEDIA_TYPE))
}

fn create(name: &str) -> Box<dyn Procedure> {
    Box::new(CreateVm::new(vm(name), image("i")).with_resources(config(SMALL)))
}

fn create_off(name: &str) -> Box<dyn Procedure> {
    let create = CreateVm::new(vm(name), image("i")).powered_off();
    Box::new(create.with_resources(config(SMALL)))
}

fn operate(operate: fn(Uri) -> Operate) -> Box<dyn Procedure> {
    Box::new(operate(vm("v")))
}

fn running() -> Programme {
    vec![deliver("i"), create("v")]
}

fn suspended() -> Programme {
    vec![deliver("i"), create("v"), operate(Operate::suspend)]
}

fn powered_off() -> Programme {
    vec![deliver("i"), create_off("v")]
}

fn camera(enabled: bool) -> Programme {
    let change = if enabled {
        Manage::enable
    } else {
        Manage::disable
    };
    vec![Box::new(change(vm("v"), "camera").unwrap())]
}

/// The VMs of an ApplyChanges: what each has, and what it is to get.
const APPLIED: [(&str, &str, &str); 3] = [
    ("v", SMALL, "RAM=8192&Storage=8192&CPU=50&Network=50"),
    ("w", SMALL, "RAM=2048&Storage=4096&CPU=5&Network=5"),
    ("x", SMALL, "RAM=4096&Storage=8192&CPU=30&Network=20"),
];

/// What the VMs of an ApplyChanges have before it, and after it.
pub(crate) fn applied() -> [BTreeMap<String, String>; 2] {
    let by = |pick: fn(&(&str, &str, &str)) -> String| {
        let all = APPLIED.iter().map(|it| (it.0.to_owned(), pick(it)));
        all.collect()
    };
    [by(|it| it.1.to_owned()), by(|it| it.2.to_owned())]
}

fn apply(pick: fn(&(&'static str, &'static str, &'static str)) -> &'static str) -> Programme {
    let configs = APPLIED.iter().map(|it| (it.0, config(pick(it))));
    let apply = ApplyResources::new(&Mounts::default(), configs).unwrap();
    vec![Box::new(apply)]
}

fn exec(at: &str) -> Box<dyn Procedure> {
    Box::new(SingleCommand::exec(at))
}

fn delete(at: &str) -> Box<dyn Procedure> {
    Box::new(SingleCommand::delete(at))
}

/// All that can be done to VMs, from an image at this address, until they are to go.
pub(crate) fn life(at: &str) -> Programme {
    let mut life: Programme = vec![
        Box::new(DeliverImage::new(image("i"), "i", at, MEDIA_TYPE)),
        create("v"),
        create("w"),
        create_off("x"),
        operate(Operate::suspend),
        operate(Operate::resume),
        operate(Operate::power_off),
        operate(Operate::power_on),
    ];
    life.extend(apply(|it| it.2));
    life
}

/// What is left of a [`life`] goes.
pub(crate) fn death() -> Programme {
    let delete = |(name, ..): &(&str, &str, &str)| Box::new(Operate::delete(vm(name))) as _;
    let mut death: Programme = APPLIED.iter().map(delete).collect();
    death.push(Box::new(Operate::delete_image(image("i"))));
    death
}

const SCOMO: &str = "./VirMO/v/DMTree/SCOMO";

const ALL: &[Scenario] = &[
    Scenario {
        name: "download",
        setup: Vec::new,
        run: || vec![deliver("j")],
        undo: || vec![Box::new(Operate::delete_image(image("j")))],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "create",
        setup: || vec![deliver("i")],
        run: || vec![create("v")],
        undo: || vec![operate(Operate::delete)],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "create, powered off",
        setup: || vec![deliver("i")],
        run: || vec![create_off("v")],
        undo: || vec![operate(Operate::delete)],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "suspend",
        setup: running,
        run: || vec![operate(Operate::suspend)],
        undo: || vec![operate(Operate::resume)],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "resume",
        setup: suspended,
        run: || vec![operate(Operate::resume)],
        undo: || vec![operate(Operate::suspend)],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "power on",
        setup: powered_off,
        run: || vec![operate(Operate::power_on)],
        undo: || vec![operate(Operate::power_off)],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "power off",
        setup: running,
        run: || vec![operate(Operate::power_off)],
        undo: || vec![operate(Operate::power_on)],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "delete, running",
        setup: running,
        run: || vec![operate(Operate::delete)],
        undo: || vec![create("v")],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "delete, suspended",
        setup: suspended,
        run: || vec![operate(Operate::delete)],
        undo: || vec![create("v"), operate(Operate::suspend)],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "delete, powered off",
        setup: powered_off,
        run: || vec![operate(Operate::delete)],
        undo: || vec![create_off("v")],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "apply",
        setup: || vec![deliver("i"), create("v"), create("w"), create_off("x")],
        run: || apply(|it| it.2),
        undo: || apply(|it| it.1),
        tells: true,
        ends: false,
    },
    Scenario {
        name: "delete image",
        setup: || vec![deliver("j")],
        run: || vec![Box::new(Operate::delete_image(image("j")))],
        undo: || vec![deliver("j")],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "delete image by its node",
        setup: || vec![deliver("j")],
        run: || vec![delete("./VMImgMO/j")],
        undo: || vec![deliver("j")],
        tells: false,
        ends: false,
    },
    Scenario {
        name: "delete a node",
        setup: || vec![Box::new(SingleCommand::add_node("./VirMO/v", None))],
        run: || vec![delete("./VirMO/v")],
        undo: || vec![Box::new(SingleCommand::add_node("./VirMO/v", None))],
        tells: false,
        ends: false,
    },
    Scenario {
        name: "ask the user",
        setup: running,
        run: || {
            let asked = UserInteraction::new(Interaction::Confirm, "Add it?");
            vec![Box::new(AskVmUser::new(vm("v"), asked))]
        },
        undo: Vec::new,
        tells: true,
        ends: true,
    },
    Scenario {
        name: "lock",
        setup: running,
        run: || vec![Box::new(Manage::lock(vm("v")))],
        undo: || vec![Box::new(Manage::unlock(vm("v")))],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "disable",
        setup: running,
        run: || camera(false),
        undo: || camera(true),
        tells: true,
        ends: false,
    },
    Scenario {
        name: "update firmware",
        setup: running,
        run: || vec![Box::new(Manage::update_firmware(vm("v"), &image_uri("p")))],
        undo: || vec![delete("./VirMO/v/DMTree/FUMO")],
        tells: true,
        ends: false,
    },
    Scenario {
        name: "install software",
        setup: || {
            let mut programme = running();
            let add =
                |at, moid| -> Box<dyn Procedure> { Box::new(SingleCommand::add_node(at, moid)) };
            programme.push(add("./VirMO/v/DMTree", None));
            programme.push(add(SCOMO, Some("urn:oma:mo:oma-scomo:1.0")));
            programme.push(add("./VirMO/v/DMTree/SCOMO/Download/app", None));
            let leaf = |name: &str, text: String| -> Box<dyn Procedure> {
                let at = format!("{SCOMO}/Download/app/{name}");
                Box::new(SingleCommand::replace(&at, Leaf::from(text)))
            };
            programme.push(leaf("PkgID", "app".to_owned()));
            programme.push(leaf("PkgURL", image_uri("p")));
            programme
        },
        run: || {
            vec![exec(
                "./VirMO/v/DMTree/SCOMO/Download/app/Operations/DownloadInstall",
            )]
        },
        undo: Vec::new,
        tells: false,
        ends: false,
    },
];

/// All of them, or those that `CRASH_SCENARIO` names in part.
pub(crate) fn asked() -> impl Iterator<Item = &'static Scenario> {
    let asked = std::env::var("CRASH_SCENARIO").unwrap_or_default();
    ALL.iter().filter(move |it| it.name.contains(&asked))
}

/// One of them.
pub(crate) fn named(name: &str) -> &'static Scenario {
    ALL.iter().find(|it| it.name == name).unwrap()
}

/// How Execs are answered.
pub(crate) fn policy(reporting: Reporting) -> Policy {
    let mut policy = Policy::default();
    policy.reporting = reporting;
    policy.alert_type = Some("com.example.result".to_owned());
    policy.downloads.checkpoint_bytes = 10;
    policy.downloads.retry.retries = 1;
    policy
}

impl Scenario {
    /// Whether it stays done if it is done although its failure was told: a machine or an image is
    /// deleted, a guest runs, is off or has its update, or what is switched is no primitive and can be
    /// switched back.
    pub(crate) fn has_no_way_back(&self) -> bool {
        let name = self.name;
        matches!(
            name,
            "resume" | "power off" | "delete image" | "lock" | "disable" | "update firmware"
        ) || name.starts_with("delete, ")
    }

    /// A device on which it may be done.
    pub(crate) fn world(&self, reporting: Reporting) -> World {
        self.set_up(World::new(policy(reporting)))
    }

    /// Brings a device to where it may be done.
    pub(crate) fn set_up(&self, mut world: World) -> World {
        world.run((self.setup)());
        for report in &world.reports {
            assert!(report.ok, "{}: {report:?}", self.name);
        }
        assert_eq!(world.violations(), [], "{}", self.name);
        world
    }
}
