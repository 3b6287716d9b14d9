//! A foreign peer, DM server and DM device, on quick-xml; it shares no crate with what it tests. WBXML
//! goes through `virmo convert`.

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

use crate::program::virmo_with;

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
        here.map(|element| element.all_text().trim().to_owned())
            .unwrap_or_default()
    }

    /// Its text, or without one that of the elements in it.
    fn all_text(&self) -> String {
        match self.text.trim() {
            "" => self.children.iter().map(Self::all_text).collect(),
            _ => self.text.clone(),
        }
    }
}

fn convert(to: &str, message: &[u8]) -> Vec<u8> {
    let output = virmo_with(&["convert", "--to", to], &[], message);
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Whether a head is that of WBXML.
fn is_wbxml(head: &str) -> bool {
    let mut lines = head.lines().map(str::to_ascii_lowercase);
    lines.any(|line| line.starts_with("content-type:") && line.contains("wbxml"))
}

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
    if is_wbxml(&head) {
        body = convert("xml", &body);
    }
    (head, String::from_utf8(body).unwrap())
}

fn write_http(mut stream: &TcpStream, first: &str, body: &str, wbxml: bool) {
    let (form, body) = match wbxml {
        true => ("wbxml", convert("wbxml", body.as_bytes())),
        false => ("xml", body.as_bytes().to_owned()),
    };
    let (media, length) = (format!("application/vnd.syncml.dm+{form}"), body.len());
    let head = format!("{first}\r\nHost: peer\r\nContent-Type: {media}\r\nAccept: {media}\r\n");
    let rest = format!("Content-Length: {length}\r\nConnection: close\r\n\r\n");
    let octets = [(head + &rest).as_bytes(), &body].concat();
    stream.write_all(&octets).unwrap();
}

/// Posts a message and returns the head and the body of the answer.
pub fn post(url: &str, body: &str, wbxml: bool) -> (String, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let stream = TcpStream::connect(host).unwrap();
    write_http(&stream, &format!("POST /{path} HTTP/1.1"), body, wbxml);
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

/// An Exec with a Correlator.
pub fn exec(uri: &str, correlator: &str) -> String {
    let correlator = format!("{{id}}<Correlator>{correlator}</Correlator>");
    command("Exec", uri, "", "").replace("{id}", &correlator)
}

/// An Add of the root of a management object.
pub fn add_object(uri: &str, identifier: &str) -> String {
    let kind = format!("</Format><Type xmlns=\"syncml:metinf\">{identifier}</Type>");
    command("Add", uri, "node", "").replace("</Format>", &kind)
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
    /// Their Correlator and Data.
    pub told: Vec<(String, String)>,
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
            let (head, body) = read_http(&stream);
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
                        let told = |at: &Element| (element.at("Correlator"), at.at("Data"));
                        answers.told.extend(element.all("Item").map(told));
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
            write_http(&stream, "HTTP/1.1 200 OK", &xml, is_wbxml(&head));
            if over {
                return;
            }
        }
    }
}

/// How a device reports what an Exec came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reporting {
    /// A download by 202 and an alert, everything else by its Status.
    #[default]
    Usual,
    /// Everything by its Status.
    Synchronous,
    /// Everything by 202, and an alert in the next session.
    Alerting,
}

/// A DM device that shows what a VirMO device would.
#[derive(Default)]
pub struct Device {
    pub nodes: BTreeMap<String, String>,
    pub reporting: Reporting,
    /// Its images are as in the change request that brought them: without State, and with a
    /// DownloadedLocation from the start.
    pub change_request: bool,
    pub wbxml: bool,
    /// Every node that was executed.
    pub executed: Vec<String>,
    /// What was answered with 202, with its Correlator.
    pub open: Vec<(String, String)>,
    pub sessions: u32,
}

/// The leaves that come with a node, by the end of its address.
fn leaves(uri: &str, change_request: bool) -> &'static [(&'static str, &'static str)] {
    match *uri.split('/').collect::<Vec<_>>() {
        [_, "VMImgMO", _] if change_request => &[("ImgID", "img-1"), ("DownloadedLocation", "")],
        [_, "VMImgMO", _] => &[("ImgID", "img-1"), ("State", "0")],
        [_, "VirMO", _] => &[
            ("VMID", "vm-1"),
            ("State", "0"),
            ("Resources/CurrentConfig", ""),
            ("UI/Result", ""),
        ],
        [.., "DMTree"] => &[("LAWMO", ""), ("LAWMO/State", "30")],
        [.., "DCMO", _] => &[("Enabled", "true")],
        _ => &[],
    }
}

