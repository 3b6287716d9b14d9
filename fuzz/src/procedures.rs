//! What a server does on a device, and the device answers what it likes.

use std::vec::IntoIter;

use omadm_core::{Correlator, Format, GenericAlert, StatusCode};
use omadm_markup::Encoding;
use omadm_session::{Answer, Correlators, Procedure, Step, Tag, Unanswered};
use omadm_syncml::{Command, Header, Item, Message, encode};
use virmo_server::{ApplyResources, CreateVm, DeliverImage, Mounts};

/// How many packages a procedure may need in one session, and how many commands a package has, at most.
const MANY: usize = 100;

/// What a device may say, beside what is in the bytes.
const CODES: [u16; 16] = [
    200, 201, 202, 204, 213, 215, 216, 400, 404, 405, 406, 418, 420, 425, 500, 1200,
];
const VALUES: [&str; 16] = [
    "",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "10",
    "img",
    "vm/other",
    "true",
    "/images/1",
    "RAM=1&Storage=2&CPU=3&Network=4",
    "RAM=2&Storage=2&CPU=3&Network=4",
    "ImgID=img&Running=true",
    "a/b",
];

/// The bytes as a device; once they are used up it has nothing.
struct Device {
    bytes: IntoIter<u8>,
    /// The Exec that came last, and its Correlator.
    last: Option<(String, Option<String>)>,
    /// Whether the session ended before it answered.
    is_lost: bool,
}

impl Device {
    fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or(u8::MAX)
    }

    fn code(&mut self) -> StatusCode {
        let code = match self.byte() {
            u8::MAX => 404,
            any @ 0xf0.. => 100 * u16::from(any & 0xf),
            any => CODES[usize::from(any & 0xf)],
        };
        StatusCode::from(code)
    }

    fn value(&mut self) -> String {
        match self.byte() {
            length @ 0xf0.. => {
                let octets = self.bytes.by_ref().take(usize::from(length & 0xf));
                octets
                    .map(|octet| char::from(octet & 0x7f | 0x20))
                    .collect()
            }
            any => VALUES[usize::from(any & 0xf)].to_owned(),
        }
    }

    fn answers(&mut self, tag: Tag, command: &Command<'_>) -> Vec<Answer> {
        let asked = |item: &Item<'_>| item.target.as_ref().map(|target| target.uri.to_string());
        let first = command.items().first().and_then(asked).unwrap_or_default();
        if let Command::Exec(exec) = command {
            let correlator = exec.correlator.as_ref().map(|it| it.to_string());
            self.last = Some((first.clone(), correlator));
        }
        let kind = match self.is_lost {
            true => 0xf0,
            false => self.byte(),
        };
        let mut answers = Vec::new();
        match kind {
            0..0x80 => answers.push(Answer::status(tag, StatusCode::OK)),
            u8::MAX => return vec![Answer::status(tag, StatusCode::NOT_FOUND)],
            0xf0.. => {
                let why = match kind & 3 {
                    0 => Unanswered::SessionLost,
                    1 => Unanswered::NoStatus,
                    2 => Unanswered::TooLarge,
                    _ => Unanswered::Incomplete,
                };
                self.is_lost |= why == Unanswered::SessionLost;
                return vec![Answer::not_answered(tag, why)];
            }
            _ => answers.push(Answer::status(tag, self.code())),
        }
        if matches!(command, Command::Get(_)) || kind & 0x10 != 0 {
            let items = (0..=kind & 1).map(|_| {
                let item = match kind & 2 {
                    0 => Item::new().with_source(first.clone()),
                    _ => Item::new().with_source(self.value()),
                };
                item.with_data(self.value())
            });
            answers.push(Answer::results(tag, items.collect()));
        }
        answers
    }

    fn alert(&mut self) -> Option<GenericAlert> {
        let kind = self.byte();
        if kind & 3 == 3 {
            return None;
        }
        let name = match kind & 3 {
            0 => "urn:oma:at:oma-virmo:imageready:1.0",
            _ => "com.example.virmo.result",
        };
        let mut alert = GenericAlert::new(name, Format::Chr);
        let (source, correlator) = self.last.clone().unzip();
        alert.source = match kind & 4 {
            0 => source,
            _ => Some(self.value()),
        };
        alert.correlator = match kind & 8 {
            0 => correlator.flatten().map(Correlator::new),
            _ => None,
        };
        alert.data = match kind & 16 {
            0 => self.code().to_string(),
            _ => self.value(),
        };
        Some(alert)
    }
}

fn procedure(which: u8) -> Box<dyn Procedure> {
    let mounts = Mounts::default();
    let config = || VALUES[12].parse().expect("it is a configuration");
    let vm = mounts.vm("vm").expect("it is a name");
    let image = mounts.image("image").expect("it is a name");
    match which % 5 {
        0 => {
            let image = DeliverImage::new(image, "img", "http://i.example/a", "a/b");
            Box::new(image.with_description("an image").with_digest([7; 32]))
        }
        1 => Box::new(DeliverImage::new(image, "img", "http://i.example/a", "a/b")),
        2 => Box::new(CreateVm::new(vm, image).with_resources(config())),
        3 => Box::new(CreateVm::new(vm, image).powered_off()),
        _ => {
            let both = [("vm", config()), ("other", config())];
            Box::new(ApplyResources::new(&mounts, both).expect("they are names"))
        }
    }
}

/// A device that answers a procedure of VirMO with what it likes: whatever that was, what is asked
/// next can be said in either encoding, no session has no end, and each tag is used once a package.
pub fn procedures(data: &[u8]) {
    let mut device = Device {
        bytes: data.to_vec().into_iter(),
        last: None,
        is_lost: false,
    };
    let mut procedure = procedure(device.byte());
    let mut correlators = Correlators::new("f".to_owned());
    for session in 0..8 {
        if session > 0 {
            procedure.begin_session();
        }
        while let Some(alert) = device.alert().filter(|_| session > 0) {
            procedure.alert(&alert);
        }
        device.is_lost = false;
        for package in 0.. {
            if device.is_lost {
                break;
            }
            assert!(package < MANY, "a session without end");
            let commands = match procedure.poll(&mut correlators) {
                Step::Send(commands) if !commands.is_empty() => commands,
                Step::Done(report) => {
                    assert!(report.ok || report.status.is_some() || report.detail.is_some());
                    return;
                }
                _ => break,
            };
            let mut tags: Vec<_> = commands.iter().flat_map(|it| it.flatten()).collect();
            assert!(tags.len() <= MANY);
            let mut message = Message::new(Header::new("1", 1, "a", "b"));
            message.commands = commands.iter().map(|it| it.command.clone()).collect();
            for encoding in [Encoding::Xml, Encoding::Wbxml] {
                encode(&message, encoding, &mut Vec::new()).expect("it can be said");
            }
            for (tag, command) in &tags {
                for answer in device.answers(*tag, command) {
                    procedure.answer(answer);
                }
            }
            tags.sort_by_key(|(tag, _)| *tag);
            assert!(tags.windows(2).all(|two| two[0].0 != two[1].0));
        }
    }
}
