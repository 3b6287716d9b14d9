//! What a program in C sees: the example goes through the life of a machine under valgrind and under
//! a sanitizer, misuse is an error, and a callback that fails or a process that ends at any callback
//! leaves State true.
#![cfg(target_os = "linux")]
#![cfg_attr(
    not(all(
        feature = "bootstrap",
        feature = "dm-tree",
        feature = "draft",
        feature = "ui"
    )),
    allow(
        dead_code,
        unused_imports,
        reason = "what only the tests of a feature use"
    )
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex, OnceLock},
};

use omadm_core::{EchoType, Interaction, UserInteraction};
use omadm_http::Files;
use omadm_mo::{
    AuthLevel, AuthType, Credential,
    bootstrap::{Content, MediaType},
};
use omadm_server::{Account, AskUser, EventKind, SingleCommand};
use omadm_session::{
    Procedure, Proof, Scheme,
    bootstrap::{self, Method, Protection, Secrets},
    notification::{Notification, ProvenBy, UiMode},
    request::Leaf,
};
use omadm_tree::Uri;
use tempfile::TempDir;
use virmo_runtime::Server;
use virmo_server::{
    AllowUserUnlock, ApplyResources, AskVmUser, CreateVm, DeliverImage, Manage, Mounts, Operate,
    Profile,
};
use virmo_state::AccessOperation;

const CFLAGS: [&str; 6] = [
    "-std=c99",
    "-D_POSIX_C_SOURCE=200809L",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-g",
];

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn programs_ask_for_the_versions_that_are_compatible() {
    let folder = tempfile::tempdir().unwrap();
    let files = with_parts("examples/device/device.c");
    let program = compile(folder.path(), "device", &files, &[]);
    let output = Command::new("readelf").arg("-d").arg(program).output();
    let output = output.expect("binutils, which come with the C compiler");
    assert_ok(&output);
    let version = env!("CARGO_PKG_VERSION");
    let (compatible, _) = version.rsplit_once('.').unwrap();
    let name = format!("[libvirmo_c.so.{compatible}]");
    assert!(said(&output).contains(&name), "{}", said(&output));
    for name in ["", &format!(".{compatible}"), &format!(".{version}")] {
        let library = format!("lib/libvirmo_c.so{name}");
        assert!(installed().path().join(&library).exists(), "{library}");
    }
}

#[test]
fn what_cannot_be_installed_is_refused_before_anything_is() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("prefix");
    let prefix = prefix.to_str().unwrap();
    for words in [
        &["smallest"][..],
        &[prefix, "smalest"],
        &[prefix, "smallest", "least"],
        &[prefix, "", ""],
    ] {
        let mut install = Command::new(crate_folder().join("install"));
        let install = install.args(words).current_dir(folder.path());
        let output = install.env("LIBRARY", "/dev/null").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("[smallest|least]"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    for (what, features, complaint) in [
        ("smallest", "ui", "FEATURES are for least"),
        ("least", "ui,default", "no feature is named default"),
    ] {
        let mut install = Command::new(crate_folder().join("install"));
        let install = install.args([prefix, what]).env("FEATURES", features);
        let output = install.env("LIBRARY", "/dev/null").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(complaint), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_size_nobody_knows_is_refused_before_anything_is_built() {
    for words in [
        &["leest"][..],
        &["least", "82O"],
        &["820", "least"],
        &["least", "build", "x"],
        &[""],
    ] {
        let mut size = Command::new(crate_folder().join("size"));
        let output = size.args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("[smallest|least] [LIMIT|build]"), "{error}");
    }
}

#[test]
fn a_library_tells_its_features_and_so_does_its_pkg_config_file() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "features", &["tests/c/features.c"], &[]);
    let output = Command::new(program).output().unwrap();
    assert_ok(&output);
    let has: Vec<String> = said(&output).lines().map(str::to_owned).collect();
    assert_eq!(has, features());
    let told = pkg_config(&["--variable=features"]).unwrap_or_else(|| of_pkg_config("features="));
    assert_eq!(told.split_whitespace().collect::<Vec<_>>(), features());
}

