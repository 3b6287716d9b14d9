//! What stands on the wire.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use serde::{Serialize, de::DeserializeOwned};
use uve::{
    BeginUpdate, Begun, CommitUpdate, Digest, ImageInfo, MonitoringNotification, ReadUif,
    Retrieved, SessionDisconnect, UaId, UaPackage, UaSessionId, UserId, Uve2, Uve2Error, Uve5,
    Uve5Error, Version, VmId, WriteUpdate,
};
use uve_http::{Uve2Client, Uve2Service, Uve5Client, Uve5Service};

use crate::{Site, listen, raw, token};

fn is<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, json: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(serde_json::from_str::<T>(json).unwrap(), *value);
}

/// UR-015 and others: every message as JSON.
#[test]
fn messages_have_these_fields() {
    let digest = Digest::of(b"");
    let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let (user, session): (UserId, UaSessionId) =
        ("ann".parse().unwrap(), "session-1".parse().unwrap());
    let update: uve::UpdateId = "session-1.1".parse().unwrap();
    is(
        &SessionDisconnect {
            session: session.clone(),
            user: user.clone(),
            ua: "editor".parse().unwrap(),
            event: uve::EventId(3),
        },
        r#"{"session":"session-1","user":"ann","ua":"editor","event":3}"#,
    );
    let mut retrieved = Retrieved {
        image: None,
        lease_seconds: 60,
    };
    is(&retrieved, r#"{"lease_seconds":60}"#);
    retrieved.image = Some(ImageInfo {
        version: Version(1),
        size: 0,
        digest,
        update: update.clone(),
        by: "vm-a".parse().unwrap(),
    });
    let image =
        format!(r#"{{"version":1,"size":0,"digest":"{hex}","update":"session-1.1","by":"vm-a"}}"#);
    is(
        &retrieved,
        &format!(r#"{{"image":{image},"lease_seconds":60}}"#),
    );
    is(
        &ReadUif {
            user: user.clone(),
            version: Version(1),
            offset: 7,
            length: 9,
        },
        r#"{"user":"ann","version":1,"offset":7,"length":9}"#,
    );
    is(
        &BeginUpdate {
            user: user.clone(),
            update: update.clone(),
            base: Version::NONE,
            size: 5,
            digest,
        },
        &format!(r#"{{"user":"ann","update":"session-1.1","base":0,"size":5,"digest":"{hex}"}}"#),
    );
    is(&Begun::Send(4), r#"{"send":4}"#);
    is(&Begun::Done(Version(2)), r#"{"done":2}"#);
    is(
        &WriteUpdate {
            user: user.clone(),
            update: update.clone(),
            offset: 4,
        },
        r#"{"user":"ann","update":"session-1.1","offset":4}"#,
    );
    is(
        &CommitUpdate {
            user: user.clone(),
            update,
        },
        r#"{"user":"ann","update":"session-1.1"}"#,
    );
    let mut notification = MonitoringNotification {
        monitor: user,
        session,
        seconds: None,
    };
    is(&notification, r#"{"monitor":"ann","session":"session-1"}"#);
    notification.seconds = Some(60);
    is(
        &notification,
        r#"{"monitor":"ann","session":"session-1","seconds":60}"#,
    );
    is(
        &UaPackage {
            ua: "editor".parse().unwrap(),
            version: "2".into(),
            digest,
        },
        &format!(r#"{{"ua":"editor","version":"2","digest":"{hex}"}}"#),
    );
}

/// A VMM and a VM that refuse everything.
struct Refuses<E>(E);

impl Uve5 for Refuses<Uve5Error> {
    fn notify_session_disconnect(&self, _: &VmId, _: &SessionDisconnect) -> Result<(), Uve5Error> {
        Err(self.0.clone())
    }

    fn retrieve_uif(&self, _: &VmId, _: &UserId) -> Result<Retrieved, Uve5Error> {
        Err(self.0.clone())
    }

    fn read_uif(&self, _: &VmId, _: &ReadUif) -> Result<Vec<u8>, Uve5Error> {
        Err(self.0.clone())
    }

    fn begin_update(&self, _: &VmId, _: &BeginUpdate) -> Result<Begun, Uve5Error> {
        Err(self.0.clone())
    }

    fn write_update(&self, _: &VmId, _: &WriteUpdate, _: &[u8]) -> Result<u64, Uve5Error> {
        Err(self.0.clone())
    }

    fn commit_update(&self, _: &VmId, _: &CommitUpdate) -> Result<Version, Uve5Error> {
        Err(self.0.clone())
    }

    fn renew_lease(&self, _: &VmId, _: &UserId) -> Result<u64, Uve5Error> {
        Err(self.0.clone())
    }

    fn release_lease(&self, _: &VmId, _: &UserId) -> Result<(), Uve5Error> {
        Err(self.0.clone())
    }
}

impl Uve2 for Refuses<Uve2Error> {
    fn notify_monitoring(&self, _: &MonitoringNotification) -> Result<(), Uve2Error> {
        Err(self.0.clone())
    }

    fn deploy_ua(&self, _: &UaPackage, _: &[u8]) -> Result<(), Uve2Error> {
        Err(self.0.clone())
    }

    fn update_ua(&self, _: &UaPackage, _: &[u8]) -> Result<(), Uve2Error> {
        Err(self.0.clone())
    }

    fn delete_ua(&self, _: &UaId) -> Result<(), Uve2Error> {
        Err(self.0.clone())
    }

    fn suspend_session(&self, _: &UaSessionId) -> Result<(), Uve2Error> {
        Err(self.0.clone())
    }
}

#[test]
fn refusals_of_uve_5_have_a_status_and_come_back_as_they_are() {
    let (vm, user): (VmId, UserId) = ("vm-a".parse().unwrap(), "ann".parse().unwrap());
    let reason = || "why".to_owned();
    for (error, status, json) in [
        (
            Uve5Error::BadRequest { reason: reason() },
            400,
            r#"{"error":"bad-request","reason":"why"}"#,
        ),
        (Uve5Error::NotServing, 403, r#"{"error":"not-serving"}"#),
        (
            Uve5Error::UnknownSession,
            404,
            r#"{"error":"unknown-session"}"#,
        ),
        (
            Uve5Error::UnknownVersion,
            404,
            r#"{"error":"unknown-version"}"#,
        ),
        (
            Uve5Error::UnknownUpdate,
            404,
            r#"{"error":"unknown-update"}"#,
        ),
        (
            Uve5Error::Conflict {
                current: Version(3),
            },
            409,
            r#"{"error":"conflict","current":3}"#,
        ),
        (
            Uve5Error::WrongOffset { expected: 7 },
            409,
            r#"{"error":"wrong-offset","expected":7}"#,
        ),
        (
            Uve5Error::Incomplete { offset: 7 },
            409,
            r#"{"error":"incomplete","offset":7}"#,
        ),
        (
            Uve5Error::TooLarge { limit: 9 },
            413,
            r#"{"error":"too-large","limit":9}"#,
        ),
        (
            Uve5Error::DigestMismatch,
            422,
            r#"{"error":"digest-mismatch"}"#,
        ),
        (
            Uve5Error::Leased { seconds: 5 },
            423,
            r#"{"error":"leased","seconds":5}"#,
        ),
        (
            Uve5Error::Failed { reason: reason() },
            500,
            r#"{"error":"failed","reason":"why"}"#,
        ),
        (Uve5Error::Full, 507, r#"{"error":"full"}"#),
    ] {
        let service =
            Uve5Service::new(Arc::new(Refuses(error.clone()))).with_vm(vm.clone(), token("vm-a"));
        let server = service.serve(listen()).unwrap();
        let path = "/uve-5/renew-lease";
        let answer = raw(
            server.address(),
            path,
            "token of vm-a",
            br#"{"user":"ann"}"#,
        );
        assert_eq!(answer, (status, json.to_owned()));
        let client = Uve5Client::new(&format!("http://{}", server.address()), token("vm-a"));
        assert_eq!(client.renew_lease(&vm, &user), Err(error));
    }
}

#[test]
fn refusals_of_uve_2_have_a_status_and_come_back_as_they_are() {
    let reason = || "why".to_owned();
    for (error, status, json) in [
        (
            Uve2Error::BadRequest { reason: reason() },
            400,
            r#"{"error":"bad-request","reason":"why"}"#,
        ),
        (
            Uve2Error::UnknownSession,
            404,
            r#"{"error":"unknown-session"}"#,
        ),
        (Uve2Error::UnknownUa, 404, r#"{"error":"unknown-ua"}"#),
        (
            Uve2Error::AlreadyDeployed,
            409,
            r#"{"error":"already-deployed"}"#,
        ),
        (Uve2Error::InUse, 409, r#"{"error":"in-use"}"#),
        (Uve2Error::NotMonitored, 409, r#"{"error":"not-monitored"}"#),
        (Uve2Error::TooMany, 409, r#"{"error":"too-many"}"#),
        (
            Uve2Error::TooLarge { limit: 9 },
            413,
            r#"{"error":"too-large","limit":9}"#,
        ),
        (
            Uve2Error::DigestMismatch,
            422,
            r#"{"error":"digest-mismatch"}"#,
        ),
        (
            Uve2Error::Failed { reason: reason() },
            500,
            r#"{"error":"failed","reason":"why"}"#,
        ),
        (Uve2Error::NotSupported, 501, r#"{"error":"not-supported"}"#),
    ] {
        let service = Uve2Service::new(Arc::new(Refuses(error.clone())), token("the VMM"));
        let server = service.serve(listen()).unwrap();
        let path = "/uve-2/suspend-session";
        let body = br#"{"session":"s"}"#;
        let answer = raw(server.address(), path, "token of the VMM", body);
        assert_eq!(answer, (status, json.to_owned()));
        let client = Uve2Client::new(&format!("http://{}", server.address()), token("the VMM"));
        assert_eq!(client.suspend_session(&"s".parse().unwrap()), Err(error));
    }
}

/// A stranger does not make a VMM read more than a piece of an image.
#[test]
fn a_request_of_uve_5_has_a_length_limit() {
    let site = Site::new();
    for (length, status) in [(1 << 20, "401"), ((1 << 20) + 1, "413")] {
        let mut stream = TcpStream::connect(site.server.address()).unwrap();
        write!(
            stream,
            "POST /uve-5/write-update HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        // What is too long is refused by its head.
        if status == "401" {
            stream.write_all(&vec![0; length]).unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }
}
