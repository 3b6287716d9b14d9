//! What the registry asks of mounted objects, and in which order.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
};

use omadm_core::{Format, MemoryJournal, Now, StatusCode};
use omadm_mo::{
    Context, Definition, Effects, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, JobOutput,
    ManagementObject, Mount, MountError, NodeDefinition as N, Refusal, Registry, Reporting,
};
use omadm_tree::{
    AccessType::{Add, Delete, Get, Replace},
    Acl, Change, ChangeKind, NewNode, Occurrence, Principal, Schema, Target, Transaction, Tree,
    TreeLimits, Uri, Value,
};

static LAMPS: Definition = Definition {
    name: Cow::Borrowed("Lamps"),
    moid: Cow::Borrowed("urn:example:mo:lamps:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "The lamps.", "§1").permanent(),
        N::node("<x>", "One lamp.", "§1")
            .occurs(Occurrence::ZeroOrMore)
            .allows(&[Add, Delete, Get]),
        N::leaf("<x>/On", Format::Bool, "Whether it shines.", "§1")
            .allows(&[Add, Get, Replace])
            .starts_as("false"),
        N::operation("<x>/Blink", "Exec lets it blink.", "§1"),
        N::node("<x>/Ext", "Anything.", "§1").optional().open(),
    ]),
};

type Log = Arc<Mutex<Vec<String>>>;

/// Answers a hook: the name of the object, the hook, and what it may do.
type Script = fn(&str, &mut Context<'_, '_>) -> Result<(), Refusal>;

/// Writes down every hook, then follows its script.
struct Scripted {
    name: &'static str,
    mounts: Vec<Mount>,
    log: Log,
    script: Script,
}

impl Scripted {
    fn note(&self, what: &str, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.log
            .lock()
            .unwrap()
            .push(format!("{} {what}", self.name));
        (self.script)(what, cx)
    }
}

impl ManagementObject for Scripted {
    fn mounts(&self) -> Vec<Mount> {
        self.mounts.clone()
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.note("start", cx)
    }

    fn stage(
        &mut self,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        let kind = match &change.kind {
            ChangeKind::Added => "+",
            ChangeKind::Deleted { .. } => "-",
            ChangeKind::Replaced { .. } => "=",
            _ => "~",
        };
        let by = match by {
            Principal::Device => "device",
            Principal::Server(_) => "server",
        };
        self.note(&format!("{kind}{} by {by}", change.uri), cx)
    }

    fn validate(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.note("validate", cx)
    }

    fn committed(&mut self) {
        self.log
            .lock()
            .unwrap()
            .push(format!("{} committed", self.name));
    }

    fn rolled_back(&mut self) {
        self.log
            .lock()
            .unwrap()
            .push(format!("{} rolled back", self.name));
    }

    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        match self.note(&format!("exec {}", request.uri), cx) {
            Err(refusal) => refusal.0.into(),
            Ok(()) => match cx.effects.jobs.last() {
                Some(job) => ExecAnswer::Pending(job.id, Reporting::Synchronous),
                None => StatusCode::OK.into(),
            },
        }
    }

    fn accepted(&mut self, job: JobId, cx: &mut Context<'_, '_>) {
        self.note(&format!("accepted {job}"), cx).unwrap();
    }

    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        let end = match end {
            JobEnd::Finished(_) => "finished",
            JobEnd::Lost => "lost",
            JobEnd::TimedOut => "timed out",
            JobEnd::Late(_) => "late",
        };
        match self.note(&format!("{end} {job}"), cx) {
            Ok(()) => StatusCode::OK.into(),
            Err(refusal) => refusal.0.into(),
        }
    }
}

/// A device with two objects, `a` at `./A` and `b` at `./B` and `./A/shelf/Ext/B`.
struct Device {
    tree: Tree,
    registry: Registry,
    log: Log,
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn server() -> Principal {
    Principal::Server("dm.example".parse().unwrap())
}

impl Device {
    fn new(script: Script) -> Self {
        let log = Log::default();
        let object = |name, roots: &[&str]| {
            let mounts = roots.iter().map(|root| Mount::new(uri(root), &LAMPS));
            Box::new(Scripted {
                name,
                mounts: mounts.collect(),
                log: Arc::clone(&log),
                script,
            })
        };
        let mut registry = Registry::new();
        registry.mount(object("a", &["./A"])).unwrap();
        registry
            .mount(object("b", &["./B", "./A/shelf/Ext/B"]))
            .unwrap();
        let acl: Acl = "Add=*&Delete=*&Exec=*&Get=*&Replace=*".parse().unwrap();
        let mut device = Self {
            tree: Tree::new(TreeLimits::default(), acl),
            registry,
            log,
        };
        device
            .unit(|registry, tree, effects| registry.start(tree, effects, Now::default()))
            .unwrap();
        device
    }