/// What the library is built with.
fn features() -> Vec<&'static str> {
    let all = [
        ("bootstrap", cfg!(feature = "bootstrap")),
        ("descriptors", cfg!(feature = "descriptors")),
        ("dm-tree", cfg!(feature = "dm-tree")),
        ("draft", cfg!(feature = "draft")),
        ("tnds", cfg!(feature = "tnds")),
        ("ui", cfg!(feature = "ui")),
    ];
    let has = all.into_iter().filter(|(_, has)| *has);
    has.map(|(name, _)| name).collect()
}

/// The library beside this test, or the one `VIRMO_C_LIBRARY` names, installed as a vendor installs
/// it.
fn installed() -> &'static TempDir {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let test = env::current_exe().unwrap();
        let beside = || test.with_file_name("libvirmo_c.so");
        let library = env::var_os("VIRMO_C_LIBRARY").map_or_else(beside, PathBuf::from);
        let mut install = Command::new(crate_folder().join("install"));
        install.arg(folder.path()).env("LIBRARY", library);
        let features = features();
        match features.len() {
            6 => install.env_remove("FEATURES"),
            _ => install.arg("least").env("FEATURES", features.join(",")),
        };
        assert_ok(&install.output().unwrap());
        folder
    })
}

/// What the pkg-config file says, by pkg-config; `None` if there is none.
fn pkg_config(words: &[&str]) -> Option<String> {
    let file = installed().path().join("lib/pkgconfig/virmo.pc");
    let output = Command::new("pkg-config").args(words).arg(file).output();
    let Ok(output) = output else {
        eprintln!("there is no pkg-config: its file is read instead");
        return None;
    };
    assert_ok(&output);
    Some(said(&output))
}

/// A line of the pkg-config file.
fn of_pkg_config(key: &str) -> String {
    let text = fs::read_to_string(installed().path().join("lib/pkgconfig/virmo.pc")).unwrap();
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(key)).unwrap();
    value.to_owned()
}

/// How a program is compiled and linked.
fn flags() -> Vec<String> {
    let text = pkg_config(&["--cflags", "--libs"]).unwrap_or_else(|| {
        let prefix = installed().path().to_str().unwrap();
        format!("{} {}", of_pkg_config("Cflags: "), of_pkg_config("Libs: "))
            .replace("${includedir}", &format!("{prefix}/include"))
            .replace("${libdir}", &format!("{prefix}/lib"))
    });
    text.split_whitespace().map(str::to_owned).collect()
}

/// Compiles a program of these files.
fn compile(folder: &Path, name: &str, files: &[&str], more: &[&str]) -> PathBuf {
    let program = folder.join(name);
    let mut cc = Command::new("cc");
    cc.current_dir(crate_folder()).args(CFLAGS).args(more);
    cc.arg("-I").arg("examples/device").args(files);
    cc.arg("-o").arg(&program).args(flags());
    let library = installed().path().join("lib");
    cc.arg(format!("-Wl,-rpath,{}", library.display()));
    assert_ok(&cc.output().expect("a C compiler"));
    program
}

const PARTS: [&str; 3] = [
    "examples/device/http.c",
    "examples/device/store.c",
    "examples/device/toy.c",
];

fn with_parts(main: &str) -> Vec<&str> {
    [main].into_iter().chain(PARTS).collect()
}

fn assert_ok(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{said}\n{complained}",
        output.status
    );
}

/// A server that takes each device through the life of a machine, to its end or until it runs.
fn server(to_its_end: bool) -> (Server, TempDir) {
    server_of(Account::default(), move |image, vm| {
        let mut steps: Vec<Box<dyn Procedure>> = vec![
            Box::new(CreateVm::new(vm.clone(), image.clone())),
            Box::new(Operate::suspend(vm.clone())),
            Box::new(Operate::resume(vm.clone())),
        ];
        if to_its_end {
            steps.push(Box::new(Operate::delete(vm)));
            steps.push(Box::new(Operate::delete_image(image)));
        }
        steps
    })
}

