//! Servers that send something else than ours would.

use virmo::dm::{
    core::StatusCode,
    syncml::{Command, Data, Encoding, Limits, Message, decode, encode},
};
use virmo::nodes::Profile;
use virmo_conformance::{Failed, Image, OurServer, Packet, Server};

pub(crate) struct Flaw {
    pub(crate) name: &'static str,
    pub(crate) scenarios: &'static [&'static str],
    pub(crate) rows: &'static [&'static str],
    /// What it makes of a message.
    flaw: fn(&mut Message<'static>),
}

pub(crate) struct Flawed {
    server: OurServer,
    flaw: &'static Flaw,
}

impl Flawed {
    pub(crate) fn new(flaw: &'static Flaw) -> Self {
        Self {
            server: OurServer::new(),
            flaw,
        }
    }
}

impl Server for Flawed {
    fn encodings(&self) -> Vec<Encoding> {
        vec![Encoding::Xml]
    }

    fn follows(&self, profile: Profile) -> bool {
        self.server.follows(profile)
    }

    fn begin(&mut self, image: &dyn Fn(Image) -> String, profile: Profile) -> Result<(), Failed> {
        self.server.begin(image, profile)
    }

    fn exchange(&mut self, packet: &Packet, encoding: Encoding) -> Result<Packet, Failed> {
        let answer = self.server.exchange(packet, encoding)?;
        let message = decode(&answer.body, encoding, &Limits::lenient());
        let mut message = message.unwrap().into_owned();
        (self.flaw.flaw)(&mut message);
        let mut body = Vec::new();
        encode(&message, encoding, &mut body).unwrap();
        Ok(body.into())
    }

    fn is_done(&self) -> Option<bool> {
        self.server.is_done()
    }
}

fn target<'c>(command: &'c Command<'_>) -> &'c str {
    let target = command
        .items()
        .first()
        .and_then(|item| item.target.as_ref());
    target.map_or("", |target| &target.uri)
}

/// Sends a command somewhere else, which the device does not mind.
fn astray(message: &mut Message<'static>, end: &str, to: &str) {
    for command in &mut message.commands {
        let items = command.items_mut().into_iter().flatten();
        for target in items.filter_map(|item| item.target.as_mut()) {
            if let Some(node) = target.uri.strip_suffix(end) {
                target.uri = format!("{node}{to}").into();
            }
        }
    }
}

/// Writes something else.
fn instead(message: &mut Message<'static>, end: &str, text: &'static str) {
    for command in &mut message.commands {
        if !matches!(command, Command::Add(_) | Command::Replace(_))
            || !target(command).ends_with(end)
        {
            continue;
        }
        for item in command.items_mut().into_iter().flatten() {
            item.data = Some(Data::Text(text.into()));
        }
    }
}

