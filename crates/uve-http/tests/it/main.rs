//! Both interfaces over real connections.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod wire;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

use omadm_core::MemoryJournal;
use omadm_http::Server;
use tempfile::TempDir;
use uve::{
    Digest, MonitoringNotification, UaPackage, Uve2, Uve2Error, Uve5, Uve5Error, session::State,
};
use uve_engine::{
    EmbeddedDataCentre, Progress, SteppedClock, Vm, VmConfig, VmError, Vmm, VmmConfig,
};
use uve_http::{FileBlobs, Token, Uve2Client, Uve2Service, Uve5Client, Uve5Service};

struct Site {
    vmm: Arc<Vmm>,
    server: Server,
    clock: Arc<SteppedClock>,
    folder: TempDir,
}

fn token(vm: &str) -> Token {
    Token::new(&format!("token of {vm}")).unwrap()
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

impl Site {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let journal = Arc::new(MemoryJournal::new());
        let blobs = Arc::new(FileBlobs::open(folder.path().join("images")).unwrap());
        let centre = EmbeddedDataCentre::open(journal.clone(), blobs, 1 << 20).unwrap();
        let clock = Arc::new(SteppedClock::default());
        let vmm = Vmm::open(
            journal,
            Arc::new(centre),
            clock.clone(),
            VmmConfig::default(),
        );
        let vmm = Arc::new(vmm.unwrap());
        vmm.add_user(&"ann".parse().unwrap()).unwrap();
        let service = ["vm-a", "vm-b"]
            .into_iter()
            .fold(Uve5Service::new(vmm.clone()), |service, vm| {
                service.with_vm(vm.parse().unwrap(), token(vm))
            });
        let server = service.serve(listen()).unwrap();
        Self {
            vmm,
            server,
            clock,
            folder,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    fn vm(&self, name: &str) -> (Arc<Vm>, Server, Uve2Client) {
        let client = Uve5Client::new(&self.url(), token(name));
        let blobs = FileBlobs::open(self.folder.path().join(name)).unwrap();
        let vm = Vm::open(
            name.parse().unwrap(),
            Arc::new(client),
            Arc::new(MemoryJournal::new()),
            Arc::new(blobs),
            self.clock.clone(),
            VmConfig::default(),
        );
        let vm = Arc::new(vm.unwrap());
        let vmms = Token::new("the VMM").unwrap();
        let service = Uve2Service::new(vm.clone(), vmms.clone());
        let server = service.serve(listen()).unwrap();
        let client = Uve2Client::new(&format!("http://{}", server.address()), vmms);
        (vm, server, client)
    }
}

fn editor(version: &str, octets: &[u8]) -> UaPackage {
    UaPackage {
        ua: "editor".parse().unwrap(),
        version: version.into(),
        digest: Digest::of(octets),
    }
}

/// UR-002, UR-005, UR-009 to UR-018: a user's day on two VMs, all over HTTP.
#[test]
fn a_user_moves_from_vm_to_vm() {
    let site = Site::new();
    let (a, _server_a, manage_a) = site.vm("vm-a");
    let (b, _server_b, manage_b) = site.vm("vm-b");
    let ann = "ann".parse().unwrap();
    for manage in [&manage_a, &manage_b] {
        manage.deploy_ua(&editor("1", b"one"), b"one").unwrap();
        manage.update_ua(&editor("2", b"two"), b"two").unwrap();
    }
    let ua = "editor".parse().unwrap();
    let first = site.vmm.select(&ann, &ua, a.id()).unwrap();
    a.serve(&first).unwrap();
    a.drive().unwrap();
    let text: Vec<u8> = (0..700_000u32)
        .map(|n| n.to_le_bytes()[n as usize % 4])
        .collect();
    a.write_image(&first.session, 0, &text).unwrap();

    let monitor: uve::UserId = "a teacher: Ms. Ödegård".parse().unwrap();
    let refused = a.monitor(&first.session, &monitor);
    assert!(matches!(refused, Err(VmError::NotAuthorized(_))));
    let (session, seconds) = (first.session.clone(), Some(60));
    let notification = MonitoringNotification {
        monitor: monitor.clone(),
        session,
        seconds,
    };
    manage_a.notify_monitoring(&notification).unwrap();
    let early = manage_a.suspend_session(&first.session);
    assert_eq!(early, Err(Uve2Error::NotMonitored));
    a.monitor(&first.session, &monitor).unwrap();
    manage_a.suspend_session(&first.session).unwrap();
    assert_eq!(a.state(), State::Suspended);
    assert_eq!(manage_a.delete_ua(&ua), Err(Uve2Error::InUse));
    a.resume(&first.session).unwrap();

    let second = site.vmm.select(&ann, &ua, b.id()).unwrap();
    b.serve(&second).unwrap();
    assert!(matches!(
        b.drive().unwrap(),
        Progress::Waiting {
            error: Uve5Error::Leased { .. },
            ..
        }
    ));
    a.disconnect(&first.session).unwrap();
    assert_eq!(a.drive().unwrap(), Progress::Idle);
    manage_a.delete_ua(&ua).unwrap();
    b.drive().unwrap();
    assert_eq!(b.state(), State::Serving);
    let mut octets = vec![0; text.len()];
    let read = b.read_image(&second.session, 0, &mut octets).unwrap();
    assert!(read == text.len() && octets == text);
}

/// Sends a request as it is; the answer is its status and body.
fn raw(address: SocketAddr, path: &str, token: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// UR-001: the change request takes user images away from UVE-2.
#[test]
fn uve_2_has_no_function_on_user_images() {
    let site = Site::new();
    let (_vm, server, _) = site.vm("vm-a");
    for function in [
        "deploy-uif",
        "update-uif",
        "retrieve-uif",
        "read-uif",
        "anything",
    ] {
        let path = format!("/uve-2/{function}");
        let answer = raw(server.address(), &path, "the VMM", b"{}");
        assert_eq!(
            answer,
            (501, r#"{"error":"not-supported"}"#.into()),
            "{function}"
        );
    }
    // Neither does it have those of UVE-5, nor UVE-5 those of UVE-2.
    let answer = raw(server.address(), "/uve-5/retrieve-uif", "the VMM", b"{}");
    assert_eq!(answer.0, 404);
    let answer = raw(
        site.server.address(),
        "/uve-2/delete-ua",
        "token of vm-a",
        b"{}",
    );
    assert_eq!(answer.0, 404);
}

/// UR-015: a report needs its session, user and UA; so do all requests what is theirs.
#[test]
fn requests_that_say_too_little_are_refused() {
    let site = Site::new();
    let (_vm, server, _) = site.vm("vm-a");
    let whole = r#"{"session":"s","user":"ann","ua":"editor","event":1}"#;
    let ask = |body: &str| {
        let path = "/uve-5/notify-session-disconnect";
        raw(
            site.server.address(),
            path,
            "token of vm-a",
            body.as_bytes(),
        )
    };
    assert_eq!(ask(whole), (404, r#"{"error":"unknown-session"}"#.into()));
    for without in [
        r#"{"user":"ann","ua":"editor","event":1}"#,
        r#"{"session":"s","ua":"editor","event":1}"#,
        r#"{"session":"s","user":"ann","event":1}"#,
        r#"{"session":"","user":"ann","ua":"editor","event":1}"#,
        r#"{"session":"s","user":"ann","ua":"editor","event":1,"more":1}"#,
        "null",
        "",
        "{",
        "\u{0}",
    ] {
        let (status, body) = ask(without);
        assert_eq!(status, 400, "{without}");
        assert!(
            body.starts_with(r#"{"error":"bad-request","reason":"#),
            "{body}"
        );
    }
    let unknown = raw(site.server.address(), "/uve-5/fly", "token of vm-a", b"{}");
    assert_eq!(unknown.0, 400);
    for path in [
        "/uve-2/deploy-ua",
        "/uve-2/deploy-ua?request=%7",
        "/uve-2/deploy-ua?x=1",
    ] {
        assert_eq!(raw(server.address(), path, "the VMM", b"").0, 400, "{path}");
    }
}

#[test]
fn strangers_are_refused_by_both_sides() {
    let site = Site::new();
    let (_vm, server, _) = site.vm("vm-a");
    for guess in ["", "token of vm-c", "the VMM"] {
        let answer = raw(site.server.address(), "/uve-5/retrieve-uif", guess, b"{}");
        assert_eq!(
            answer,
            (401, r#"{"error":"unauthorized"}"#.into()),
            "{guess}"
        );
    }
    let answer = raw(server.address(), "/uve-2/delete-ua", "token of vm-a", b"{}");
    assert_eq!(answer, (401, r#"{"error":"unauthorized"}"#.into()));
}

/// Rule 6: a VM cannot be another one by naming it.
#[test]
fn a_vm_is_who_its_token_says() {
    let site = Site::new();
    let ann = "ann".parse().unwrap();
    let vm_a = "vm-a".parse().unwrap();
    site.vmm
        .select(&ann, &"editor".parse().unwrap(), &vm_a)
        .unwrap();
    let client = Uve5Client::new(&site.url(), token("vm-b"));
    assert_eq!(client.retrieve_uif(&vm_a, &ann), Err(Uve5Error::NotServing));
    let client = Uve5Client::new(&site.url(), token("vm-a"));
    assert!(client.retrieve_uif(&vm_a, &ann).is_ok());
}

#[test]
fn a_side_that_is_not_there_is_a_failure_that_passes() {
    // Nobody listens at that port, and no test is given it.
    let address = "127.0.0.1:1";
    let client = Uve5Client::new(&format!("http://{address}"), token("vm-a"));
    let error = client
        .retrieve_uif(&"vm-a".parse().unwrap(), &"ann".parse().unwrap())
        .unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
    let client = Uve2Client::new(&format!("http://{address}"), token("vm-a"));
    let error = client.delete_ua(&"editor".parse().unwrap()).unwrap_err();
    assert!(matches!(error, Uve2Error::Failed { .. }), "{error:?}");
}