/// A server that delivers an image to each device, and goes on with it and the node for a machine.
fn server_of(
    account: Account,
    then: impl Fn(Uri, Uri) -> Vec<Box<dyn Procedure>> + Send + 'static,
) -> (Server, TempDir) {
    let images = tempfile::tempdir().unwrap();
    fs::write(images.path().join("work.img"), vec![7; 100_000]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .files(Files::new(images.path()))
        .accounts(account)
        .programme(move |_, _| {
            let mounts = Mounts::default();
            let (image, vm) = (mounts.image("work").unwrap(), mounts.vm("work").unwrap());
            let uri = format!("http://{address}/images/work.img");
            let media_type = "application/octet-stream";
            let deliver = DeliverImage::new(image.clone(), "work", uri, media_type);
            let mut steps: Vec<Box<dyn Procedure>> = vec![Box::new(deliver)];
            steps.extend(then(image, vm));
            steps
        })
        .start(listener)
        .unwrap();
    (server, images)
}

const VALGRIND: [&str; 5] = [
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,indirect,possible",
    "--child-silent-after-fork=yes",
];

/// The program under valgrind; without it where there is none, but not in CI.
fn valgrind(program: &Path) -> Command {
    if Command::new("valgrind").arg("--version").output().is_err() {
        assert!(env::var_os("CI").is_none(), "valgrind is missing");
        eprintln!("SKIPPED: valgrind is missing, so what C does with memory is not looked at");
        return Command::new(program);
    }
    let mut command = Command::new("valgrind");
    command.args(VALGRIND).arg(program);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_example_goes_through_the_life_of_a_machine_under_valgrind() {
    let folder = tempfile::tempdir().unwrap();
    let files = with_parts("examples/device/device.c");
    let program = compile(folder.path(), "device", &files, &[]);
    let (server, _images) = server(true);
    let state = tempfile::tempdir().unwrap();
    let mut run = valgrind(&program);
    let output = run.arg(server.url()).arg(state.path()).output();
    let output = output.unwrap();
    assert_ok(&output);
    let text = said(&output);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("vm ") || line.starts_with("image "))
        .collect();
    let expected = [
        "image work 0 -> 1",
        "image work 1 -> 2",
        "vm work 0 -> 2",
        "vm work 2 -> 3",
        "vm work 3 -> 2",
        "vm work 2 -> 4",
        "image work 2 -> -1",
    ];
    assert_eq!(lines, expected, "{text}");
}

#[test]
fn the_example_is_clean_under_the_address_sanitizer() {
    let folder = tempfile::tempdir().unwrap();
    let files = with_parts("examples/device/device.c");
    let more = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let program = compile(folder.path(), "device", &files, &more);
    let (server, _images) = server(true);
    let state = tempfile::tempdir().unwrap();
    let mut run = Command::new(program);
    assert_ok(&run.arg(server.url()).arg(state.path()).output().unwrap());
}

#[test]
fn misuse_is_an_error_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(
        folder.path(),
        "misuse",
        &with_parts("tests/c/misuse.c"),
        &[],
    );
    let output = valgrind(&program).arg(folder.path()).output();
    assert_ok(&output.unwrap());
}

#[test]
fn what_the_example_keeps_outlives_a_medium_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "store", &["tests/c/store.c"], &[]);
    let output = valgrind(&program).arg(folder.path()).output();
    assert_ok(&output.unwrap());
}

