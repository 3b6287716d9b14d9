//! The server's files: parts, validators, names. [RFC 9110 §14]

use std::{fs, net::SocketAddr, sync::Arc};

use omadm_http::{Files, Handler, Incoming, Outgoing, Server, ServerConfig};
use tempfile::TempDir;

use crate::peer::{body, header, raw, status};

struct Nobody;

impl Handler for Nobody {
    fn handle(&self, _: &Incoming) -> Outgoing {
        Outgoing::status(418)
    }
}

pub(crate) fn serve(files: Files) -> Server {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = ServerConfig::default();
    config.files = Some(files);
    Server::start(listener, Arc::new(Nobody), config).unwrap()
}

fn bench() -> (TempDir, Server) {
    let directory = TempDir::new().unwrap();
    let images = directory.path().join("images");
    fs::create_dir_all(images.join("sub")).unwrap();
    fs::write(directory.path().join("secret"), "secret").unwrap();
    fs::write(images.join("a.img"), "0123456789").unwrap();
    fs::write(images.join("sub/b c.img"), "spaced").unwrap();
    fs::write(images.join("empty"), "").unwrap();
    let files = Files::new(&images).with_media_type("sub/b c.img", "application/x-raw; v=1");
    let server = serve(files);
    (directory, server)
}

fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    raw(address, &request)
}

#[test]
fn a_file_comes_whole_with_what_is_needed_to_resume() {
    let (_directory, server) = bench();
    let answer = ask(server.address(), "GET", "/images/a.img", "");
    assert_eq!((status(&answer), body(&answer)), (200, "0123456789"));
    assert_eq!(header(&answer, "content-length"), Some("10"));
    assert_eq!(header(&answer, "accept-ranges"), Some("bytes"));
    assert_eq!(
        header(&answer, "content-type"),
        Some("application/octet-stream")
    );
    assert!(header(&answer, "etag").unwrap().starts_with('"'));
    assert!(header(&answer, "last-modified").unwrap().ends_with(" GMT"));

    let answer = ask(server.address(), "GET", "/images/sub/b%20c.img?query", "");
    assert_eq!((status(&answer), body(&answer)), (200, "spaced"));
    assert_eq!(
        header(&answer, "content-type"),
        Some("application/x-raw; v=1")
    );

    let answer = ask(server.address(), "GET", "/images/empty", "");
    assert_eq!((status(&answer), body(&answer)), (200, ""));
}

/// One file, several media types: the one that is asked for.
#[test]
fn a_file_is_what_it_is_asked_for_as() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a"), "0").unwrap();
    let files = Files::new(directory.path()).with_media_type("a", "application/x-one; v=1");
    let server = serve(files.with_media_type("a", "application/x-two"));
    for (accept, media_type) in [
        ("", "application/x-one; v=1"),
        ("accept: */*\r\n", "application/x-one; v=1"),
        ("accept: application/x-two\r\n", "application/x-two"),
        (
            "accept: text/*, Application/X-Two;q=0.5\r\n",
            "application/x-two",
        ),
        ("accept: application/x-one\r\n", "application/x-one; v=1"),
        ("accept: application/x-three\r\n", "application/x-one; v=1"),
    ] {
        let answer = ask(server.address(), "GET", "/images/a", accept);
        assert_eq!(
            header(&answer, "content-type"),
            Some(media_type),
            "{accept}"
        );
    }
}

#[test]
fn a_part_comes_if_the_file_is_still_the_same() {
    let (directory, server) = bench();
    let whole = ask(server.address(), "GET", "/images/a.img", "");
    let tag = header(&whole, "etag").unwrap();
    let date = header(&whole, "last-modified").unwrap();
    let rest = |condition: &str| {
        let headers = format!("range: bytes=4-\r\n{condition}");
        ask(server.address(), "GET", "/images/a.img", &headers)
    };
    for condition in [
        "",
        &format!("if-range: {tag}\r\n"),
        &format!("if-range: {date}\r\n"),
    ] {
        let answer = rest(condition);
        assert_eq!(
            (status(&answer), body(&answer)),
            (206, "456789"),
            "{condition}"
        );
        assert_eq!(header(&answer, "content-range"), Some("bytes 4-9/10"));
        assert_eq!(header(&answer, "content-length"), Some("6"));
    }
    for condition in ["if-range: \"other\"\r\n", &format!("if-range: W/{tag}\r\n")] {
        let answer = rest(condition);
        assert_eq!((status(&answer), body(&answer)), (200, "0123456789"));
    }
    fs::write(directory.path().join("images/a.img"), "ABCDEFGHIJK").unwrap();
    let answer = rest(&format!("if-range: {tag}\r\n"));
    assert_eq!((status(&answer), body(&answer)), (200, "ABCDEFGHIJK"));
}

#[test]
fn a_part_behind_the_end_is_not_there() {
    let (_directory, server) = bench();
    let answer = ask(
        server.address(),
        "GET",
        "/images/a.img",
        "range: bytes=10-\r\n",
    );
    assert_eq!((status(&answer), body(&answer)), (416, ""));
    assert_eq!(header(&answer, "content-range"), Some("bytes */10"));
    let answer = ask(
        server.address(),
        "GET",
        "/images/empty",
        "range: bytes=0-\r\n",
    );
    assert_eq!(status(&answer), 416);
}

#[test]
fn head_tells_the_same_without_the_file() {
    let (_directory, server) = bench();
    for headers in ["", "range: bytes=4-\r\n"] {
        let get = ask(server.address(), "GET", "/images/a.img", headers);
        let head = ask(server.address(), "HEAD", "/images/a.img", headers);
        assert_eq!((status(&head), body(&head)), (status(&get), ""));
        for name in ["content-length", "content-type", "etag", "content-range"] {
            assert_eq!(header(&head, name), header(&get, name), "{name}");
        }
    }
}

#[test]
fn only_files_of_the_directory_are_there() {
    let (directory, server) = bench();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret", directory.path().join("images/link")).unwrap();
    let secret = directory.path().join("secret");
    for name in [
        "",
        "nothing",
        "sub",
        "sub/",
        "link",
        "../secret",
        "sub/../../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "%2e%2e%2fsecret",
        "sub%2f..%2f..%2fsecret",
        "..%5csecret",
        "a.img%00",
        "a.img/",
        "/a.img",
        "./a.img",
        "%ff",
        secret.to_str().unwrap(),
    ] {
        let answer = ask(server.address(), "GET", &format!("/images/{name}"), "");
        assert_eq!(
            (status(&answer), body(&answer)),
            (404, "404 Not Found\n"),
            "{name}"
        );
    }
}

#[test]
fn files_are_read_only() {
    let (_directory, server) = bench();
    for method in ["POST", "PUT", "DELETE"] {
        let answer = ask(
            server.address(),
            method,
            "/images/a.img",
            "content-length: 0\r\n",
        );
        assert_eq!(status(&answer), 405);
        assert_eq!(header(&answer, "allow"), Some("GET, HEAD"));
    }
}

/// Nobody writes into it.
#[cfg(unix)]
#[test]
fn a_pipe_is_no_file_and_holds_nobody_up() {
    let (directory, server) = bench();
    let pipe = directory.path().join("images/pipe");
    let made = std::process::Command::new("mkfifo").arg(pipe).status();
    assert!(made.unwrap().success());
    let answer = ask(server.address(), "GET", "/images/pipe", "");
    assert_eq!(status(&answer), 404);
}
