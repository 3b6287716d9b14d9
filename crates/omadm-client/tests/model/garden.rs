//! A device with a node of every kind.

use std::borrow::Cow;

use omadm_core::{Format, StatusCode};
use omadm_mo::{
    Context, Definition, DevInfo, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, Layout,
    ManagementObject, Mount, NodeDefinition as N, Refusal, Registry,
};
use omadm_testkit::{Bench, DEVICE_ID, LampLog, SERVER_ID, TestJournal, uri};
use omadm_tree::{
    AccessType::{Add, Copy, Delete, Exec as Execute, Get, Replace},
    Acl, Change, Occurrence, Principal, Tree, TreeLimits, Value,
};

/// A node of every kind.
static GARDEN: Definition = Definition {
    name: Cow::Borrowed("Garden"),
    moid: Cow::Borrowed("urn:example:mo:garden:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "A garden.", "§1").permanent(),
        N::leaf("Id", Format::Chr, "Its name.", "§1").starts_as("id-1"),
        N::node("M", "At most three.", "§1")
            .permanent()
            .allows(&[Get, Replace]),
        N::node("M/<x>", "One of them.", "§1")
            .occurs(Occurrence::ZeroOrN(3))
            .allows(&[Add, Delete, Get, Replace]),
        N::leaf("M/<x>/State", Format::Int, "The device's.", "§1").starts_as("0"),
        N::leaf("M/<x>/Name", Format::Chr, "Required.", "§1").allows(&[Add, Copy, Get, Replace]),
        N::leaf("M/<x>/Doc", Format::Xml, "Optional.", "§1")
            .optional()
            .media_types(&[Cow::Borrowed("application/xml"), Cow::Borrowed("text/x")])
            .allows(&[Add, Copy, Delete, Get, Replace]),
        N::leaf("M/<x>/Pin", Format::Chr, "Not to be read.", "§1")
            .optional()
            .prints(&[])
            .allows(&[Add, Replace]),
        N::node("M/<x>/Op", "What can be done.", "§1"),
        N::operation("M/<x>/Op/Run", "Runs.", "§1"),
        N::leaf("M/<x>/Op/Extra", Format::Chr, "Optional.", "§1")
            .optional()
            .allows(&[Add, Copy, Delete, Execute, Get, Replace]),
        N::node("K", "At least one.", "§1")
            .permanent()
            .allows(&[Get, Replace]),
        N::leaf("K/<x>", Format::Int, "One of them.", "§1")
            .occurs(Occurrence::OneOrMore)
            .allows(&[Add, Copy, Delete, Get, Replace]),
        N::node("X", "Anything.", "§1").open(),
    ]),
};

/// The garden: does nothing of its own, and every Exec goes well. What is below `X` changes once
/// somebody else has agreed, for which there is no time in an Atomic.
struct Garden;

const AGREED: &str = "agreed";

impl ManagementObject for Garden {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(uri("./G"), &GARDEN)]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        for (at, value) in [("./G/K/a", Value::int(7)), ("./G/M/a/State", Value::int(1))] {
            cx.tree.set(cx.schema, &uri(at), value)?;
        }
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        _: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if !change.uri.starts_with(&uri("./G/X")) || cx.atomic {
            return Ok(());
        }
        match cx.answers {
            [] => {
                _ = cx
                    .effects
                    .put_off("x", "agree", Box::new(|| Box::new(AGREED)))
            }
            [(_, answer)] => assert_eq!(answer.items, [AGREED]),
            answers => panic!("asked again: {answers:?}"),
        }
        Ok(())
    }

    fn exec(&mut self, _: &ExecRequest<'_>, _: &mut Context<'_, '_>) -> ExecAnswer {
        StatusCode::OK.into()
    }

    fn completed(&mut self, _: JobId, end: JobEnd, _: &mut Context<'_, '_>) -> ExecResult {
        let JobEnd::Finished(output) = end else {
            panic!("{end:?}");
        };
        ExecResult {
            status: StatusCode::OK,
            items: vec![(*output.downcast::<&str>().unwrap()).to_owned()],
        }
    }
}

pub(crate) fn bench(limits: TreeLimits) -> (Bench, Layout) {
    let acl: Acl = format!("Add=*&Get=*&Replace={SERVER_ID}&Exec=*&Delete={SERVER_ID}")
        .parse()
        .unwrap();
    let journal = TestJournal::default();
    let tree = Tree::load(&journal, limits, acl).unwrap();
    let dev_info = DevInfo {
        dev_id: DEVICE_ID.into(),
        man: "Example".into(),
        model: "Garden".into(),
        dmv: "1.0".into(),
        lang: "en".into(),
    };
    let mut registry = Registry::new();
    registry.mount(Box::new(dev_info.object())).unwrap();
    registry.mount(Box::new(Garden)).unwrap();
    let layout = registry.layout().clone();
    let mut config = Bench::config();
    config.max_messages = u32::MAX;
    let bench = Bench::with(tree, registry, LampLog::default(), journal, config).unwrap();
    (bench, layout)
}
