use virmo::dm::{
    core::{AlertCode, StatusCode},
    syncml::{Alert, Command, Data, Encoding, Item, Limits, Message, Results, decode, encode},
};
use virmo::nodes::Profile;
use virmo_conformance::{Begun, Device, Failed, Image, Inside, OurDevice, Packet};

/// A device that says something else than ours would.
pub(crate) struct Flaw {
    pub(crate) name: &'static str,
    pub(crate) scenarios: &'static [&'static str],
    pub(crate) rows: &'static [&'static str],
    /// What it makes of a message: what the server asked last is beside it.
    flaw: fn(&mut Message<'static>, &Asked),
}

/// The URI of the last command, and its name.
#[derive(Default)]
pub(crate) struct Asked {
    name: String,
    uri: String,
}

pub(crate) struct Flawed {
    device: OurDevice,
    flaw: &'static Flaw,
    asked: Asked,
    encoding: Encoding,
}

impl Flawed {
    pub(crate) fn new(flaw: &'static Flaw) -> Self {
        Self {
            device: OurDevice::new(),
            flaw,
            asked: Asked::default(),
            encoding: Encoding::Xml,
        }
    }
}

impl Device for Flawed {
    fn encodings(&self) -> Vec<Encoding> {
        vec![Encoding::Xml]
    }

    fn follows(&self, profile: Profile) -> bool {
        self.device.follows(profile)
    }

    fn begin(&mut self, encoding: Option<Encoding>, profile: Profile) -> Result<Begun, Failed> {
        self.device.begin(encoding, profile)
    }

    fn receive(&mut self) -> Result<(Packet, Encoding), Failed> {
        let (packet, encoding) = self.device.receive()?;
        self.encoding = encoding;
        let message = decode(&packet.body, encoding, &Limits::lenient());
        let mut message = message.unwrap().into_owned();
        (self.flaw.flaw)(&mut message, &self.asked);
        let mut body = Vec::new();
        encode(&message, encoding, &mut body).unwrap();
        Ok((body.into(), encoding))
    }

    fn answer(&mut self, packet: Packet) -> Result<(), Failed> {
        let message = decode(&packet.body, self.encoding, &Limits::lenient()).unwrap();
        for command in &message.commands {
            if let Some(target) = command.items().first().and_then(|it| it.target.as_ref()) {
                self.asked.name = command.name().to_owned();
                self.asked.uri = target.uri.clone().into_owned();
            }
        }
        self.device.answer(packet)
    }

    fn image(&self, image: Image) -> String {
        self.device.image(image)
    }

    fn inside(&mut self) -> Option<&mut dyn Inside> {
        self.device.inside()
    }
}

/// Gives the commands of a kind another status.
fn status(message: &mut Message<'_>, of: &str, from: impl Fn(u16) -> bool, to: u16) {
    for command in &mut message.commands {
        if let Command::Status(status) = command
            && status.cmd == of
            && from(status.code.get())
        {
            status.code = StatusCode::from(to);
        }
    }
}

/// Gives results of a node another value.
fn value(message: &mut Message<'_>, end: &str, to: impl Fn(&str) -> String) {
    for command in &mut message.commands {
        let Command::Results(results) = command else {
            continue;
        };
        for item in &mut results.items {
            let is = |item: &Item<'_>| item.source.as_ref().is_some_and(|it| it.uri.ends_with(end));
            if is(item) {
                let text = item
                    .data
                    .as_ref()
                    .and_then(Data::to_text)
                    .unwrap_or_default();
                let changed = to(&text);
                item.data = Some(Data::Text(changed.into()));
            }
        }
    }
}

/// Changes the Generic Alerts.
fn alerts(message: &mut Message<'static>, change: impl Fn(&mut Alert<'static>)) {
    for command in &mut message.commands {
        if let Command::Alert(alert) = command
            && alert.code.is_some_and(|code| code.get() == 1226)
        {
            change(alert);
        }
    }
}

/// A value that was not there is there.
fn found(message: &mut Message<'static>, asked: &Asked, end: &str, text: &'static str) {
    if asked.name == "Get" && asked.uri.ends_with(end) {
        status(message, "Get", |code| code == 404, 200);
    }
    value(message, end, |_| text.to_owned());
}

