//! The tolerances of the program: all on, and off with `--strict`.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::{
    peer::{Element, message},
    program::Background,
};

const DM: &str = "application/vnd.syncml.dm+xml";
const SHORT: &str = "application/vnd.syncml+xml";

/// Posts a body with this type; the HTTP status, and the SyncML one of the header.
fn post(url: &str, content_type: &str, body: &str) -> (String, String) {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().to_owned();
    if code != "200" {
        return (code, String::new());
    }
    assert!(head.contains(DM), "what is sent stays strict: {head}");
    let [_, body] = Element::message(body);
    let status = body.all("Status").next().unwrap().at("Data");
    (code, status)
}

/// Package 1 of a device that is short of words.
fn package(url: &str) -> String {
    let item = "<Item><Target><LocURI>./DevInfo/DevId</LocURI></Target><Data>x</Data></Item>";
    let body = [
        "<Alert><Data>1201</Data></Alert>".to_owned(),
        format!("<Replace>{item}</Replace>"),
    ];
    message("1", 1, [url, "dev1"], &body, true)
}

#[test]
fn a_server_is_tolerant_unless_it_is_strict() {
    for (words, type_taken, package_taken, doctype_taken) in [
        (&[][..], ("200", "200"), ("200", "200"), ("200", "200")),
        (&["--strict"], ("415", ""), ("200", "412"), ("400", "")),
    ] {
        let (_server, url) = Background::serve(words);
        let pair = |(http, dm): (&str, &str)| (http.to_owned(), dm.to_owned());
        let sent = package(&url);
        assert_eq!(post(&url, SHORT, &sent), pair(type_taken), "{words:?}");
        let sent = package(&url).replace("<SessionID>1<", "<SessionID>2<");
        assert_eq!(post(&url, DM, &sent), pair(package_taken), "{words:?}");
        let sent = format!("<!DOCTYPE SyncML>{}", package(&url));
        let sent = sent.replace("<SessionID>1<", "<SessionID>3<");
        assert_eq!(post(&url, DM, &sent), pair(doctype_taken), "{words:?}");
    }
}
