//! A foreign peer, DM server and DM device, on quick-xml; it shares no crate with what it tests.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
};

use quick_xml::{
    Reader,
    escape::{escape, unescape},
    events::Event,
};

/// An element: its local name, its text, its children.
#[derive(Clone, Debug, Default)]
pub struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    pub fn parse(xml: &str) -> Self {
        let mut reader = Reader::from_str(xml);
        reader.config_mut().expand_empty_elements = true;
        let mut stack = vec![Self::default()];
        loop {
            let text = match reader.read_event().unwrap() {
                Event::Start(start) => {
                    stack.push(Self::default());
                    stack.last_mut().unwrap().name = start.local_name().as_ref().to_owned();
                    continue;
                }
                Event::End(_) => {
                    let done = stack.pop().unwrap();
                    stack.last_mut().unwrap().children.push(done);
                    continue;
                }
                Event::Text(text) => text.xml10_content().into_owned(),
                Event::CData(text) => text.xml10_content().into_owned(),
                Event::GeneralRef(name) => {
                    let text = format!("&{};", name.xml10_content());
                    unescape(&text).unwrap().into_owned()
                }
                Event::Eof => return stack.pop().unwrap().children.remove(0),
                _ => continue,
            };
            stack.last_mut().unwrap().text += &text;
        }
    }

    /// Header and body of a message.
    pub fn message(xml: &str) -> [Self; 2] {
        Self::parse(xml).children.try_into().unwrap()
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text at a path of child names, empty if there is none.
    pub fn at(&self, path: &str) -> String {
        let mut here = Some(self);
        for name in path.split('/') {
            here = here.and_then(|element| element.all(name).next());
        }
        here.map(|element| element.text.trim().to_owned())
            .unwrap_or_default()
    }
}

const TYPE: &str = "application/vnd.syncml.dm+xml";

fn read_http(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    for line in head.lines() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

fn write_http(mut stream: &TcpStream, first: &str, body: &str) {
    let length = body.len();
    let head = format!("{first}\r\nHost: peer\r\nContent-Type: {TYPE}\r\nAccept: {TYPE}\r\n");
    let rest = format!("Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all((head + &rest).as_bytes()).unwrap();
}

/// Posts a message and returns the head and the body of the answer.
pub fn post(url: &str, body: &str) -> (String, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let stream = TcpStream::connect(host).unwrap();
    write_http(&stream, &format!("POST /{path} HTTP/1.1"), body);
    read_http(&stream)
}

/// A message between two ends of body elements with `{id}` where each has its CmdID.
pub fn message(session: &str, id: u32, ends: [&str; 2], body: &[String], last: bool) -> String {
    let [target, source] = ends.map(|uri| format!("<LocURI>{}</LocURI>", escape(uri)));
    let mut xml = format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>{session}</SessionID><MsgID>{id}</MsgID><Target>{target}</Target>\
         <Source>{source}</Source></SyncHdr><SyncBody>"
    );
    for (index, element) in body.iter().enumerate() {
        xml += &element.replace("{id}", &format!("<CmdID>{}</CmdID>", index + 1));
    }
    xml + if last { "<Final/>" } else { "" } + "</SyncBody></SyncML>"
}

pub fn status(message: u32, command: &str, name: &str, code: u16) -> String {
    format!(
        "<Status>{{id}}<MsgRef>{message}</MsgRef><CmdRef>{command}</CmdRef><Cmd>{name}</Cmd>\
         <Data>{code}</Data></Status>"
    )
}

/// A command with one Item for a node; `format` and `data` may be empty.
pub fn command(name: &str, uri: &str, format: &str, data: &str) -> String {
    let meta = format!("<Meta><Format xmlns=\"syncml:metinf\">{format}</Format></Meta>");
    let meta = if format.is_empty() { "" } else { &meta };
    let data = format!("<Data>{}</Data>", escape(data));
    let target = format!("<Target><LocURI>{uri}</LocURI></Target>");
    format!("<{name}>{{id}}<Item>{target}{meta}{data}</Item></{name}>")
}

/// What came back for one package: statuses and results by the place of their command.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub status: BTreeMap<usize, u16>,
    pub results: BTreeMap<usize, String>,
    /// The Data of the Items of a Status.
    pub said: BTreeMap<usize, Vec<String>>,
    /// Type and source of the Generic Alerts.
    pub alerts: Vec<(String, String)>,
}

/// A DM server that takes a device through a script.
pub struct Server(TcpListener);

impl Server {
    pub fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub fn url(&self) -> String {
        format!("http://{}/dm", self.0.local_addr().unwrap())
    }

