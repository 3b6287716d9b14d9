use std::fmt;

use omadm_core::{Batch, Correlator, Journal, JournalError, Records, Space};
use virmo_params::{CreateParams, ImageId, ResourceConfig};
use virmo_state::{Primitive, VmId, VmState};

use crate::record::{Reader, Writer};

mod access;
mod apply;
mod guest;

pub(crate) use access::AccessIntent;
pub(crate) use apply::{ApplyIntent, ResourceChange};
pub(crate) use guest::{GuestIntent, QuestionIntent};

pub(crate) const RECORDS: Records = Records::new(Space::INTENTS, VERSION);

const VERSION: u8 = 1;
const VM: &str = "vm/";
const IMAGE: &str = "image/";
const APPLY: &str = "apply";
const QUESTION: &str = "ui/";
const GUEST: &str = "guest/";
const ACCESS: &str = "access/";

/// A primitive under way: durable from before the hypervisor is asked until its outcome is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct VmIntent {
    pub(crate) vm: VmId,
    /// The name of the node `<x>`.
    pub(crate) node: String,
    pub(crate) primitive: Primitive,
    /// The state of the VM when it was asked for.
    pub(crate) prior: VmState,
    /// An earlier primitive that still has to be undone first.
    pub(crate) owed: Option<Primitive>,
    /// Whether its failure was reported; then nothing but undoing is left.
    pub(crate) failed: bool,
    pub(crate) reply: Reply,
    /// What to make; for Create and CreateAndPoweroff.
    pub(crate) making: Option<Making>,
}

/// How the Exec behind an intent is to be answered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Reply {
    /// Whether 202 was sent, so that an alert has to follow.
    pub(crate) accepted: bool,
    pub(crate) correlator: Option<Correlator>,
}

/// What a VM is made from, as it was when Create was asked for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Making {
    pub(crate) params: CreateParams,
    pub(crate) location: String,
    pub(crate) media_type: String,
    pub(crate) description: String,
    pub(crate) resources: ResourceConfig,
}

/// A vendor's pairs are not shown: they may be for the guest, as a first password is.
impl fmt::Debug for Making {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Making")
            .field("image", &self.params.image)
            .field("running", &self.params.running)
            .field("location", &self.location)
            .field("media_type", &self.media_type)
            .finish_non_exhaustive()
    }
}

/// Work on an image under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ImageIntent {
    pub(crate) image: ImageId,
    /// The name of the node `<x>`; while discarding, of a node that is gone.
    pub(crate) node: String,
    pub(crate) work: ImageWork,
    pub(crate) reply: Reply,
}

/// What is being done with an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ImageWork {
    /// Its file is being fetched.
    Download,
    /// Its node is gone and its files follow.
    Discard,
}

/// Every intent a journal holds, and the keys of records that could not be read.
#[derive(Debug, Default)]
pub(crate) struct Intents {
    pub(crate) vms: Vec<VmIntent>,
    pub(crate) images: Vec<ImageIntent>,
    pub(crate) apply: Option<ApplyIntent>,
    pub(crate) questions: Vec<QuestionIntent>,
    pub(crate) guests: Vec<GuestIntent>,
    pub(crate) accesses: Vec<AccessIntent>,
    pub(crate) damaged: Vec<String>,
}

impl Intents {
    pub(crate) fn load(journal: &dyn Journal) -> Result<Self, JournalError> {
        let mut intents = Self::default();
        journal.scan(Space::INTENTS, &mut |key, record| {
            let name = String::from_utf8_lossy(key);
            if intents.read(&name, record).is_none() {
                intents.damaged.push(name.into_owned());
            }
        })?;
        Ok(intents)
    }