/// What `switches.c` says of its machine, on a device that follows this text.
fn switched(
    profile: Profile,
    then: impl Fn(Uri) -> Vec<Box<dyn Procedure>> + Send + 'static,
) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let files = with_parts("tests/c/switches.c");
    let program = compile(folder.path(), "switches", &files, &[]);
    let (server, _images) = server_of(Account::default(), move |image, vm| {
        let create = CreateVm::new(vm.clone(), image).in_profile(profile);
        let mut steps: Vec<Box<dyn Procedure>> = vec![Box::new(create)];
        steps.extend(then(vm));
        steps
    });
    let state = tempfile::tempdir().unwrap();
    let mut run = valgrind(&program);
    run.arg(server.url()).arg(state.path());
    let output = run.arg(format!("{profile:?}")).output().unwrap();
    assert_ok(&output);
    let of_interest = [
        "vm ",
        "locked ",
        "camera ",
        "sharing ",
        "event adopted ",
        "event locked ",
        "event sharing ",
    ];
    let text = said(&output);
    let lines = text.lines();
    let lines = lines.filter(|line| of_interest.iter().any(|start| line.starts_with(start)));
    lines.map(str::to_owned).collect()
}

#[cfg(feature = "dm-tree")]
#[test]
fn a_machine_is_locked_and_its_peripherals_switched_under_valgrind() {
    let lines = switched(Profile::Approved, |vm| {
        vec![
            Box::new(Manage::lock(vm.clone())),
            Box::new(Manage::disable(vm.clone(), "camera").unwrap()),
            Box::new(Manage::unlock(vm.clone())),
            Box::new(Manage::enable(vm, "camera").unwrap()),
        ]
    });
    let expected = [
        "vm left 0 -> 1",
        "event adopted left left",
        "vm work 0 -> 2",
        "locked 1",
        "camera 0",
        "locked 0",
        "camera 1",
        "vm work 2 -> 1",
    ];
    assert_eq!(lines, expected);
}

#[cfg(feature = "draft")]
#[test]
fn a_machine_of_the_draft_is_locked_and_shares_data_under_valgrind() {
    let operations = [AccessOperation::Lock, AccessOperation::AllowSharing];
    let lines = switched(Profile::Draft, move |vm| {
        let access = operations.map(|operation| Operate::access(vm.clone(), operation));
        let mut steps: Vec<Box<dyn Procedure>> = vec![Box::new(AllowUserUnlock::new(&vm, true))];
        steps.extend(access.map(|step| Box::new(step) as _));
        steps
    });
    let expected = [
        "vm left 0 -> 1",
        "event adopted left left",
        "vm work 0 -> 2",
        "locked 1",
        "event locked work 1",
        "sharing 1",
        "event sharing work 1",
        "locked 0",
        "event locked work 0",
        "vm work 2 -> 1",
    ];
    assert_eq!(lines, expected);
}

/// Who a device and its server say to each other they are.
const NAMES: [(AuthLevel, &str); 2] = [
    (AuthLevel::Client, "board-7"),
    (AuthLevel::Server, "virmo-server"),
];

#[cfg(feature = "bootstrap")]
#[test]
fn a_bootstrap_document_says_who_the_server_is_under_valgrind() {
    let guest = omadm_mo::Account::new("inside".parse().unwrap(), "http://inside/dm");
    let guest = Content::of_accounts([("1", &guest)]).unwrap();
    let guest = guest.encode(MediaType::MessageWbxml).unwrap();
    let leaf = Leaf::octets(&guest).with_type(MediaType::MessageWbxml.as_str());
    let [client, proof] = NAMES.map(|(_, name)| Proof::new(Scheme::Md5, name, "secret"));
    let (server, _images) = server_of(Account::new(Some(client), Some(proof)), move |image, vm| {
        let place = format!("{vm}/Ext/Bootstrap");
        vec![
            Box::new(SingleCommand::add_node(&vm.to_string(), None)),
            Box::new(SingleCommand::add(&place, leaf.clone())),
            Box::new(CreateVm::new(vm, image)),
        ]
    });

    let mut account = omadm_mo::Account::new("virmo-server".parse().unwrap(), server.url());
    let credential = |(level, name)| Credential::new(level, AuthType::Digest, name, "secret");
    account.credentials = NAMES.map(credential).to_vec();
    let content = Content::of_accounts([("here", &account)]).unwrap();
    let document = content.encode(MediaType::MessageWbxml).unwrap();
    let secrets = Secrets::new().with_pin("123456");
    let method = Method::UserPin;
    let protection = Protection::new(bootstrap::Profile::Dm, method, &secrets, &document);
    let media_type = MediaType::MessageWbxml.as_str();
    let content_type = protection
        .unwrap()
        .content_type(bootstrap::Profile::Dm, media_type);

    let folder = tempfile::tempdir().unwrap();
    let files = with_parts("tests/c/bootstrap.c");
    let program = compile(folder.path(), "bootstrap", &files, &[]);
    let file = folder.path().join("document");
    fs::write(&file, document).unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut run = valgrind(&program);
    run.arg(state.path()).args([&content_type, "123456"]);
    let output = run.arg(file).output().unwrap();
    assert_ok(&output);
    let text = said(&output);
    assert!(text.contains("vm work 0 -> 2"), "{text}");
    assert_eq!(fs::read(state.path().join("guest")).unwrap(), guest);
}

