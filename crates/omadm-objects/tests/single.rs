//! Objects whose root a server Added, and what cannot be locked.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use omadm_core::StatusCode;
use omadm_mo::{
    Context, Definition, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject,
    Mount, NodeDefinition as N, Refusal, Reporting,
};
use omadm_objects::{Capability, Dcmo, Failure, Lawmo, LockState, Locker, Switch, WipeItem, Wiped};
use omadm_session::request;
use omadm_syncml::Command;
use omadm_testkit::{Bench, TestJournal, again_over_wbxml, device, uri};
use omadm_tree::{Change, ChangeKind, Principal};

static PLACE: Definition = Definition {
    name: std::borrow::Cow::Borrowed("Place"),
    moid: std::borrow::Cow::Borrowed(""),
    specification: std::borrow::Cow::Borrowed("Example"),
    nodes: std::borrow::Cow::Borrowed(&[N::node("", "Capabilities.", "§1").open()]),
};

struct Board;

impl Switch for Board {
    fn capabilities(&self) -> Vec<Capability> {
        ["Camera", "USB"].map(Capability::new).into()
    }

    fn switch(&self, _: &str, _: bool, _: bool) -> Result<(), Failure> {
        Ok(())
    }
}

/// Mounts a capability where a server Adds one.
struct Place(TestJournal);

impl ManagementObject for Place {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(uri("./Board"), &PLACE)]
    }

    fn start(&mut self, _: &mut Context<'_, '_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        _: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if change.kind == ChangeKind::Added {
            let dcmo = Dcmo::single(&change.uri, Arc::new(Board), &self.0).unwrap();
            let dcmo = dcmo.lane("board").reporting(Reporting::Asynchronous);
            cx.effects.mount(Box::new(dcmo));
        }
        Ok(())
    }

    fn exec(&mut self, _: &ExecRequest<'_>, _: &mut Context<'_, '_>) -> ExecAnswer {
        StatusCode::COMMAND_NOT_ALLOWED.into()
    }

    fn completed(&mut self, _: JobId, _: JobEnd, _: &mut Context<'_, '_>) -> ExecResult {
        StatusCode::COMMAND_FAILED.into()
    }
}

fn add(at: &str) -> Command<'static> {
    request::add_node(at, Some("urn:oma:mo:oma-dcmo:1.0"))
}

fn disable(of: &str) -> Command<'static> {
    request::exec(&format!("{of}/Operations/Disable"), None)
}

#[test]
fn a_capability_comes_and_goes_alone() {
    let journal = TestJournal::default();
    let (tree, mut registry, lamp) = device(&journal);
    registry.mount(Box::new(Place(journal.clone()))).unwrap();
    let mut bench = Bench::with(tree, registry, lamp, journal, Bench::config()).unwrap();
    let (camera, usb) = ("./Board/Camera", "./Board/USB");
    assert_eq!(
        bench.codes([add(camera), add(usb), disable(camera), disable(usb)]),
        [200, 200, 202, 202]
    );
    let lanes: Vec<&str> = bench.jobs.values().map(|job| &*job.lane).collect();
    assert_eq!(lanes, ["board"; 2]);
    // Not while an operation is under way.
    assert_eq!(bench.codes([request::delete(camera)]), [405]);
    bench.finish_job();
    bench.finish_job();
    let enabled = bench.value("./Board/Camera/Enabled");
    assert_eq!(enabled.as_deref(), Some("false"));
    assert_eq!(
        bench.codes([request::delete(camera), disable(camera), disable(usb)]),
        [200, 404, 202]
    );
    let enabled = bench.value("./Board/USB/Enabled");
    assert_eq!(enabled.as_deref(), Some("false"));
}

/// Nothing to lock.
struct Open;

impl Locker for Open {
    fn can_lock(&self) -> bool {
        false
    }

    fn lock(&self, _: LockState, _: bool) -> Result<(), Failure> {
        Err(Failure::Client)
    }

    fn wipe_list(&self) -> Vec<WipeItem> {
        Vec::new()
    }

    fn wipe(&self, _: &[String], _: bool) -> Result<Wiped, Failure> {
        Ok(Wiped::Nothing)
    }

    fn factory_reset(&self, _: bool) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
fn what_cannot_be_locked_says_so() {
    let journal = TestJournal::default();
    let (tree, mut registry, lamp) = device(&journal);
    let lawmo = Lawmo::new(uri("./LAWMO"), Arc::new(Open), &journal).unwrap();
    registry.mount(Box::new(lawmo)).unwrap();
    let mut bench = Bench::with(tree, registry, lamp, journal, Bench::config()).unwrap();
    let exec = |name: &str| request::exec(&format!("./LAWMO/Operations/{name}"), None);
    assert_eq!(
        bench.codes(["FullyLock", "PartiallyLock", "UnLock", "Wipe"].map(exec)),
        [406, 406, 406, 500]
    );
    assert_eq!(bench.value("./LAWMO/State").as_deref(), Some("30"));
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}
