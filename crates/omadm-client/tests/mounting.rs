//! Objects that come and go in a session, and changes that wait for somebody else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{borrow::Cow, time::Duration};

use omadm_client::{Event, Input};
use omadm_core::{Format, GenericAlert, StatusCode};
use omadm_mo::{
    Context, Definition, DevInfo, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId,
    ManagementObject, Mount, NodeDefinition as N, Plain, Refusal, Registry, Reporting,
};
use omadm_session::request::{self, Leaf};
use omadm_syncml::{Command, Group, Item, Meta, NodeCommand};
use omadm_testkit::{Bench, DEVICE_ID, LampLog, TestJournal, data, describe, results, uri};
use omadm_tree::{
    AccessType::{Add, Delete, Get, Replace},
    Acl, Change, ChangeKind, Occurrence, Principal, Tree, TreeLimits, Uri, Value,
};

const SECOND: Duration = Duration::from_secs(1);

/// `./House/Rooms/<x>` is whatever its Type says; `./House/Attic/<x>` changes once somebody agreed.
static HOUSE: Definition = Definition {
    name: Cow::Borrowed("House"),
    moid: Cow::Borrowed("urn:example:mo:house:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "A house.", "§1").permanent(),
        N::node("Rooms", "Its rooms.", "§1").open(),
        N::node("Attic", "Somebody else's.", "§1").open(),
    ]),
};

static LAMP: Definition = Definition {
    name: Cow::Borrowed("Light"),
    moid: Cow::Borrowed("urn:example:mo:light:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "A lamp.", "§1").allows(&[Add, Delete, Get]),
        N::leaf("On", Format::Bool, "Whether it shines.", "§1").starts_as("false"),
        N::leaf("Level", Format::Int, "How bright.", "§1")
            .allows(&[Add, Get, Replace])
            .starts_as("1"),
        N::operation("Switch", "Exec switches it on, some time.", "§1"),
        N::leaf("<x>", Format::Chr, "Notes.", "§1")
            .occurs(Occurrence::ZeroOrMore)
            .allows(&[Add, Get]),
    ]),
};

struct House;

impl House {
    /// Mounts a lamp where the tree says that there is one.
    fn mount(room: &Uri, cx: &mut Context<'_, '_>) {
        let node_type = cx.tree.node(room).map(|node| node.node_type().to_owned());
        if node_type.as_deref() == Some(&*LAMP.moid) {
            cx.effects.mount(Box::new(Lamp(room.clone())));
        }
    }
}

impl ManagementObject for House {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(uri("./House"), &HOUSE)]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let rooms = cx.tree.node(&uri("./House/Rooms")).unwrap();
        let rooms: Vec<Uri> = rooms.children().map(|room| room.uri()).collect();
        for room in rooms {
            Self::mount(&room, cx);
        }
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        _: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if change.uri.starts_with(&uri("./House/Attic")) {
            // What it is told, it writes down; "no" is refused, "twice" asks another time.
            let value = cx.tree.node(&change.uri).and_then(|node| node.text());
            let due = if value == Some("twice") { 2 } else { 1 };
            let refused = cx.answers.iter().find(|(_, it)| !it.status.is_success());
            if let Some((_, answer)) = refused {
                return Err(Refusal(answer.status));
            }
            if cx.answers.len() < due || value == Some("for ever") {
                let status = match value {
                    Some("no") => StatusCode::FORBIDDEN,
                    _ => StatusCode::OK,
                };
                let job = cx
                    .effects
                    .put_off("attic", "ask", Box::new(move || Box::new(status)));
                job.time_limit = Some(60 * SECOND);
            }
        } else if change.uri.name() == Some("watch") {
            let job = cx.effects.job("watch", "watch", Box::new(|| Box::new(())));
            job.background = true;
        } else if change.kind == ChangeKind::Added && change.uri.depth() == 3 {
            Self::mount(&change.uri, cx);
        }
        Ok(())
    }

    fn exec(&mut self, _: &ExecRequest<'_>, _: &mut Context<'_, '_>) -> ExecAnswer {
        StatusCode::COMMAND_NOT_ALLOWED.into()
    }

    fn given_up(&mut self, job: JobId, cx: &mut Context<'_, '_>) {
        let given_up = Value::chr(job.to_string());
        cx.tree
            .set(cx.schema, &uri("./House/Rooms/given-up"), given_up)
            .unwrap();
    }

    fn completed(&mut self, _: JobId, end: JobEnd, _: &mut Context<'_, '_>) -> ExecResult {
        match end {
            JobEnd::Finished(output) | JobEnd::Late(output) => {
                (*output.downcast::<StatusCode>().unwrap()).into()
            }
            JobEnd::Lost => StatusCode::COMMAND_FAILED.into(),
            JobEnd::TimedOut => StatusCode::REQUEST_TIMEOUT.into(),
        }
    }
}