/// What the procedures of `people.c` come to.
type Said = Arc<Mutex<Vec<String>>>;

/// A server that proves itself, asks the person at the device and the user of its VM, and changes
/// what the VM has.
fn asking_server() -> (Server, TempDir, Said) {
    let images = tempfile::tempdir().unwrap();
    fs::write(images.path().join("work.img"), vec![7; 10_000]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let said = Said::default();
    let heard = Arc::clone(&said);
    let proof = Proof::new(Scheme::Md5, "virmo-server", "secret");
    let server = Server::builder()
        .files(Files::new(images.path()))
        .accounts(Account::new(None, Some(proof)))
        .observer(move |event| {
            let line = match event.kind {
                EventKind::ProcedureFinished { report, .. } => format!("{report:?}"),
                EventKind::NotificationAnswered { session_id } => format!("answered {session_id}"),
                _ => return,
            };
            heard.lock().unwrap().push(line);
        })
        .programme(move |_, _| {
            let mounts = Mounts::default();
            let (image, vm) = (mounts.image("work").unwrap(), mounts.vm("work").unwrap());
            let uri = format!("http://{address}/images/work.img");
            let choices = vec!["red".to_owned(), "green".to_owned()];
            let choice = UserInteraction::new(Interaction::SingleChoice(choices), "colour?");
            let mut pin = UserInteraction::new(Interaction::TextInput, "PIN?");
            pin.options.echo = EchoType::Password;
            pin.options.max_length = Some(4);
            let more = "RAM=2097152&Storage=2097152&CPU=20&Network=20";
            let more = ApplyResources::new(&mounts, [("work", more.parse().unwrap())]).unwrap();
            let steps: Vec<Box<dyn Procedure>> = vec![
                Box::new(AskUser::new(choice)),
                Box::new(DeliverImage::new(
                    image.clone(),
                    "work",
                    uri,
                    "application/octet-stream",
                )),
                Box::new(CreateVm::new(vm.clone(), image)),
                Box::new(AskVmUser::new(vm, pin)),
                Box::new(more),
            ];
            steps
        })
        .start(listener)
        .unwrap();
    (server, images, said)
}

#[cfg(feature = "ui")]
#[test]
fn threads_people_and_notifications_under_valgrind() {
    let folder = tempfile::tempdir().unwrap();
    let files = with_parts("tests/c/people.c");
    let program = compile(folder.path(), "people", &files, &["-pthread"]);
    let (server, _images, said) = asking_server();
    let state = tempfile::tempdir().unwrap();
    let mut run = valgrind(&program);
    run.arg(server.url()).arg(state.path());
    let mut run = run
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let mut to_idle = || {
        let lines = lines.by_ref().map(Result::unwrap);
        lines.take_while(|line| line != "idle").collect::<Vec<_>>()
    };
    let first = to_idle();
    assert!(first.contains(&"asked colour?".to_owned()), "{first:#?}");
    assert!(first.contains(&"vm work 0 -> 2".to_owned()), "{first:#?}");
    let said_first = said.lock().unwrap().clone();
    assert_eq!(said_first.len(), 5, "{said_first:#?}");
    assert!(
        said_first.iter().all(|line| line.contains("ok: true")),
        "{said_first:#?}"
    );
    assert!(said_first[0].contains("\"2\""), "{said_first:#?}");
    assert!(said_first[3].contains("\"1234\""), "{said_first:#?}");
    assert!(
        first.iter().any(|line| line.starts_with("event 5 work")),
        "{first:#?}"
    );

    let mut notification = Notification::new(7, "virmo-server".parse().unwrap()).unwrap();
    notification.ui_mode = UiMode::UserInteraction;
    let octets = server.notify("urn:example:c", &notification, ProvenBy::StoredNonce);
    let octets = octets.unwrap().iter().fold(String::new(), |mut text, it| {
        write!(text, "{it:02x}").unwrap();
        text
    });
    let mut input = run.stdin.take().unwrap();
    // The second time it is no news.
    for (answered, expected) in [(true, 1), (false, 1)] {
        writeln!(input, "{octets}").unwrap();
        let told = to_idle();
        let asked = told.iter().any(|line| line.starts_with("asked "));
        assert_eq!(asked, answered, "{told:#?}");
        let said = said.lock().unwrap();
        let answers = said.iter().filter(|line| *line == "answered 7").count();
        assert_eq!(answers, expected, "{told:#?}");
    }
    drop(input);
    let rest: Vec<_> = lines.map(Result::unwrap).collect();
    assert!(run.wait().unwrap().success(), "{rest:#?}");
}

/// One run of `faults.c`: its last lines, or `None` if the process ended on the way.
struct Run {
    calls: u32,
    state: Option<String>,
}

fn run(program: &Path, url: &str, state: &Path, mode: &str, number: u32) -> Option<Run> {
    let mut command = Command::new(program);
    command
        .arg(url)
        .arg(state)
        .args([mode, &number.to_string()]);
    let output = command.output().unwrap();
    if output.status.code() == Some(9) {
        return None;
    }
    assert_ok(&output);
    let text = said(&output);
    let find = |key| text.lines().find_map(|line| line.strip_prefix(key));
    let calls = find("calls ").unwrap().split(' ').next().unwrap();
    Some(Run {
        calls: calls.parse().unwrap(),
        state: find("state ").map(str::to_owned),
    })
}

/// What State may say of what the machine is; both as `faults.c` says them.
fn is_true(state: &str) -> bool {
    // No node, not created, off, running, suspended.
    [
        "- machine 0",
        "0 machine 0",
        "1 machine 1",
        "2 machine 3",
        "3 machine 4",
    ]
    .contains(&state)
}

/// Every callback in turn does not do its work, or is the last thing the process does. Whatever
/// comes of it, the next run gets to its end, and State is true.
fn every_callback(mode: &str) {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(
        folder.path(),
        "faults",
        &with_parts("tests/c/faults.c"),
        &[],
    );
    let whole = {
        let (server, _images) = server(false);
        let state = tempfile::tempdir().unwrap();
        let run = run(&program, &server.url(), state.path(), "none", 0).unwrap();
        assert_eq!(run.state.as_deref(), Some("2 machine 3"));
        run.calls
    };
    assert!(whole >= 40, "only {whole} calls");
    for number in 1..=whole {
        let (server, _images) = server(false);
        let state = tempfile::tempdir().unwrap();
        run(&program, &server.url(), state.path(), mode, number);
        let after = run(&program, &server.url(), state.path(), "none", 0).unwrap();
        let state = after.state.expect("a device");
        assert!(is_true(&state), "{mode} at call {number}: {state}");
    }
}

#[test]
fn a_callback_that_fails_leaves_state_true() {
    every_callback("fail");
}

/// The end of the process before a call is its end after the one before.
#[test]
fn a_process_that_ends_at_a_callback_leaves_state_true() {
    every_callback("end");
}
