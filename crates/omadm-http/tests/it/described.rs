//! The server's files behind descriptors, and the reports of them. [DLOTA 1.0]

use std::{
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use omadm_download::{Descriptor, DownloadUri};
use omadm_http::{Files, Server};
use tempfile::TempDir;

use crate::{
    files::serve,
    peer::{body, header, raw, status},
};

const BASE: &str = "http://images.example:8080/images/";

struct Bench {
    _directory: TempDir,
    server: Server,
    reports: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        fs::write(directory.path().join("a.img"), "0123456789").unwrap();
        fs::write(directory.path().join("sub/b c.img"), "spaced").unwrap();
        fs::write(directory.path().join("f[0]|.img"), "f").unwrap();
        fs::write(directory.path().join("empty"), "").unwrap();
        fs::write(directory.path().join("own.dd"), "<media/>").unwrap();
        let reports = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&reports);
        let files = Files::new(directory.path())
            .with_media_type("sub/b c.img", "application/x-raw; v=1")
            .with_media_type("sub/b c.img", "application/x-raw; v=1")
            .with_media_type("sub/b c.img", "application/x-disk")
            .with_descriptors(BASE.parse().unwrap(), move |report| {
                let line = format!("{}: {}", report.file, report.status);
                assert!(report.remote.ip().is_loopback());
                told.lock().unwrap().push(line);
            });
        Self {
            server: serve(files),
            _directory: directory,
            reports,
        }
    }

    fn ask(&self, method: &str, name: &str) -> String {
        ask(self.server.address(), method, name, "")
    }

    fn report(&self, name: &str, line: &str) -> u16 {
        status(&ask(self.server.address(), "POST", name, line))
    }
}

fn ask(address: SocketAddr, method: &str, name: &str, sent: &str) -> String {
    let length = sent.len();
    let request = format!(
        "{method} /images/{name} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{sent}"
    );
    raw(address, &request)
}

#[test]
fn a_descriptor_says_what_its_file_is_and_where() {
    let bench = Bench::new();
    let base: DownloadUri = BASE.parse().unwrap();
    let expected = |types: &[&str], size, name: &str| {
        let mut descriptor = Descriptor::new(types[0], size, base.join(name).unwrap());
        descriptor.types = types.iter().map(|&it| it.to_owned()).collect();
        let report = base.join(&format!("{name}.dd")).unwrap();
        descriptor.install_notify_uri = Some(report);
        descriptor
    };
    for (name, expected) in [
        (
            "a.img",
            expected(&["application/octet-stream"], 10, "a.img"),
        ),
        (
            "f[0]|.img",
            expected(&["application/octet-stream"], 1, "f%5B0%5D%7C.img"),
        ),
        (
            "sub/b%20c.img",
            expected(
                &["application/x-raw", "application/x-disk"],
                6,
                "sub/b%20c.img",
            ),
        ),
    ] {
        let answer = bench.ask("GET", &format!("{name}.dd"));
        assert_eq!(status(&answer), 200, "{name}");
        assert_eq!(
            header(&answer, "content-type"),
            Some(Descriptor::MEDIA_TYPE)
        );
        let parsed = Descriptor::parse(body(&answer).as_bytes(), &base);
        assert_eq!(parsed, Ok(expected));
        let head = bench.ask("HEAD", &format!("{name}.dd"));
        assert_eq!((status(&head), body(&head)), (200, ""));
        for name in ["content-length", "content-type"] {
            assert_eq!(header(&head, name), header(&answer, name), "{name}");
        }
    }
}

#[test]
fn what_is_no_file_has_no_descriptor() {
    let bench = Bench::new();
    for name in ["empty.dd", "none.dd", "sub.dd", ".dd", "a.img.dd.dd"] {
        assert_eq!(status(&bench.ask("GET", name)), 404, "{name}");
    }
    let own = bench.ask("GET", "own.dd");
    assert_eq!((status(&own), body(&own)), (200, "<media/>"));
    assert_eq!(header(&own, "content-type"), Some(Descriptor::MEDIA_TYPE));
    let image = bench.ask("GET", "a.img");
    assert_eq!(body(&image), "0123456789");
}

#[test]
fn reports_of_files_that_are_there_are_handed_on() {
    let bench = Bench::new();
    for (name, line, code) in [
        ("a.img.dd", "900 Success\r\n", 200),
        ("sub/b%20c.img.dd", "905", 200),
        ("own.dd", "906  Invalid descriptor", 200),
        ("a.img.dd", "", 400),
        ("a.img.dd", "Success", 400),
        ("none.dd", "900 Success", 404),
        ("a.img", "900 Success", 405),
        ("a.img.dd", &"9".repeat(1025), 413),
    ] {
        assert_eq!(bench.report(name, line), code, "{name}: {line}");
    }
    assert_eq!(
        *bench.reports.lock().unwrap(),
        [
            "a.img: 900 Success",
            "sub/b c.img: 905 Attribute mismatch",
            "own: 906 Invalid descriptor"
        ]
    );
    let put = bench.ask("PUT", "a.img.dd");
    assert_eq!(status(&put), 405);
    assert_eq!(header(&put, "allow"), Some("GET, HEAD, POST"));
}

#[test]
fn who_describes_nothing_takes_no_reports() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.img"), "0123456789").unwrap();
    let server = serve(Files::new(directory.path()));
    let get = ask(server.address(), "GET", "a.img.dd", "");
    let post = ask(server.address(), "POST", "a.img.dd", "900 Success");
    assert_eq!((status(&get), status(&post)), (404, 405));
}