    /// Does something in a transaction of its own, which is committed if it comes to a result.
    fn unit<T>(
        &mut self,
        work: impl FnOnce(&mut Registry, &mut Transaction<'_>, &mut Effects) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut tree = self.tree.begin(Now::default());
        let mut effects = Effects::new(7);
        let result = work(&mut self.registry, &mut tree, &mut effects);
        if result.is_ok() {
            tree.commit(&MemoryJournal::new(), effects.batch).unwrap();
            self.registry.committed();
        } else {
            tree.rollback();
            self.registry.rolled_back();
        }
        result
    }

    fn add(&mut self, address: &str) -> Result<(), Refusal> {
        self.unit(|registry, tree, effects| {
            add(registry, tree, address);
            registry.stage(&server(), tree, effects, Now::default())?;
            registry.validate(tree, effects, Now::default())
        })
    }

    /// What was noted since the last call.
    fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn has(&self, address: &str) -> bool {
        self.tree.node(&uri(address)).is_some()
    }
}

fn add(registry: &Registry, tree: &mut Transaction<'_>, address: &str) {
    let target = Target::node(uri(address));
    let schema = registry.layout();
    let permit = tree.authorize(schema, &server(), Add, &target).unwrap();
    tree.add(schema, permit, NewNode::INTERIOR).unwrap();
}

fn nothing(_: &str, _: &mut Context<'_, '_>) -> Result<(), Refusal> {
    Ok(())
}

#[test]
fn roots_are_made_before_the_objects_start() {
    let device = Device::new(|what, cx| {
        assert_eq!(what, "start");
        for root in ["./A", "./B", "./A/shelf/Ext/B"] {
            assert_eq!(cx.tree.node(&uri(root)).unwrap().node_type(), LAMPS.moid);
        }
        Ok(())
    });
    assert_eq!(
        device.log(),
        ["a start", "b start", "a committed", "b committed"]
    );
}

#[test]
fn a_start_completes_what_an_older_table_left() {
    let mut device = Device::new(nothing);
    device.add("./A/old").unwrap();
    device
        .unit(|_, tree, _| Ok(tree.remove(&uri("./A/old/On"))?))
        .unwrap();
    device
        .unit(|registry, tree, effects| registry.start(tree, effects, Now::default()))
        .unwrap();
    assert!(device.has("./A/old/On"));
}

#[test]
fn a_change_reaches_the_owner_alone_then_the_verdict_is_asked() {
    let mut device = Device::new(nothing);
    device.log();
    device.add("./A/one").unwrap();
    assert_eq!(
        device.log(),
        [
            "a +./A/one by server",
            "a +./A/one/On by server",
            "a +./A/one/Blink by server",
            "a +./A/one/Ext by server",
            "a validate",
            "a committed",
        ]
    );
    assert!(device.has("./A/one/On"));
}

#[test]
fn the_nearest_mount_owns_a_node() {
    let mut device = Device::new(nothing);
    device.log();
    device.add("./A/shelf/Ext/B/lamp").unwrap();
    device.add("./A/shelf/Ext/other").unwrap();
    let log = device.log();
    assert_eq!(log.first().unwrap(), "b +./A/shelf/Ext/B/lamp by server");
    assert!(log.contains(&"a +./A/shelf/Ext/other by server".to_owned()));
    assert!(!log.contains(&"a +./A/shelf/Ext/B/lamp by server".to_owned()));
}

#[test]
fn every_command_of_a_transaction_is_shown_once() {
    let mut device = Device::new(nothing);
    device.log();
    let result = device.unit(|registry, tree, effects| {
        for address in ["./A/one", "./B/two"] {
            add(registry, tree, address);
            registry.stage(&server(), tree, effects, Now::default())?;
        }
        registry.validate(tree, effects, Now::default())
    });
    assert_eq!(result, Ok(()));
    let log = device.log();
    let shown = |line: &str| log.iter().filter(|entry| *entry == line).count();
    assert_eq!(shown("a +./A/one by server"), 1);
    assert_eq!(shown("b +./B/two by server"), 1);
    let end = ["a validate", "b validate", "a committed", "b committed"];
    assert!(log.ends_with(&end.map(str::to_owned)));
}

/// A refusal at any hook takes everything back, and all that took part hear of it.
#[test]
fn a_refusal_takes_everything_back() {
    for refusing in ["+./B/two by server", "validate"] {
        let script: Script = match refusing {
            "validate" => |what, _| match what {
                "validate" => Err(Refusal(StatusCode::DEVICE_FULL)),
                _ => Ok(()),
            },
            _ => |what, _| match what {
                "+./B/two by server" => Err(Refusal(StatusCode::DEVICE_FULL)),
                _ => Ok(()),
            },
        };
        let mut device = Device::new(script);
        device.log();
        let result = device.unit(|registry, tree, effects| {
            add(registry, tree, "./A/one");
            add(registry, tree, "./B/two");
            registry.stage(&server(), tree, effects, Now::default())?;
            registry.validate(tree, effects, Now::default())
        });
        assert_eq!(result, Err(Refusal(StatusCode::DEVICE_FULL)));
        let end = ["a rolled back", "b rolled back"].map(str::to_owned);
        assert!(device.log().ends_with(&end));
        assert!(!device.has("./A/one") && !device.has("./B/two"));

        device.registry.rolled_back();
        assert_eq!(device.log(), [""; 0]);
    }
}

/// An object does not hear of its own changes; others do, as changes of the device.
#[test]
fn what_a_hook_changes_reaches_the_other_objects() {
    let mut device = Device::new(|what, cx| {
        if what == "+./A/one by server" {
            cx.tree
                .set(cx.schema, &uri("./A/one/On"), Value::bool(true))?;
            cx.tree.add_interior(cx.schema, &uri("./B/one"))?;
        }
        Ok(())
    });
    device.log();
    device.add("./A/one").unwrap();
    let log = device.log();
    assert!(log.contains(&"b +./B/one by device".to_owned()), "{log:?}");
    assert!(
        !log.iter().any(|line| line.contains("=./A/one/On")),
        "{log:?}"
    );
    assert!(log.contains(&"b committed".to_owned()));
    assert!(device.has("./B/one/On"));
}

#[test]
fn hooks_that_answer_each_other_for_ever_are_stopped() {
    let mut device = Device::new(|what, cx| {
        let other = match what {
            "+./A/one by server" | "=./A/one/On by device" => "./B/one/On",
            "+./B/one/On by device" | "=./B/one/On by device" => "./A/one/On",
            _ => return Ok(()),
        };
        Ok(cx.tree.set(cx.schema, &uri(other), Value::bool(true))?)
    });
    let nodes = device.tree.node_count();
    let result = device.add("./A/one");
    assert_eq!(result, Err(Refusal(StatusCode::COMMAND_FAILED)));
    assert_eq!(device.tree.node_count(), nodes);
}

fn exec(device: &mut Device, address: &str) -> Result<ExecAnswer, Refusal> {
    let (at, by) = (uri(address), server());
    let request = ExecRequest::new(&at, &by);
    device.unit(|registry, tree, effects| registry.exec(&request, tree, effects, Now::default()))
}

#[test]
fn exec_reaches_the_owner_or_nobody() {
    let mut device = Device::new(|what, cx| {
        if what.starts_with("exec") {
            cx.tree.add_interior(cx.schema, &uri("./B/seen"))?;
        }
        Ok(())
    });
    device.log();
    let answer = exec(&mut device, "./A/one/Blink");
    assert_eq!(answer, Ok(StatusCode::OK.into()));
    let log = device.log();
    assert_eq!(log.first().unwrap(), "a exec ./A/one/Blink");
    assert!(log.contains(&"b +./B/seen by device".to_owned()));
    assert!(log.contains(&"b validate".to_owned()) && !log.contains(&"a validate".to_owned()));

    let answer = exec(&mut device, "./C");
    assert_eq!(answer, Ok(StatusCode::COMMAND_NOT_ALLOWED.into()));
    assert_eq!(device.log(), [""; 0]);
}

fn job_on_exec(what: &str, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
    if what.starts_with("exec") {
        let work = Box::new(|| Box::new(()) as JobOutput);
        cx.effects.job("lane", "blink", work);
    }
    Ok(())
}

fn completed(device: &mut Device, job: JobId, end: JobEnd) -> Option<ExecResult> {
    device
        .unit(|registry, tree, effects| registry.completed(job, end, tree, effects, Now::default()))
        .unwrap()
}

/// The end of a job reaches the object that asked for it, once; after the time limit once more.
#[test]
fn the_end_of_a_job_reaches_the_object_that_asked() {
    let mut device = Device::new(job_on_exec);
    let answer = exec(&mut device, "./B/one/Blink").unwrap();
    let ExecAnswer::Pending(job, _) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(job, JobId::new(7));
    device.log();
    device
        .unit(|registry, tree, effects| registry.accepted(job, tree, effects, Now::default()))
        .unwrap();
    let ok = Some(ExecResult::from(StatusCode::OK));
    assert_eq!(completed(&mut device, job, JobEnd::TimedOut), ok);
    assert_eq!(completed(&mut device, job, JobEnd::Late(Box::new(()))), ok);
    assert_eq!(completed(&mut device, job, JobEnd::Lost), None);
    let log = device.log();
    let hooks: Vec<_> = log.iter().filter(|line| !line.ends_with("ted")).collect();
    assert_eq!(hooks, ["b accepted 7", "b timed out 7", "b late 7"]);
}

/// A job that was asked for in a transaction that did not happen is nobody's.
#[test]
fn jobs_of_a_transaction_that_did_not_happen_are_forgotten() {
    let mut device = Device::new(job_on_exec);
    let (at, by) = (uri("./B/one/Blink"), server());
    let request = ExecRequest::new(&at, &by);
    let result = device.unit(|registry, tree, effects| {
        let answer = registry.exec(&request, tree, effects, Now::default())?;
        assert!(matches!(answer, ExecAnswer::Pending(..)));
        Err::<(), _>(Refusal(StatusCode::DATA_STORE_FAILURE))
    });
    assert!(result.is_err());
    assert_eq!(completed(&mut device, JobId::new(7), JobEnd::Lost), None);
}

#[test]
fn mounts_do_not_overlap() {
    let object = |roots: &[&str], without: &'static str| {
        let mounts = roots.iter().map(|root| {
            let mount = Mount::new(uri(root), &LAMPS);
            if without.is_empty() {
                mount
            } else {
                mount.without(without)
            }
        });
        Box::new(Scripted {
            name: "c",
            mounts: mounts.collect(),
            log: Log::default(),
            script: nothing,
        })
    };
    let mut registry = Device::new(nothing).registry;
    for (roots, taken) in [
        (vec!["."], "."),
        (vec!["./A"], "./A"),
        (vec!["./A/one"], "./A/one"),
        (vec!["./A/one/two"], "./A/one/two"),
        (vec!["./C", "./B/one"], "./B/one"),
        (vec!["./C", "./C"], "./C"),
        (vec!["./A/shelf"], "./A/shelf"),
        (vec!["./A/shelf/Ext"], "./A/shelf/Ext"),
    ] {
        let refused = registry.mount(object(&roots, "")).unwrap_err();
        assert_eq!(refused, MountError::Taken(uri(taken)), "{roots:?}");
    }
    for path in ["<x>/On", "<x>", "<x>/Off"] {
        let refused = registry.mount(object(&["./C"], path)).unwrap_err();
        assert_eq!(refused, MountError::NotOptional(path));
    }
    assert_eq!(registry.layout().mounts().len(), 3);
    assert!(
        registry
            .mount(object(&["./C", "./A/box/Ext/C"], "<x>/Ext"))
            .is_ok()
    );
    assert!(registry.layout().rule(&uri("./C/one/On")).is_some());
    assert!(registry.layout().rule(&uri("./C/one/Ext")).is_none());
    assert!(registry.layout().rule(&uri("./C/one/Ext/any")).is_none());
}
