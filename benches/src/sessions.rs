//! Sessions of many devices with a server's engine.

use std::sync::Arc;

use virmo::dm::{
    client::{Auth, Request},
    core::Now,
    server::{Account, Config, Server, SingleCommand},
    session::{Nonces, Proof, Scheme},
};

use crate::{
    device::{self, Device},
    forest::Nowhere,
};

/// A server with so many devices, each with a session in which a command awaits its Status; and the
/// bytes of the answers they were given.
pub fn sessions(count: usize, proof: Proof) -> (Server, usize) {
    let mut server = server(proof.clone());
    let mut opener = Opener::new(proof);
    let mut answers = 0;
    for number in 0..count {
        opener.ask(&mut server, number);
        let answer = opener.open(&mut server, number);
        assert!(has_get(&answer), "nothing asked");
        answers += answer.len();
    }
    (server, answers)
}

/// What devices say with every message.
pub fn basic() -> Proof {
    Proof::new(Scheme::Basic, "device", "secret")
}

/// What devices say when they were given a nonce.
pub fn md5() -> Proof {
    Proof::new(Scheme::Md5, "device", "secret")
}

fn server(proof: Proof) -> Server {
    let mut config = Config::new("c");
    (config.max_sessions, config.max_devices) = (1 << 20, 1 << 20);
    let nonces = Nonces::new(Arc::new(Nowhere), device::octets);
    Server::new(config, Account::new(Some(proof), None)).with_nonces(nonces)
}

/// Opens the sessions of many devices, all of which say the same.
pub struct Opener {
    /// The messages until the server asks for something: with nonces the first one is refused.
    pub messages: Vec<(String, Request)>,
}

impl Opener {
    pub fn new(proof: Proof) -> Self {
        let mut server = server(proof.clone());
        let get = SingleCommand::get("./DevDetail/OEM");
        server.enqueue(device::NAME, Box::new(get)).expect("room");
        let mut device = Device::new(Auth::given(Some(proof), None), 0);
        let mut request = device.open().expect("package 1");
        let mut messages = Vec::new();
        loop {
            let text = String::from_utf8(request.body.clone()).expect("text");
            messages.push((text, request.clone()));
            let answer = device::respond(&mut server, &request, Now::default());
            if has_get(&answer.body) {
                return Self { messages };
            }
            request = device.hear(&answer).expect("another try");
        }
    }

    /// Leaves a Get for a device.
    pub fn ask(&self, server: &mut Server, number: usize) {
        let get = SingleCommand::get("./DevDetail/OEM");
        server.enqueue(&name(number), Box::new(get)).expect("room");
    }

    /// Has a device open its session; the last answer.
    pub fn open(&mut self, server: &mut Server, number: usize) -> Vec<u8> {
        let name = name(number);
        let mut last = Vec::new();
        for (text, request) in &mut self.messages {
            request.body = text.replace(device::NAME, &name).into_bytes();
            last = device::respond(server, request, Now::default()).body;
        }
        last
    }
}

/// As long as the name of the one device that there is.
fn name(number: usize) -> String {
    format!("urn:e:{number:010}")
}

/// Whether an answer, which is XML, asks for something.
pub fn has_get(answer: &[u8]) -> bool {
    answer.windows(5).any(|octets| octets == b"<Get>")
}