    /// Takes in a record; `None` if it is damaged.
    fn read(&mut self, name: &str, record: &[u8]) -> Option<()> {
        let end = name.find('/').map_or(name.len(), |slash| slash + 1);
        let (kind, id) = name.split_at_checked(end)?;
        match kind {
            VM => self.vms.push(VmIntent::decode(id, record)?),
            IMAGE => self.images.push(ImageIntent::decode(id, record)?),
            QUESTION => self.questions.push(QuestionIntent::decode(id, record)?),
            GUEST => self.guests.push(GuestIntent::decode(id, record)?),
            ACCESS => self.accesses.push(AccessIntent::decode(id, record)?),
            APPLY => self.apply = Some(ApplyIntent::decode(record)?),
            _ => return None,
        }
        Some(())
    }
}

impl VmIntent {
    pub(crate) fn save(&self, batch: &mut Batch) {
        batch.put(
            Space::INTENTS,
            [VM, self.vm.as_str()].concat(),
            self.encode(),
        );
    }

    pub(crate) fn forget(batch: &mut Batch, vm: &VmId) {
        batch.remove(Space::INTENTS, [VM, vm.as_str()].concat());
    }

    fn encode(&self) -> Vec<u8> {
        let writer = Writer::new(VERSION)
            .text(&self.node)
            .byte(primitive_number(self.primitive))
            .byte(self.prior.value())
            .byte(self.owed.map_or(u8::MAX, primitive_number))
            .byte(self.failed.into());
        let writer = self.reply.write(writer);
        match &self.making {
            None => writer.byte(0),
            Some(making) => writer
                .byte(1)
                .text(&making.params.to_string())
                .text(&making.location)
                .text(&making.media_type)
                .text(&making.description)
                .text(&making.resources.to_string()),
        }
        .finish()
    }

    fn decode(vm: &str, record: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(VERSION, record)?;
        let intent = Self {
            vm: vm.parse().ok()?,
            node: reader.text()?.to_owned(),
            primitive: primitive_from(reader.byte()?)?,
            prior: VmState::from_value(reader.byte()?)?,
            owed: match reader.byte()? {
                u8::MAX => None,
                number => Some(primitive_from(number)?),
            },
            failed: reader.flag()?,
            reply: Reply::read(&mut reader)?,
            making: if reader.flag()? {
                Some(Making {
                    params: reader.text()?.parse().ok()?,
                    location: reader.text()?.to_owned(),
                    media_type: reader.text()?.to_owned(),
                    description: reader.text()?.to_owned(),
                    resources: reader.text()?.parse().ok()?,
                })
            } else {
                None
            },
        };
        reader.end(intent)
    }
}

impl ImageIntent {
    pub(crate) fn save(&self, batch: &mut Batch) {
        let work = match self.work {
            ImageWork::Download => 0,
            ImageWork::Discard => 1,
        };
        let writer = Writer::new(VERSION).text(&self.node).byte(work);
        let record = self.reply.write(writer).finish();
        batch.put(
            Space::INTENTS,
            [IMAGE, self.image.as_str()].concat(),
            record,
        );
    }

    pub(crate) fn forget(batch: &mut Batch, image: &ImageId) {
        batch.remove(Space::INTENTS, [IMAGE, image.as_str()].concat());
    }

    fn decode(image: &str, record: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(VERSION, record)?;
        let intent = Self {
            image: image.parse().ok()?,
            node: reader.text()?.to_owned(),
            work: match reader.byte()? {
                0 => ImageWork::Download,
                1 => ImageWork::Discard,
                _ => return None,
            },
            reply: Reply::read(&mut reader)?,
        };
        reader.end(intent)
    }
}

impl Reply {
    /// No answer yet.
    pub(crate) fn new(correlator: Option<&Correlator>) -> Self {
        Self {
            accepted: false,
            correlator: correlator.cloned(),
        }
    }

    fn write(&self, writer: Writer) -> Writer {
        writer
            .byte(self.accepted.into())
            .optional(self.correlator.as_ref().map(Correlator::as_str))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            accepted: reader.flag()?,
            correlator: reader.optional()?.map(Correlator::new),
        })
    }
}

/// The number of a primitive in a record; never changes its meaning.
fn primitive_number(primitive: Primitive) -> u8 {
    match primitive {
        Primitive::Create => 0,
        Primitive::CreateAndPoweroff => 1,
        Primitive::Suspend => 2,
        Primitive::Resume => 3,
        Primitive::PowerOn => 4,
        Primitive::PowerOff => 5,
        Primitive::Delete => 6,
    }
}