    /// One session. `next` sees what came back and gives the next package; an empty one ends it.
    pub fn session(&self, mut next: impl FnMut(&Answers) -> Vec<String>) {
        let (mut sent, mut first, mut answers) = (0, 0, Answers::default());
        loop {
            let (stream, _) = self.0.accept().unwrap();
            let (_, body) = read_http(&stream);
            let [header, body] = Element::message(&body);
            let received: u32 = header.at("MsgID").parse().unwrap();
            if received == 1 {
                (sent, first) = (0, 0); // A device that was cut off begins anew.
            }
            let mut reply = vec![status(received, "0", "SyncHdr", 200)];
            for element in &body.children {
                let place: usize = element.at("CmdRef").parse().unwrap_or(0);
                let data = element.at("Data");
                let ours = place > first && element.at("MsgRef") == sent.to_string();
                match (element.name.as_str(), ours.then(|| place - first - 1)) {
                    ("Status", Some(place)) => {
                        answers.status.insert(place, data.parse().unwrap());
                        let said = element.all("Item").map(|item| item.at("Data"));
                        answers.said.insert(place, said.collect());
                    }
                    ("Results", Some(place)) => {
                        answers.results.insert(place, element.at("Item/Data"));
                    }
                    ("Alert", _) => {
                        let pair = |at: &Element| (at.at("Meta/Type"), at.at("Source/LocURI"));
                        answers.alerts.extend(element.all("Item").map(pair));
                    }
                    _ => {}
                }
                if matches!(element.name.as_str(), "Alert" | "Replace") {
                    reply.push(status(received, &element.at("CmdID"), &element.name, 200));
                }
            }
            sent += 1;
            let complete = body.all("Final").next().is_some();
            let mut over = false;
            if complete {
                let commands = next(&std::mem::take(&mut answers));
                (over, first) = (commands.is_empty(), reply.len());
                reply.extend(commands);
            } else {
                reply.push("<Alert>{id}<Data>1222</Data></Alert>".to_owned());
            }
            let ends = [&*header.at("Source/LocURI"), &*self.url()];
            let xml = message(&header.at("SessionID"), sent, ends, &reply, complete);
            write_http(&stream, "HTTP/1.1 200 OK", &xml);
            if over {
                return;
            }
        }
    }
}

/// A DM device that shows what a VirMO device would.
#[derive(Default)]
pub struct Device {
    pub nodes: BTreeMap<String, String>,
    pub alerts: Vec<String>,
    sessions: u32,
}

impl Device {
    /// Holds one session with the server; returns how many commands it executed.
    pub fn session(&mut self, url: &str) -> usize {
        self.sessions += 1;
        let (session, mut executed) = (format!("{:X}", self.sessions), 0);
        let info = ["DevId", "Man", "Mod", "DmV", "Lang"].map(|leaf| {
            let uri = format!("<LocURI>./DevInfo/{leaf}</LocURI>");
            format!("<Item><Source>{uri}</Source><Data>foreign</Data></Item>")
        });
        let mut body = vec!["<Alert>{id}<Data>1201</Data></Alert>".to_owned()];
        body.push(format!("<Replace>{{id}}{}</Replace>", info.concat()));
        for source in std::mem::take(&mut self.alerts) {
            body.push(format!(
                "<Alert>{{id}}<Data>1226</Data><Item><Source><LocURI>{source}</LocURI></Source><Meta>\
                 <Type xmlns=\"syncml:metinf\">urn:oma:at:oma-virmo:imageready:1.0</Type>\
                 <Format xmlns=\"syncml:metinf\">xml</Format></Meta><Data/></Item></Alert>"
            ));
        }
        for id in 1.. {
            let (head, answer) = post(url, &message(&session, id, [url, "foreign"], &body, true));
            assert!(head.contains(" 200 "), "{head}");
            let [header, content] = Element::message(&answer);
            let from: u32 = header.at("MsgID").parse().unwrap();
            body = vec![status(from, "0", "SyncHdr", 200)];
            for element in &content.children {
                if matches!(element.name.as_str(), "Status" | "Final") {
                    continue;
                }
                let (uri, data) = (element.at("Item/Target/LocURI"), element.at("Item/Data"));
                let (code, value) = self.execute(&element.name, &uri, data);
                executed += 1;
                body.push(status(from, &element.at("CmdID"), &element.name, code));
                if let Some(value) = value.as_deref().map(escape) {
                    body.push(format!(
                        "<Results>{{id}}<MsgRef>{from}</MsgRef><CmdRef>{}</CmdRef><Item><Source>\
                         <LocURI>{uri}</LocURI></Source><Data>{value}</Data></Item></Results>",
                        element.at("CmdID")
                    ));
                }
            }
            if body.len() == 1 {
                return executed;
            }
        }
        unreachable!()
    }

    fn execute(&mut self, name: &str, uri: &str, data: String) -> (u16, Option<String>) {
        match name {
            "Add" | "Replace" => {
                self.nodes.insert(uri.to_owned(), data);
                if uri.matches('/').count() == 2 {
                    for (leaf, value) in [("State", "0"), ("ImgID", "img-1"), ("VMID", "vm-1")] {
                        self.nodes.insert(format!("{uri}/{leaf}"), value.to_owned());
                    }
                }
                (200, None)
            }
            "Get" if !self.nodes.contains_key(uri) => (404, None),
            "Get" => (200, self.nodes.get(uri).cloned()),
            "Exec" => {
                let (base, operation) = uri.split_once("/Operations/").unwrap();
                let state = match operation {
                    "Download" | "Create" | "Resume" | "PowerOn" => "2",
                    "Suspend" => "3",
                    "PowerOff" => "1",
                    _ => {
                        self.nodes.retain(|node, _| !node.starts_with(base));
                        return (200, None);
                    }
                };
                self.nodes.insert(format!("{base}/State"), state.to_owned());
                if operation != "Download" {
                    return (200, None);
                }
                self.alerts.push(uri.to_owned());
                (202, None)
            }
            _ => (406, None),
        }
    }
}