/// A lamp with its root at a room.
struct Lamp(Uri);

impl ManagementObject for Lamp {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(self.0.clone(), &LAMP)]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let note = self.0.child("started").unwrap();
        cx.tree.set(cx.schema, &note, Value::chr("yes"))?;
        Ok(())
    }

    fn stage(&mut self, _: &Change, _: &Principal, _: &mut Context<'_, '_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn exec(&mut self, _: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        let job = cx.effects.job("lamp", "switch", Box::new(|| Box::new(())));
        ExecAnswer::Pending(job.id, Reporting::Asynchronous)
    }

    fn completed(&mut self, _: JobId, _: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        let on = self.0.child("On").unwrap();
        cx.tree.set(cx.schema, &on, Value::bool(true)).unwrap();
        let alert = GenericAlert::new("urn:example:at:on", Format::Chr);
        cx.effects.alerts.push(alert);
        StatusCode::OK.into()
    }
}

fn bench_on(journal: TestJournal, tree: Tree) -> Bench {
    let dev_info = DevInfo {
        dev_id: DEVICE_ID.into(),
        man: "Example".into(),
        model: "House".into(),
        dmv: "1.0".into(),
        lang: "en".into(),
    };
    let mut registry = Registry::new();
    registry.mount(Box::new(dev_info.object())).unwrap();
    registry.mount(Box::new(House)).unwrap();
    let mut config = Bench::config();
    config.max_open_jobs = 2;
    config.max_command_jobs = 3;
    Bench::with(tree, registry, LampLog::default(), journal, config).unwrap()
}

fn bench() -> Bench {
    let acl: Acl = "Add=*&Get=*&Replace=*&Exec=*&Delete=*".parse().unwrap();
    let journal = TestJournal::default();
    let mut tree = Tree::load(&journal, TreeLimits::default(), Acl::root_default()).unwrap();
    let mut transaction = tree.begin(omadm_core::Now::default());
    transaction.set_acl(&Uri::root(), acl).unwrap();
    transaction
        .commit(&journal, omadm_core::Batch::new())
        .unwrap();
    bench_on(journal, tree)
}

fn add_typed(at: &str, node_type: &str) -> Command<'static> {
    request::add_node(at, Some(node_type))
}

fn lamp(at: &str) -> Command<'static> {
    add_typed(at, "urn:example:mo:light:1.0")
}

fn add(at: &str, value: &str) -> Command<'static> {
    request::add(at, Leaf::new(Format::Chr, value.to_owned()))
}