impl Device {
    /// Holds sessions until nothing is open.
    pub fn sessions(&mut self, url: &str) {
        self.session(url);
        while !self.open.is_empty() {
            self.session(url);
        }
    }

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
        for (source, correlator) in std::mem::take(&mut self.open) {
            self.finish(&source);
            let (kind, data) = match source.ends_with("/Download") {
                true => ("urn:oma:at:oma-virmo:imageready:1.0", ""),
                false => ("Reversed-Domain-Name: example.foreign.done", "200"),
            };
            let correlator = match &*correlator {
                "" => correlator,
                correlator => format!("<Correlator>{correlator}</Correlator>"),
            };
            body.push(format!(
                "<Alert>{{id}}<Data>1226</Data>{correlator}<Item><Source><LocURI>{source}</LocURI>\
                 </Source><Meta><Format xmlns=\"syncml:metinf\">chr</Format>\
                 <Type xmlns=\"syncml:metinf\">{kind}</Type></Meta><Data>{data}</Data></Item></Alert>"
            ));
        }
        for id in 1.. {
            let xml = message(&session, id, [url, "foreign"], &body, true);
            let (head, answer) = post(url, &xml, self.wbxml);
            assert!(head.contains(" 200 "), "{head}");
            assert_eq!(is_wbxml(&head), self.wbxml, "{head}");
            let [header, content] = Element::message(&answer);
            let from: u32 = header.at("MsgID").parse().unwrap();
            body = vec![status(from, "0", "SyncHdr", 200)];
            for element in &content.children {
                if matches!(element.name.as_str(), "Status" | "Final") {
                    continue;
                }
                let (code, value) = self.execute(element);
                executed += 1;
                body.push(status(from, &element.at("CmdID"), &element.name, code));
                if let Some(value) = value.as_deref().map(escape) {
                    let uri = element.at("Item/Target/LocURI");
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

    fn execute(&mut self, command: &Element) -> (u16, Option<String>) {
        let (uri, data) = (command.at("Item/Target/LocURI"), command.at("Item/Data"));
        match command.name.as_str() {
            "Add" if self.nodes.contains_key(&uri) => (418, None),
            "Add" | "Replace" => {
                for (leaf, value) in leaves(&uri, self.change_request) {
                    self.nodes
                        .insert(format!("{uri}/{leaf}"), (*value).to_owned());
                }
                self.nodes.insert(uri, data);
                (200, None)
            }
            "Get" if !self.nodes.contains_key(&uri) => (404, None),
            "Get" => (200, self.nodes.get(&uri).cloned()),
            "Exec" => {
                self.executed.push(uri.clone());
                let accepted = match self.reporting {
                    Reporting::Usual => uri.ends_with("/Download"),
                    Reporting::Synchronous => false,
                    Reporting::Alerting => true,
                };
                if accepted {
                    self.open.push((uri, command.at("Correlator")));
                    return (202, None);
                }
                self.finish(&uri);
                (200, None)
            }
            _ => (406, None),
        }
    }

    /// The effect of an operation.
    fn finish(&mut self, uri: &str) {
        let (base, operation) = uri.split_once("/Operations/").unwrap();
        let (leaf, value) = match operation {
            "Download" if self.change_request => ("DownloadedLocation", "/i"),
            "Download" | "Create" | "Resume" | "PowerOn" => ("State", "2"),
            "Suspend" => ("State", "3"),
            "PowerOff" => ("State", "1"),
            "FullyLock" => ("State", "10"),
            "UnLock" => ("State", "30"),
            "Enable" => ("Enabled", "true"),
            "Disable" => ("Enabled", "false"),
            "ExecUICmd" => ("UI/Result", YES),
            "ApplyChanges" => ("", ""),
            "Delete" => {
                let below = format!("{base}/");
                self.nodes
                    .retain(|node, _| node != base && !node.starts_with(&below));
                return;
            }
            other => panic!("what is {other}?"),
        };
        if !leaf.is_empty() {
            self.nodes
                .insert(format!("{base}/{leaf}"), value.to_owned());
        }
        if matches!(operation, "Create" | "ApplyChanges") {
            for node in self.nodes.keys().cloned().collect::<Vec<_>>() {
                if let Some(resources) = node.strip_suffix("/NewConfig") {
                    let config = self.nodes.remove(&node).unwrap();
                    let current = format!("{resources}/CurrentConfig");
                    self.nodes.insert(current, config);
                }
            }
        }
    }
}

/// A yes to the question of CmdID 1.
const YES: &str = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Cmd>Alert</Cmd>\
                   <Data>200</Data></Status>";