fn primitive_from(number: u8) -> Option<Primitive> {
    Primitive::ALL
        .into_iter()
        .find(|primitive| primitive_number(*primitive) == number)
}

#[cfg(test)]
mod tests {
    use omadm_core::{MemoryJournal, Operation};
    use proptest::prelude::*;
    use virmo_state::AccessOperation;

    use super::*;

    fn reply() -> Reply {
        Reply {
            accepted: true,
            correlator: Some(Correlator::new("c")),
        }
    }

    fn vm_intents() -> Vec<VmIntent> {
        let making = Making {
            params: "ImgID=img-1&Running=false&x=%26".parse().unwrap(),
            location: "/images/a".to_owned(),
            media_type: "a/b".to_owned(),
            description: "Größe".to_owned(),
            resources: "RAM=1&Storage=2&CPU=3&Network=4&y=1".parse().unwrap(),
        };
        let intent = |primitive, owed, making| VmIntent {
            vm: "vm-1".parse().unwrap(),
            node: "my vm".to_owned(),
            primitive,
            prior: VmState::Running,
            owed,
            failed: true,
            reply: reply(),
            making,
        };
        let mut intents = vec![intent(Primitive::CreateAndPoweroff, None, Some(making))];
        for primitive in Primitive::ALL {
            intents.push(intent(primitive, Some(primitive), None));
        }
        intents
    }

    fn apply_intent() -> ApplyIntent {
        let change = ResourceChange {
            vm: "vm-1".parse().unwrap(),
            node: "a".to_owned(),
            before: "RAM=1&Storage=2&CPU=3&Network=4".parse().unwrap(),
            want: "RAM=5&Storage=6&CPU=7&Network=8".parse().unwrap(),
        };
        ApplyIntent {
            changes: vec![change.clone(), change.clone()],
            owed: vec![change],
            failed: false,
            reply: Reply::default(),
        }
    }

    fn image_intent(work: ImageWork) -> ImageIntent {
        ImageIntent {
            image: "img-1".parse().unwrap(),
            node: "a".to_owned(),
            work,
            reply: reply(),
        }
    }

    fn load(batch: &Batch) -> Intents {
        let journal = MemoryJournal::new();
        journal.commit(batch).unwrap();
        Intents::load(&journal).unwrap()
    }