fn atomic<const N: usize>(commands: [Command<'static>; N]) -> Command<'static> {
    Command::Atomic(Group::new(commands))
}

fn sequence<const N: usize>(commands: [Command<'static>; N]) -> Command<'static> {
    Command::Sequence(Group::new(commands))
}

/// What the device answers to one package, in a session of its own.
fn answers(bench: &mut Bench, commands: Vec<Command<'static>>) -> String {
    let answer = bench.run(commands);
    if bench.client.in_session() {
        bench.say([]);
    }
    told(&describe(&answer))
}

fn told(shown: &str) -> String {
    let shown = shown.strip_prefix("SyncHdr=200").unwrap_or(shown).trim();
    shown.strip_suffix("Final").unwrap_or(shown).trim().into()
}

#[test]
fn what_was_mounted_is_there_for_the_next_command() {
    let mut bench = bench();
    let answer = bench.run([
        lamp("./House/Rooms/a"),
        request::get("./House/Rooms/a/Level"),
        request::get("./House/Rooms/a/started"),
        request::exec("./House/Rooms/a/Switch", None),
        add("./House/Rooms/a/On", "true"),
        request::delete("./House/Rooms/a/Level"),
        add_typed("./House/Rooms/b", "urn:example:mo:other:1.0"),
        request::get("./House/Rooms/b/Level"),
        add("./House/Rooms/b/On", "yes"),
    ]);
    assert_eq!(
        told(&describe(&answer)),
        "Add=200 Get=200 Results Get=200 Results Exec=202 Add=405 Delete=405 Add=200 Get=404 Add=200"
    );
    let read: Vec<_> = results(&answer).iter().map(data).collect();
    assert_eq!(read, ["1", "yes"]);
    bench.finish_job();
    let on = bench.value("./House/Rooms/a/On");
    assert_eq!(on.as_deref(), Some("true"));
}

#[test]
fn what_was_mounted_is_gone_with_its_transaction() {
    let mut bench = bench();
    let group = [
        lamp("./House/Rooms/a"),
        add("./House/Rooms/a/note", "kept?"),
        request::exec("./House/Rooms/a/Switch", None),
    ];
    assert_eq!(
        answers(&mut bench, vec![atomic(group)]),
        "Atomic=507 Add=216 Add=216 Exec=500"
    );
    // Nothing describes the place any more, so anything goes.
    let again = vec![
        add("./House/Rooms/a/On", "perhaps"),
        request::exec("./House/Rooms/a/On", None),
    ];
    assert_eq!(answers(&mut bench, again), "Add=200 Exec=405");
}

#[test]
fn an_object_goes_with_its_root_and_nobody_hears_of_its_jobs() {
    let mut bench = bench();
    let commands = vec![
        lamp("./House/Rooms/a"),
        request::exec("./House/Rooms/a/Switch", None),
        request::delete("./House/Rooms/a"),
        add("./House/Rooms/a/Level", "high"),
    ];
    assert_eq!(
        answers(&mut bench, commands),
        "Add=200 Exec=202 Delete=200 Add=200"
    );
    bench.finish_job();
    assert!(bench.client.is_idle(), "no alert");
    assert_eq!(bench.value("./House/Rooms/a/On"), None);
}

#[test]
fn a_delete_that_is_taken_back_leaves_the_object() {
    let mut bench = bench();
    let group = atomic([request::delete("./House/Rooms/a"), request::get(".")]);
    let commands = vec![
        lamp("./House/Rooms/a"),
        group,
        request::exec("./House/Rooms/a/Switch", None),
    ];
    assert_eq!(
        answers(&mut bench, commands),
        "Add=200 Atomic=507 Delete=216 Get=500 Exec=202"
    );
}

#[test]
fn objects_come_back_after_a_restart() {
    let mut bench = bench();
    answers(&mut bench, vec![lamp("./House/Rooms/a")]);
    let journal = bench.journal.clone();
    let tree = Tree::load(&journal, TreeLimits::default(), Acl::root_default()).unwrap();
    let mut bench = bench_on(journal, tree);
    let commands = vec![
        request::exec("./House/Rooms/a/Switch", None),
        add("./House/Rooms/a/On", "true"),
    ];
    assert_eq!(answers(&mut bench, commands), "Exec=202 Add=405");
}

/// What a document brings before the object is there, it must be allowed to bring after.
#[test]
fn a_document_holds_only_what_a_server_may_write() {
    let document = |leaf: &str| {
        format!(
            "<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD><Node><NodeName>a</NodeName>\
             <RTProperties><Format><node/></Format>\
             <Type><DDFName>urn:example:mo:light:1.0</DDFName></Type></RTProperties>\
             {leaf}</Node></MgmtTree>"
        )
    };
    let leaf = |name: &str, format: &str, value: &str| {
        format!(
            "<Node><NodeName>{name}</NodeName><RTProperties><Format><{format}/></Format>\
             <Type><MIME>text/plain</MIME></Type></RTProperties><Value>{value}</Value></Node>"
        )
    };
    for (leaf, expected) in [
        (leaf("Level", "int", "7"), "Add=200"),
        (leaf("Level", "chr", "high"), "Add=415"),
        (leaf("On", "bool", "true"), "Add=405"),
        (leaf("note", "chr", "mine"), "Add=200"),
    ] {
        let mut bench = bench();
        let add = request::add_tree("./House/Rooms", document(&leaf));
        assert_eq!(answers(&mut bench, vec![add]), expected, "{leaf}");
        let there = expected == "Add=200";
        let level = bench.value("./House/Rooms/a/Level");
        assert_eq!(level.is_some(), there, "{leaf}");
        let on = bench.value("./House/Rooms/a/On");
        assert_eq!(on.is_some(), there, "{leaf}");
    }
}

/// Waits for a job after these commands, then ends it; what the device says at last.
fn waiting(bench: &mut Bench, commands: Vec<Command<'static>>) -> String {
    bench.start();
    assert_eq!(bench.say(commands), None);
    while bench.request.is_none() && bench.client.in_session() {
        bench.finish_job();
    }
    let answer = bench.read().unwrap();
    bench.say([]);
    told(&describe(&answer))
}

#[test]
fn a_change_waits_and_is_begun_anew() {
    let mut bench = bench();
    let item = |at: &'static str, value: &'static str| {
        let meta = Meta::new().with_format(Format::Chr);
        Item::new().with_target(at).with_meta(meta).with_data(value)
    };
    let items = Command::Add(NodeCommand::new([
        item("./House/Attic/a", "x"),
        item("./House/Rooms/a", "x"),
        item("./House/Attic/b", "no"),
        item("./House/Attic/c", "twice"),
        item("./House/Attic/d", "for ever"),
    ]));
    let commands = vec![
        items,
        request::get("./House/Attic/a"),
        request::get("./House/Attic/b"),
        sequence([
            request::delete("./House/Attic/a"),
            request::get("./House/Attic/a"),
        ]),
    ];
    assert_eq!(
        waiting(&mut bench, commands),
        "Add=200 Add=200 Add=403 Add=200 Add=500 \
         Get=200 Results Get=404 Sequence=200 Delete=200 Get=404"
    );
    assert_eq!(bench.value("./House/Attic/d"), None);
    assert_eq!(bench.value("./House/Attic/c").as_deref(), Some("twice"));
}

#[test]
fn nothing_is_changed_while_it_waits() {
    let mut bench = bench();
    bench.start();
    let commands = [add("./House/Attic/a", "x"), request::get("./House/Attic/a")];
    assert_eq!(bench.say(commands), None);
    assert_eq!(bench.value("./House/Attic/a"), None);
    bench.advance(29 * SECOND);
    bench.finish_job();
    assert_eq!(bench.value("./House/Attic/a").as_deref(), Some("x"));
}

/// There is no alert that could tell the end of a write, so its Status cannot be 202.
#[test]
fn a_change_that_waits_too_long_is_not_made() {
    let mut bench = bench();
    bench.start();
    let commands = [add("./House/Attic/a", "x"), request::get("./House/Attic/a")];
    assert_eq!(bench.say(commands), None);
    let job = *bench.jobs.first_key_value().unwrap().0;
    bench.advance(30 * SECOND);
    let answer = bench.read().unwrap();
    assert_eq!(told(&describe(&answer)), "Add=408 Get=404");
    let given_up = bench.value("./House/Rooms/given-up");
    assert_eq!(given_up, Some(job.to_string()));
    bench.finish_job();
    assert_eq!(bench.value("./House/Attic/a"), None);
    bench.say([]);
    assert!(bench.client.is_idle());
}

#[test]
fn a_job_that_fails_refuses_the_change() {
    let mut bench = bench();
    bench.start();
    assert_eq!(bench.say([add("./House/Attic/a", "x")]), None);
    let (job, _) = bench.jobs.pop_first().unwrap();
    let end = JobEnd::Lost;
    bench.feed(Input::Completed { job, end }).unwrap();
    let answer = bench.read().unwrap();
    assert_eq!(told(&describe(&answer)), "Add=500");
    assert_eq!(bench.value("./House/Attic/a"), None);
}

#[test]
fn a_session_that_is_aborted_does_not_make_the_change() {
    let mut bench = bench();
    bench.start();
    assert_eq!(bench.say([add("./House/Attic/a", "x")]), None);
    bench.feed(Input::Abort).unwrap();
    let answer = bench.read().unwrap();
    assert_eq!(told(&describe(&answer)), "Add=408 Alert(1223)");
    bench.finish_job();
    assert_eq!(bench.value("./House/Attic/a"), None);
}

#[test]
fn no_change_waits_in_an_atomic() {
    let mut bench = bench();
    let group = atomic([
        add("./House/Rooms/a", "x"),
        add("./House/Attic/a", "x"),
        add("./House/Rooms/b", "x"),
    ]);
    assert_eq!(
        answers(&mut bench, vec![group]),
        "Atomic=507 Add=216 Add=406 Add=215"
    );
    assert!(bench.jobs.is_empty());
    assert_eq!(bench.value("./House/Rooms/a"), None);
}

#[test]
fn no_change_waits_for_a_job_beyond_those_that_may_be_open() {
    let mut bench = bench();
    let commands = vec![
        lamp("./House/Rooms/a"),
        request::exec("./House/Rooms/a/Switch", None),
        request::exec("./House/Rooms/a/Switch", None),
        add("./House/Attic/a", "x"),
    ];
    assert_eq!(
        answers(&mut bench, commands),
        "Add=200 Exec=202 Exec=202 Add=503"
    );
    let timed_out = |event: &Event| matches!(event, Event::JobTimedOut(_));
    assert!(!bench.events.iter().any(timed_out));
}

/// Whatever waits for news, as a job for each of a thousand guests does, holds up no command.
#[test]
fn a_change_waits_beside_any_number_of_jobs_in_the_background() {
    let mut bench = bench();
    let watch = || request::replace("./House/Rooms/watch", Leaf::new(Format::Chr, "x"));
    let commands = vec![add("./House/Rooms/watch", "x"), watch(), watch()];
    assert_eq!(
        answers(&mut bench, commands),
        "Add=200 Replace=200 Replace=200"
    );
    assert_eq!(bench.jobs.len(), 3);
    bench.start();
    assert_eq!(bench.say([add("./House/Attic/a", "x")]), None);
    let (job, asked) = bench.jobs.pop_last().unwrap();
    let end = JobEnd::Finished(asked.run());
    bench.feed(Input::Completed { job, end }).unwrap();
    let answer = bench.read().unwrap();
    assert_eq!(told(&describe(&answer)), "Add=200");
}

/// What only stands there is nobody's to mount.
#[test]
fn an_object_mounts_only_below_its_own_places() {
    struct Greedy(Uri, fn(&mut Context<'_, '_>));
    impl ManagementObject for Greedy {
        fn mounts(&self) -> Vec<Mount> {
            vec![Mount::new(self.0.clone(), &HOUSE)]
        }
        fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
            (self.1)(cx);
            Ok(())
        }
        fn stage(
            &mut self,
            _: &Change,
            _: &Principal,
            _: &mut Context<'_, '_>,
        ) -> Result<(), Refusal> {
            Ok(())
        }
        fn exec(&mut self, _: &ExecRequest<'_>, _: &mut Context<'_, '_>) -> ExecAnswer {
            StatusCode::OK.into()
        }
        fn completed(&mut self, _: JobId, _: JobEnd, _: &mut Context<'_, '_>) -> ExecResult {
            StatusCode::OK.into()
        }
    }
    fn mount(at: &str, cx: &mut Context<'_, '_>) {
        let mount = Mount::new(uri(at), &LAMP);
        cx.effects.mount(Box::new(Plain::new(mount)));
    }
    let started = |hook: fn(&mut Context<'_, '_>)| {
        let mut registry = Registry::new();
        let greedy = |at, hook| Box::new(Greedy(uri(at), hook));
        registry.mount(greedy("./A", hook)).unwrap();
        registry.mount(greedy("./B", |_| {})).unwrap();
        let mut tree = Tree::new(TreeLimits::default(), Acl::root_default());
        let mut transaction = tree.begin(omadm_core::Now::default());
        let mut effects = omadm_mo::Effects::new(0);
        let now = omadm_core::Now::default();
        let started = registry.start(&mut transaction, &mut effects, now);
        started.map(|()| registry.layout().mounts().len())
    };
    let refused = Err(Refusal(StatusCode::COMMAND_FAILED));
    assert_eq!(started(|cx| mount("./A/Rooms/a", cx)), Ok(3));
    assert_eq!(started(|cx| mount("./B/Rooms/a", cx)), refused);
    assert_eq!(started(|cx| mount("./C", cx)), refused);
    assert_eq!(started(|cx| mount("./A/Rooms", cx)), refused);
    assert_eq!(
        started(|cx| {
            mount("./A/Rooms/a", cx);
            mount("./A/Rooms/a/b", cx);
        }),
        refused
    );
    assert_eq!(
        started(|cx| {
            mount("./A/Rooms/a", cx);
            cx.effects.unmount(uri("./A/Rooms/a"));
        }),
        Ok(2)
    );
    assert_eq!(started(|cx| cx.effects.unmount(uri("./B"))), refused);
    assert_eq!(started(|cx| cx.effects.unmount(uri("./A"))), refused);
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