const LIVES: &[&str] = &["a_vm_lives"];
const STATES: &[&str] = &["only_primitives_change_the_state"];
const DELIVERED: &[&str] = &["an_image_is_delivered"];
const FAILS: &[&str] = &["a_download_fails"];
const IMAGE_DELETED: &[&str] = &["an_image_is_deleted"];
const IDS: &[&str] = &["ids_are_the_devices"];
const PARAMS: &[&str] = &["create_params_are_read"];
const NODES: &[&str] = &["nodes_are_as_printed"];
const APPLIED: &[&str] = &["resources_are_applied"];
const ASKED: &[&str] = &["a_user_is_asked"];
const DRAFT: &[&str] = &[
    "nodes_of_the_draft",
    "a_draft_vm_is_locked",
    "data_is_shared_if_allowed",
    "a_draft_vm_has_resources",
];
const MANAGED: &[&str] = &[
    "nodes_of_a_managed_vm",
    "a_vm_is_locked",
    "peripherals_are_managed",
];
const READ: &[&str] = &["configurations_are_read"];

pub(crate) static FLAWS: &[Flaw] = &[
    Flaw {
        name: "every operation is refused",
        scenarios: LIVES,
        rows: &[
            "VR-024", "VR-026", "VR-027", "VR-033", "VR-034", "VR-041", "VR-264",
        ],
        flaw: |message, asked| {
            if asked.uri.starts_with("./VirMO/") {
                status(message, "Exec", |_| true, 405);
            }
        },
    },
    Flaw {
        name: "Add fails",
        scenarios: LIVES,
        rows: &["VR-045", "VR-188", "VR-191"],
        flaw: |message, asked| {
            if asked.uri.starts_with("./VirMO/") {
                status(message, "Add", |_| true, 500);
            }
        },
    },
    Flaw {
        name: "State is always PoweredOff",
        scenarios: LIVES,
        rows: &["VR-062", "VR-071", "VR-190", "VR-271", "VR-274"],
        flaw: |message, _| {
            value(message, "/State", |state| match state {
                "0" | "3" => "1".to_owned(),
                state => state.to_owned(),
            })
        },
    },
    Flaw {
        name: "Running and PoweredOff are exchanged",
        scenarios: LIVES,
        rows: &["VR-065", "VR-074", "VR-276", "VR-277"],
        flaw: |message, asked| {
            if asked.uri.starts_with("./VirMO/") {
                value(message, "/State", |state| match state {
                    "2" => "1".to_owned(),
                    "1" => "2".to_owned(),
                    state => state.to_owned(),
                });
            }
        },
    },
    Flaw {
        name: "CreateParams cannot be set",
        scenarios: LIVES,
        rows: &["VR-061"],
        flaw: |message, _| status(message, "Replace", |_| true, 405),
    },
    Flaw {
        name: "VMID is empty",
        scenarios: LIVES,
        rows: &["VR-189", "VR-270"],
        flaw: |message, _| value(message, "/VMID", |_| String::new()),
    },
    Flaw {
        name: "a deleted VM leaves its nodes",
        scenarios: LIVES,
        rows: &["VR-025", "VR-077", "VR-200", "VR-273"],
        flaw: |message, _| status(message, "Get", |code| code == 404, 200),
    },
    Flaw {
        name: "what does not apply is answered with 200",
        scenarios: STATES,
        rows: &[
            "VR-057", "VR-079", "VR-080", "VR-081", "VR-082", "VR-083", "VR-084", "VR-085",
            "VR-129",
        ],
        flaw: |message, _| status(message, "Exec", |code| code == 405, 200),
    },
    Flaw {
        name: "Running has another number",
        scenarios: STATES,
        rows: &["VR-063", "VR-095"],
        flaw: |message, asked| {
            if asked.uri.starts_with("./VirMO/") {
                value(message, "/State", |state| match state {
                    // So that VMs come into their state at all, this is seen only at their end.
                    "3" => "5".to_owned(),
                    state => state.to_owned(),
                });
            }
        },
    },
    Flaw {
        name: "what failed is answered with 200",
        scenarios: &["failures_are_undone"],
        rows: &["VR-058", "VR-060", "VR-078"],
        flaw: |message, _| status(message, "Exec", |code| code == 500, 200),
    },
    Flaw {
        name: "no alert",
        scenarios: DELIVERED,
        rows: &[
            "VR-043", "VR-053", "VR-169", "VR-185", "VR-247", "VR-248", "VR-249", "VR-251",
        ],
        flaw: |message, _| {
            message.commands.retain(|command| {
            !matches!(command, Command::Alert(alert) if alert.code.is_some_and(|it| it.get() == 1226))
        })
        },
    },
    Flaw {
        name: "an alert of another type",
        scenarios: DELIVERED,
        rows: &["VR-249"],
        flaw: |message, _| {
            alerts(message, |alert| {
                alert.items[0].meta.media_type = Some("urn:oma:at:oma-virmo:ready:1.0".into());
            })
        },
    },
    Flaw {
        name: "an alert of another format",
        scenarios: DELIVERED,
        rows: &["VR-250"],
        flaw: |message, _| {
            alerts(message, |alert| {
                alert.items[0].meta.format = Some("chr".into())
            })
        },
    },
    Flaw {
        name: "an alert with an unknown mark",
        scenarios: DELIVERED,
        rows: &["VR-251"],
        flaw: |message, _| {
            alerts(message, |alert| {
                alert.items[0].meta.mark = Some("loud".into())
            })
        },
    },
    Flaw {
        name: "an alert from the image",
        scenarios: DELIVERED,
        rows: &["VR-252"],
        flaw: |message, _| {
            alerts(message, |alert| {
                let source = alert.items[0].source.as_mut().unwrap();
                source.uri = source.uri.replace("/Operations/Download", "").into();
            })
        },
    },
    Flaw {
        name: "images are refused",
        scenarios: DELIVERED,
        rows: &["VR-038", "VR-175", "VR-178", "VR-186", "VR-280"],
        flaw: |message, _| {
            status(message, "Add", |_| true, 500);
            status(message, "Exec", |_| true, 500);
            status(message, "Replace", |_| true, 500);
        },
    },
    Flaw {
        name: "no ImgID",
        scenarios: DELIVERED,
        rows: &["VR-176"],
        flaw: |message, _| value(message, "/ImgID", |_| String::new()),
    },
    Flaw {
        name: "State of an image is always 3",
        scenarios: DELIVERED,
        rows: &["VR-162", "VR-177", "VR-181", "VR-182", "VR-183"],
        flaw: |message, _| value(message, "/State", |_| "3".to_owned()),
    },
    Flaw {
        name: "DownloadedLocation is always empty",
        scenarios: DELIVERED,
        rows: &["VR-158", "VR-168", "VR-184"],
        flaw: |message, _| value(message, "/DownloadedLocation", |_| String::new()),
    },
    Flaw {
        name: "a descriptor counts as no image",
        scenarios: &["a_descriptor_is_followed"],
        rows: &["VR-182"],
        flaw: |message, _| value(message, "/State", |_| "3".to_owned()),
    },
    Flaw {
        name: "a failed download counts as one that is there",
        scenarios: FAILS,
        rows: &["VR-162", "VR-164", "VR-183"],
        flaw: |message, _| value(message, "/State", |_| "2".to_owned()),
    },
    Flaw {
        name: "DownloadedLocation without a file",
        scenarios: FAILS,
        rows: &["VR-158"],
        flaw: |message, asked| {
            found(message, asked, "/DownloadedLocation", "");
            for command in &mut message.commands {
                if let Command::Status(status) = command
                    && asked.uri.ends_with("/DownloadedLocation")
                    && status.cmd == "Get"
                {
                    let (msg, id) = (status.msg_ref, status.cmd_ref);
                    let item = Item::new().with_source(asked.uri.clone()).with_data("/x");
                    let results = Results::new(msg, id, vec![item]);
                    message.commands.push(Command::Results(results));
                    return;
                }
            }
        },
    },
    Flaw {
        name: "an alert for a failed download",
        scenarios: FAILS,
        rows: &["VR-247"],
        flaw: |message, asked| {
            if let Some((node, _)) = asked.uri.split_once("/DownloadedLocation") {
                let source = format!("{node}/Operations/Download");
                let mut item = Item::new().with_source(source);
                item.meta.media_type = Some("urn:oma:at:oma-virmo:imageready:1.0".into());
                let alert = Alert::new(AlertCode::GENERIC).with_items(vec![item]);
                message.commands.push(Command::Alert(alert));
            }
        },
    },
    Flaw {
        name: "Delete of an image is refused",
        scenarios: IMAGE_DELETED,
        rows: &["VR-171", "VR-281"],
        flaw: |message, asked| {
            if asked.uri.starts_with("./VMImgMO/") && asked.uri.ends_with("Delete") {
                status(message, "Exec", |_| true, 500);
            }
        },
    },
    Flaw {
        name: "a deleted image leaves its nodes",
        scenarios: IMAGE_DELETED,
        rows: &["VR-172"],
        flaw: |message, asked| {
            if asked.uri.ends_with("/ImgID") {
                status(message, "Get", |code| code == 404, 200);
            }
        },
    },
    Flaw {
        name: "a VM goes with its image",
        scenarios: IMAGE_DELETED,
        rows: &["VR-197"],
        flaw: |message, asked| {
            if asked.uri.starts_with("./VirMO/") {
                value(message, "/State", |_| "1".to_owned());
            }
        },
    },
    Flaw {
        name: "everything can be replaced",
        scenarios: &[
            "ids_are_the_devices",
            "nodes_are_as_printed",
            "nodes_of_interaction",
        ],
        rows: &[
            "VR-236", "VR-238", "VR-032", "VR-090", "VR-094", "VR-151", "VR-159", "VR-161",
            "VR-089", "VR-093", "VR-110", "VR-157", "VR-160", "VR-125", "VR-128", "VR-132",
            "VR-133", "VR-136", "VR-130", "VR-131", "VR-167", "VR-170", "VR-267", "VR-268",
        ],
        flaw: |message, _| status(message, "Replace", |code| code >= 400, 200),
    },
    Flaw {
        name: "all VMs have one VMID, all images one ImgID",
        scenarios: IDS,
        rows: &["VR-032", "VR-091", "VR-152"],
        flaw: |message, _| {
            value(message, "/VMID", |_| "1".to_owned());
            value(message, "/ImgID", |_| "1".to_owned());
        },
    },
    Flaw {
        name: "Running=false is ignored",
        scenarios: PARAMS,
        rows: &["VR-099", "VR-105", "VR-127", "VR-194", "VR-272"],
        flaw: |message, asked| {
            if asked.uri.starts_with("./VirMO/") {
                value(message, "/State", |state| state.replace('1', "2"));
            }
        },
    },
    Flaw {
        name: "every VM is PoweredOff after Create",
        scenarios: PARAMS,
        rows: &["VR-098", "VR-100", "VR-103", "VR-104", "VR-106"],
        flaw: |message, asked| {
            if asked.uri.starts_with("./VirMO/") {
                value(message, "/State", |state| state.replace('2', "1"));
            }
        },
    },
    Flaw {
        name: "any CreateParams will do",
        scenarios: PARAMS,
        rows: &["VR-097", "VR-098", "VR-101", "VR-102", "VR-103"],
        flaw: |message, _| status(message, "Exec", |code| code >= 400, 200),
    },
    Flaw {
        name: "every format is bool",
        scenarios: &["nodes_are_as_printed", "nodes_of_interaction"],
        rows: &[
            "VR-233", "VR-234", "VR-236", "VR-086", "VR-088", "VR-089", "VR-092", "VR-093",
            "VR-096", "VR-109", "VR-110", "VR-121", "VR-124", "VR-134", "VR-135", "VR-140",
            "VR-147", "VR-149", "VR-150", "VR-153", "VR-155", "VR-156", "VR-157", "VR-160",
            "VR-163", "VR-166", "VR-173", "VR-267", "VR-268",
        ],
        flaw: |message, _| value(message, "?prop=Format", |_| "bool".to_owned()),
    },
    Flaw {
        name: "no MOID",
        scenarios: NODES,
        rows: &["VR-087", "VR-148", "VR-266"],
        flaw: |message, _| value(message, "?prop=Type", |_| String::new()),
    },
    Flaw {
        name: "ApplyChanges does nothing",
        scenarios: &["resources_are_applied", "configurations_are_read"],
        rows: &[
            "VR-028", "VR-111", "VR-112", "VR-114", "VR-122", "VR-279", "VR-113", "VR-115",
            "VR-116", "VR-117", "VR-118", "VR-123",
        ],
        flaw: |message, _| {
            value(message, "/CurrentConfig", |_| {
                "RAM=1&Storage=1&CPU=1&Network=1".to_owned()
            })
        },
    },
    Flaw {
        name: "without NewConfig, resources change",
        scenarios: APPLIED,
        rows: &["VR-137"],
        flaw: |message, asked| {
            // Different at each look.
            let at = message.header.msg_id;
            if asked.uri.ends_with("CurrentConfig") {
                value(message, "/CurrentConfig", |_| {
                    format!("RAM={at}&Storage=1&CPU=1&Network=1")
                });
            }
        },
    },
    Flaw {
        name: "NewConfig stays",
        scenarios: APPLIED,
        rows: &["VR-138"],
        flaw: |message, asked| {
            if asked.uri.ends_with("/NewConfig") {
                status(message, "Get", |code| code == 404, 200);
            }
        },
    },
    Flaw {
        name: "sums are not checked",
        scenarios: &["inconsistent_resources_are_refused"],
        rows: &["VR-139"],
        flaw: |message, _| status(message, "Exec", |code| code >= 400, 200),
    },
    Flaw {
        name: "any configuration will do",
        scenarios: READ,
        rows: &["VR-115", "VR-116", "VR-117", "VR-118", "VR-123"],
        flaw: |message, _| {
            status(message, "Exec", |code| code >= 400, 200);
            status(message, "Add", |code| code >= 400, 200);
        },
    },
    Flaw {
        name: "DeviceResources of no form",
        scenarios: &["the_device_says_what_it_has"],
        rows: &["VR-141", "VR-142", "VR-143", "VR-144", "VR-145", "VR-146"],
        flaw: |message, _| {
            value(message, "/DeviceResources", |_| {
                "RAM=0;Storage=many".to_owned()
            })
        },
    },
    Flaw {
        name: "UI/Result stays empty",
        scenarios: ASKED,
        rows: &["VR-237", "VR-240", "VR-244"],
        flaw: |message, _| value(message, "/UI/Result", |_| String::new()),
    },
    Flaw {
        name: "UI/Result answers something else",
        scenarios: ASKED,
        rows: &["VR-237", "VR-244"],
        flaw: |message, _| {
            value(message, "/UI/Result", |text| {
                text.replace("CmdRef>2<", "CmdRef>9<")
            })
        },
    },
    Flaw {
        name: "anything is a question",
        scenarios: ASKED,
        rows: &["VR-235"],
        flaw: |message, _| {
            status(message, "Replace", |code| code >= 400, 200);
            status(message, "Exec", |code| code >= 400, 200);
            value(message, "/UI/Result", |_| String::new());
        },
    },
    Flaw {
        name: "nobody is asked",
        scenarios: ASKED,
        rows: &["VR-243", "VR-245"],
        flaw: |message, asked| {
            if asked.uri.ends_with("/ExecUICmd") {
                status(message, "Exec", |_| true, 500);
            }
        },
    },
    Flaw {
        name: "UI/Result changes by itself",
        scenarios: ASKED,
        rows: &["VR-232"],
        flaw: |message, _| {
            let at = message.header.msg_id;
            value(message, "/UI/Result", |text| format!("{text}<!--{at}-->"));
        },
    },
    Flaw {
        name: "UI without Result",
        scenarios: &["nodes_of_interaction"],
        rows: &["VR-236", "VR-269"],
        flaw: |message, asked| {
            if asked.uri.ends_with("/UI/Result") {
                status(message, "Get", |_| true, 404);
            }
        },
    },
    Flaw {
        name: "DMTree is always there",
        scenarios: MANAGED,
        rows: &["VR-220"],
        flaw: |message, asked| {
            if asked.uri.ends_with("/DMTree") {
                status(message, "Get", |code| code == 404, 200);
            }
        },
    },
    Flaw {
        name: "DMTree is a leaf without types",
        scenarios: MANAGED,
        rows: &["VR-107", "VR-227"],
        flaw: |message, _| {
            value(message, "?prop=Format", |_| "chr".to_owned());
            value(message, "?prop=Type", |_| String::new());
        },
    },
    Flaw {
        name: "what is below DMTree is refused",
        scenarios: MANAGED,
        rows: &[
            "VR-029", "VR-030", "VR-035", "VR-036", "VR-201", "VR-215", "VR-217", "VR-223",
            "VR-224", "VR-226", "VR-229", "VR-231", "VR-278",
        ],
        flaw: |message, asked| {
            if asked.uri.contains("/DMTree/") {
                status(message, "Exec", |_| true, 405);
            }
        },
    },
    Flaw {
        name: "objects below DMTree fail",
        scenarios: MANAGED,
        rows: &["VR-108", "VR-219", "VR-221"],
        flaw: |message, asked| {
            if asked.uri.contains("/DMTree/") {
                status(message, "Add", |_| true, 500);
            }
        },
    },
    Flaw {
        name: "other VMs stop",
        scenarios: MANAGED,
        rows: &["VR-218", "VR-230"],
        flaw: |message, asked| {
            if asked.name == "Get"
                && asked.uri.starts_with("./VirMO/")
                && message.header.msg_id > 20
            {
                value(message, "/State", |state| state.replace('2', "1"));
            }
        },
    },
    Flaw {
        name: "what the draft has is refused",
        scenarios: DRAFT,
        rows: &[
            "DR-004", "DR-005", "DR-011", "DR-013", "DR-020", "DR-021", "DR-052",
        ],
        flaw: |message, asked| {
            if asked.uri.starts_with("./VirMO/") {
                status(message, "Exec", |_| true, 405);
            }
        },
    },
    Flaw {
        name: "nodes of the draft have other formats, and can be replaced",
        scenarios: DRAFT,
        rows: &["DR-052", "DR-053", "DR-055", "DR-056"],
        flaw: |message, _| {
            status(message, "Replace", |code| code >= 400, 200);
            value(message, "?prop=Format", |_| "bool".to_owned());
        },
    },
];