    fn record(save: impl FnOnce(&mut Batch)) -> Vec<u8> {
        let mut batch = Batch::new();
        save(&mut batch);
        match batch.operations() {
            [Operation::Put { value, .. }] => value.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn question_intent() -> QuestionIntent {
        QuestionIntent {
            vm: "vm-2".parse().unwrap(),
            node: "my vm".to_owned(),
            reply: Reply {
                accepted: true,
                correlator: None,
            },
        }
    }

    fn guest_intent() -> GuestIntent {
        GuestIntent {
            vm: "vm-2".parse().unwrap(),
            uri: "./VirMO/x/DMTree/a".to_owned(),
            reply: Reply {
                accepted: true,
                correlator: None,
            },
        }
    }

    fn access_intents() -> Vec<AccessIntent> {
        let all = AccessOperation::ALL.into_iter();
        let intent = |operation| AccessIntent {
            vm: "vm-3".parse().unwrap(),
            operation,
            reply: reply(),
        };
        all.map(intent).collect()
    }

    #[test]
    fn every_intent_comes_back_from_the_journal() {
        for intent in vm_intents() {
            let mut batch = Batch::new();
            intent.save(&mut batch);
            assert_eq!(load(&batch).vms, [intent]);
        }
        for work in [ImageWork::Download, ImageWork::Discard] {
            let mut batch = Batch::new();
            image_intent(work).save(&mut batch);
            assert_eq!(load(&batch).images, [image_intent(work)]);
        }
        for intent in access_intents() {
            let mut batch = Batch::new();
            intent.save(&mut batch);
            let vm = intent.vm.clone();
            assert_eq!(load(&batch).accesses, [intent]);
            AccessIntent::forget(&mut batch, &vm);
            assert_eq!(load(&batch).accesses, []);
        }
        let mut batch = Batch::new();
        apply_intent().save(&mut batch);
        assert_eq!(load(&batch).apply, Some(apply_intent()));
        question_intent().save(&mut batch);
        assert_eq!(load(&batch).questions, [question_intent()]);
        guest_intent().save(&mut batch);
        assert_eq!(load(&batch).guests, [guest_intent()]);
        GuestIntent::forget(&mut batch, &guest_intent().vm);
        QuestionIntent::forget(&mut batch, &question_intent().vm);
        VmIntent::forget(&mut batch, &"vm-1".parse().unwrap());
        ImageIntent::forget(&mut batch, &"img-1".parse().unwrap());
        ApplyIntent::forget(&mut batch);
        let left = load(&batch);
        assert_eq!(
            (left.vms.len(), left.images.len(), left.apply),
            (0, 0, None)
        );
    }

    /// The records of version 1 stay readable: these bytes are on devices.
    #[test]
    fn records_keep_their_bytes() {
        let intents = vm_intents();
        assert_eq!(
            record(|batch| intents[5].save(batch)),
            b"\x01\0\0\0\0\0\0\0\x05my vm\x04\x02\x04\x01\x01\x01\0\0\0\0\0\0\0\x01c\0"
        );
        assert_eq!(
            record(|batch| image_intent(ImageWork::Discard).save(batch)),
            b"\x01\0\0\0\0\0\0\0\x01a\x01\x01\x01\0\0\0\0\0\0\0\x01c"
        );
        assert_eq!(
            record(|batch| question_intent().save(batch)),
            b"\x01\0\0\0\0\0\0\0\x05my vm\x01\0"
        );
        assert_eq!(
            record(|batch| guest_intent().save(batch)),
            b"\x01\0\0\0\0\0\0\0\x12./VirMO/x/DMTree/a\x01\0"
        );
        for (number, intent) in access_intents().iter().enumerate() {
            let number = u8::try_from(number).unwrap();
            let expected = [&[1, number][..], b"\x01\x01\0\0\0\0\0\0\0\x01c"].concat();
            assert_eq!(record(|batch| intent.save(batch)), expected);
        }
        let nothing = ApplyIntent {
            changes: Vec::new(),
            owed: Vec::new(),
            failed: true,
            reply: Reply::default(),
        };
        assert_eq!(
            record(|batch| nothing.save(batch)),
            [&[1, 1, 0, 0][..], &[0; 16]].concat()
        );
    }

    proptest! {
        /// Damaged records are told apart, whatever is in them.
        #[test]
        fn no_bytes_are_too_bad(
            key in prop_oneof!["vm/.{0,8}", "image/.{0,8}", "apply", "ui/.{0,8}", "guest/.{0,8}",
                "access/.{0,8}", ".*"],
            cut in 0usize..200,
            change in proptest::option::of((0usize..200, any::<u8>())),
        ) {
            let mut records = vec![
                record(|batch| vm_intents()[0].save(batch)),
                record(|batch| image_intent(ImageWork::Download).save(batch)),
                record(|batch| apply_intent().save(batch)),
                record(|batch| question_intent().save(batch)),
                record(|batch| guest_intent().save(batch)),
                record(|batch| access_intents()[0].save(batch)),
            ];
            for record in &mut records {
                record.truncate(cut);
                if let Some((at, byte)) = change
                    && let Some(octet) = record.get_mut(at)
                {
                    *octet = byte;
                }
                let mut batch = Batch::new();
                batch.put(Space::INTENTS, key.as_bytes(), record.clone());
                let left = load(&batch);
                let read = left.vms.len()
                    + left.images.len()
                    + left.questions.len()
                    + left.guests.len()
                    + left.accesses.len()
                    + usize::from(left.apply.is_some());
                prop_assert_eq!(read + left.damaged.len(), 1);
            }
        }
    }
}