pub(crate) static FLAWS: &[Flaw] = &[
    Flaw {
        name: "no Name",
        scenarios: &["delivery"],
        rows: &["VR-154", "VR-179"],
        flaw: |message| astray(message, "/Name", "/DownloadURI"),
    },
    Flaw {
        name: "no MediaType",
        scenarios: &["delivery"],
        rows: &["VR-165", "VR-179"],
        flaw: |message| astray(message, "/MediaType", "/Name"),
    },
    Flaw {
        name: "no media type",
        scenarios: &["delivery"],
        rows: &["VR-164"],
        flaw: |message| instead(message, "/MediaType", "octets"),
    },
    Flaw {
        name: "Download of another image",
        scenarios: &["delivery"],
        rows: &["VR-038", "VR-174", "VR-179", "VR-180", "VR-282"],
        flaw: |message| astray(message, "/Operations/Download", "x/Operations/Download"),
    },
    Flaw {
        name: "alerts are refused",
        scenarios: &["delivery"],
        rows: &["VR-047", "VR-053"],
        flaw: |message| {
            for command in &mut message.commands {
                if let Command::Status(status) = command
                    && status.cmd == "Alert"
                {
                    status.code = StatusCode::from(406);
                }
            }
        },
    },
    Flaw {
        name: "no VM is added",
        scenarios: &["creation"],
        rows: &["VR-187"],
        flaw: |message| astray(message, "./VirMO/work", "./VirMO/other"),
    },
    Flaw {
        name: "Create of another VM",
        scenarios: &["creation"],
        rows: &["VR-024", "VR-039", "VR-048", "VR-193", "VR-265", "VR-282"],
        flaw: |message| astray(message, "/Operations/Create", "x/Operations/Create"),
    },
    Flaw {
        name: "no CreateParams",
        scenarios: &["creation"],
        rows: &["VR-126", "VR-192"],
        flaw: |message| astray(message, "/CreateParams", "/Description"),
    },
    Flaw {
        name: "a VM of no image",
        scenarios: &["creation"],
        rows: &["VR-031", "VR-102"],
        flaw: |message| instead(message, "/CreateParams", "ImgID=none"),
    },
    Flaw {
        name: "CreateParams of no form",
        scenarios: &["creation"],
        rows: &["VR-097", "VR-098", "VR-100", "VR-101", "VR-103"],
        flaw: |message| instead(message, "/CreateParams", "ImgID:1;Running"),
    },
    Flaw {
        name: "operations of another VM",
        scenarios: &["operations"],
        rows: &["VR-026", "VR-027", "VR-033", "VR-034", "VR-046", "VR-052"],
        flaw: |message| {
            astray(message, "/Operations/Suspend", "x/Operations/Suspend");
            astray(message, "/Operations/Resume", "x/Operations/Resume");
            astray(message, "/Operations/PowerOff", "x/Operations/PowerOff");
            astray(message, "/Operations/PowerOn", "x/Operations/PowerOn");
        },
    },
    Flaw {
        name: "PowerOff comes twice",
        scenarios: &["operations"],
        rows: &["VR-046", "VR-052"],
        flaw: |message| astray(message, "/Operations/PowerOn", "/Operations/PowerOff"),
    },
    Flaw {
        name: "NewConfig of no form",
        scenarios: &["resources"],
        rows: &["VR-111", "VR-112", "VR-114", "VR-123"],
        flaw: |message| instead(message, "/NewConfig", "RAM:1"),
    },
    Flaw {
        name: "more than there is",
        scenarios: &["resources"],
        rows: &["VR-028"],
        flaw: |message| {
            let much = "RAM=99999999999999&Storage=1073741824&CPU=1&Network=1";
            instead(message, "/NewConfig", much);
        },
    },
    Flaw {
        name: "a deletion of something else",
        scenarios: &["deletion"],
        rows: &["VR-025", "VR-197", "VR-198"],
        flaw: |message| astray(message, "/Operations/Delete", "x/Operations/Delete"),
    },
    Flaw {
        name: "a question that is none",
        scenarios: &["interaction"],
        rows: &["VR-235", "VR-241"],
        flaw: |message| instead(message, "/UI/Command", "<Get><CmdID>1</CmdID></Get>"),
    },
    Flaw {
        name: "a question to another VM",
        scenarios: &["interaction"],
        rows: &["VR-239", "VR-241", "VR-242"],
        flaw: |message| astray(message, "/Operations/ExecUICmd", "x/Operations/ExecUICmd"),
    },
    Flaw {
        name: "nobody reads the answer",
        scenarios: &["interaction"],
        rows: &["VR-246"],
        flaw: |message| astray(message, "/UI/Result", "/UI/Command"),
    },
    Flaw {
        name: "a lock of another VM",
        scenarios: &["management"],
        rows: &["VR-224", "VR-228"],
        flaw: |message| {
            astray(
                message,
                "/DMTree/LAWMO/Operations/FullyLock",
                "x/DMTree/LAWMO/Operations/FullyLock",
            );
        },
    },
    Flaw {
        name: "objects of another VM",
        scenarios: &["management"],
        rows: &["VR-108", "VR-219", "VR-221", "VR-225"],
        flaw: |message| {
            astray(message, "/DMTree", "x/DMTree");
            astray(message, "/DMTree/LAWMO", "x/DMTree/LAWMO");
            astray(message, "/DMTree/DCMO/Camera", "x/DMTree/DCMO/Camera");
            astray(message, "/DMTree/DCMO", "x/DMTree/DCMO");
        },
    },
];
