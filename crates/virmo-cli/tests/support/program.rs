//! The program as a child process, and a folder served over HTTP.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Output, Stdio},
    thread,
};

/// Runs the program to its end.
pub fn virmo(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virmo"))
        .args(args)
        .output()
        .unwrap()
}

/// Runs the program to its end with something on its standard input.
pub fn virmo_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_virmo"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// The JSON lines of an output.
pub fn events(output: &Output) -> Vec<serde_json::Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

/// The program in the background; killed when dropped.
pub struct Background {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Background {
    pub fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_virmo"))
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next JSON line.
    pub fn event(&mut self) -> Option<serde_json::Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect(&line))
    }

    /// The next JSON line that says this and that.
    pub fn wait_for(&mut self, wanted: &[(&str, &str)]) -> serde_json::Value {
        loop {
            let event = self.event().expect("the program ended");
            if wanted
                .iter()
                .all(|(name, value)| event[name].to_string().contains(value))
            {
                return event;
            }
        }
    }

    /// The exit code, with all lines that are left.
    pub fn end(mut self) -> (Option<i32>, Vec<serde_json::Value>) {
        let mut rest = Vec::new();
        while let Some(event) = self.event() {
            rest.push(event);
        }
        (self.child.wait().unwrap().code(), rest)
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Serves one image to everybody who asks, under any path; returns its URI.
pub fn image_server(image: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/entvm.img", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
            let length = image.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            drop(stream.write_all(head.as_bytes()));
            drop(stream.write_all(&image));
        }
    });
    uri
}
