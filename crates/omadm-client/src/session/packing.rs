//! What goes into the next message of a session: everything that is to be said, as far as it fits.

use std::mem;

use omadm_core::{AlertCode, Now, StatusCode};
use omadm_session::{Fit, LargeObject, Packer, data_size};
use omadm_syncml::{
    Alert, CmdId, Command, Data, EncodeError, Item, Location, Meta, OutputEncoding, Results,
    Status, encode_command,
};

use super::{Measured, Sending, Session, next_header};
use crate::{device::Device, failure::Failure};

/// What a message holds at most besides its header, the Status of the last one, and one element
/// that is all but too large: more digits, an Alert 1222, the Status of one. In bytes.
const SPARE_BYTES: usize = 256;

/// What the header of a message and the Status of the last one take at most without their texts, in
/// bytes.
const MARKUP_BYTES: usize = 1024;

/// What a Results of one Item takes at most besides its texts, in bytes. In XML, the longer of the
/// encodings, that is 211, and 4 for each of the four texts that is of blanks only, one of which is
/// escaped: 227 at most.
const RESULTS_BYTES: usize = 256;

/// How much longer a character may become that is escaped, in bytes.
const ESCAPE_BYTES: usize = 5;

/// What is kept ready for a message, which most do not pass, in bytes.
const USUAL_BYTES: usize = 2048;

impl Session {
    /// The next message, with as much in it as the server takes. [DM-Protocol]
    ///
    /// # Errors
    /// An [`EncodeError`]; the session cannot go on.
    pub(crate) fn pack(&mut self, device: &mut Device, now: Now) -> Result<Vec<u8>, EncodeError> {
        let mut body = mem::take(&mut self.spare);
        body.clear();
        body.reserve(USUAL_BYTES);
        let mut packer = self.begin(&mut body)?;
        if !self.server_done {
            packer.reserve(self.alert_size()?);
        }
        // Only once the server has been listened to: a refusal holds statuses alone.
        let alerts_too = self.verifier.is_satisfied() || self.link.last_received() == 0;
        let everything = self.fill(&mut packer, true)?
            && (!alerts_too || self.fill_alerts(&mut packer, device, now)?);
        if !self.server_done {
            packer.require(&mut Command::Alert(Alert::new(AlertCode::NEXT_MESSAGE)))?;
        }
        if self.outbox.is_empty() {
            self.waiting_results = 0;
        }
        self.done = self.server_done && everything;
        packer.finish(self.done);
        Ok(body)
    }

    /// Begins the next message with what it must hold first.
    fn begin<'o>(&mut self, body: &'o mut Vec<u8>) -> Result<Packer<'o>, EncodeError> {
        let limit = self.link.max_message_size();
        let header = next_header(&mut self.link, &mut self.prover);
        let mut packer = Packer::new(&header, self.encoding, limit, body)?;
        for status in self.header.iter_mut().chain(&mut self.prompted) {
            packer.require(status)?;
        }
        self.prompted.clear();
        Ok(packer)
    }

    /// The last message: what is known, and Alert 1223. [DM-Protocol]
    ///
    /// # Errors
    /// An [`EncodeError`]
    pub(crate) fn pack_abort(&mut self) -> Result<Vec<u8>, EncodeError> {
        let mut body = Vec::with_capacity(USUAL_BYTES);
        let mut packer = self.begin(&mut body)?;
        packer.reserve(self.alert_size()?);
        self.sending = None;
        self.fill(&mut packer, false)?;
        packer.require(&mut Command::Alert(Alert::new(AlertCode::SESSION_ABORT)))?;
        packer.finish(true);
        Ok(body)
    }

    /// Whether more may be read: fewer bytes of Results than this wait to be sent.
    pub(crate) const fn has_room_for_results(&self, most: usize) -> bool {
        self.waiting_results < most
    }

    /// Measures what an Item of a Get read, which is to be sent: each Item of the Results can be, if
    /// need be in messages of its own. `asks_once`: the Get has no other Item.
    ///
    /// # Errors
    /// A [`Failure`]: too large for the server, or nothing the encoding can carry.
    pub(crate) fn measure(
        &mut self,
        items: Vec<Item<'static>>,
        asks_once: bool,
    ) -> Result<Vec<Measured>, Failure> {
        // How many Items share a Results goes by their sizes: a guess does where there is but one.
        if let ([item], true) = (items.as_slice(), asks_once)
            && self.takes(item)
            && let Some(bytes) = plain_size(item)
            && self.certainly_has(bytes)
        {
            let results = Results::new(u32::MAX, CmdId::FIRST, items);
            debug_assert!({
                let command = Command::Results(results.clone());
                size(&command, self.encoding).is_ok_and(|size| size <= bytes)
            });
            self.waiting_results = self.waiting_results.saturating_add(bytes);
            return Ok(vec![Measured { results, bytes }]);
        }
        let mut measured = Vec::with_capacity(items.len());
        for item in items {
            if !self.takes(&item) {
                return Err(Failure::TooLarge);
            }
            let command = Command::Results(Results::new(u32::MAX, CmdId::FIRST, [item]));
            let bytes = size(&command, self.encoding).map_err(|_| Failure::Unencodable)?;
            if !self.certainly_has(bytes) {
                let room = self.room().map_err(|_| Failure::Unencodable)?;
                if bytes > room && self.divide(command.clone(), room).is_none() {
                    return Err(Failure::TooLarge);
                }
            }
            if let Command::Results(results) = command {
                measured.push(Measured { results, bytes });
            }
        }
        let bytes = measured.iter().map(|one| one.bytes);
        self.waiting_results = bytes.fold(self.waiting_results, usize::saturating_add);
        Ok(measured)
    }

    /// How large a Results of several Items may be, in bytes: the larger, the more of a message
    /// stays empty because the next one does not fit.
    pub(crate) fn results_limit(&mut self) -> usize {
        self.room().unwrap_or_default() / 4
    }

    /// Whether the server takes an object of this size: MaxObjSize.
    fn takes(&self, item: &Item<'_>) -> bool {
        let size = item.data.as_ref().map_or(0, data_size);
        self.link.max_object_size().is_none_or(|most| size <= most)
    }

    /// The object in a command, if it can be cut into chunks that fit.
    fn divide(&self, command: Command<'static>, room: usize) -> Option<LargeObject> {
        LargeObject::new(command).filter(|object| {
            size(&object.smallest_chunk(), self.encoding).is_ok_and(|bytes| bytes <= room)
        })
    }

    /// Whether the next messages can hold so many bytes beside what each of them must, for short
    /// answers without a measure: as if each character of what they must hold were escaped.
    fn certainly_has(&mut self, bytes: usize) -> bool {
        let Some(Command::Status(status)) = &self.header else {
            return false;
        };
        let is_plain = status.chal.is_none() && status.items.is_empty();
        if !is_plain || self.prover.is_presenting() {
            return false;
        }
        let optional = |text: Option<&str>| text.map_or(0, str::len);
        let end = |it: &Location<'_>| it.uri.len() + optional(it.name.as_deref());
        let refs = [&status.target_refs, &status.source_refs].map(|refs| refs.iter().map(str::len));
        let texts = end(self.link.local())
            + end(self.link.remote())
            + self.link.session_id().len()
            + optional(self.prover.name())
            + refs.map(Iterator::sum::<usize>).iter().sum::<usize>();
        let most = MARKUP_BYTES + SPARE_BYTES + 6 * texts;
        let has = most.saturating_add(bytes) <= self.link.max_message_size();
        debug_assert!(!has || self.room().is_ok_and(|room| bytes <= room));
        has
    }

    /// What the next messages can hold beside what each of them must, in bytes.
    fn room(&mut self) -> Result<usize, EncodeError> {
        if let Some(room) = self.room {
            return Ok(room);
        }
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        let (mut link, mut prover) = (self.link.clone(), self.prover.clone());
        let header = next_header(&mut link, &mut prover);
        let mut packer = Packer::new(&header, self.encoding, 0, &mut bytes)?;
        if let Some(status) = &mut self.header {
            packer.require(status)?;
        }
        packer.finish(true);
        let room = self
            .link
            .max_message_size()
            .saturating_sub(bytes.len() + SPARE_BYTES);
        self.room = Some(room);
        Ok(room)
    }

    /// The room an Alert 1222 or 1223 takes, in bytes.
    fn alert_size(&self) -> Result<usize, EncodeError> {
        let mut alert = Command::Alert(Alert::new(AlertCode::NEXT_MESSAGE));
        if let Some(id) = CmdId::new(9999) {
            alert.set_cmd_id(id);
        }
        size(&alert, self.encoding)
    }

    /// Packs the outbox, large objects in chunks if others may follow; whether all of it fit.
    fn fill(&mut self, packer: &mut Packer<'_>, chunks: bool) -> Result<bool, EncodeError> {
        loop {
            // Between the chunks of an alert nothing goes but statuses of what came since, between
            // those of Results nothing at all: the statuses in the outbox are behind them.
            let between = self.sending.as_ref().map(|sending| sending.alert.is_some());
            let next = self.outbox.front_mut().filter(|front| match between {
                Some(alert) => alert && matches!(front, Command::Status(_)),
                None => true,
            });
            let Some(front) = next else {
                if between.is_none() {
                    return Ok(true);
                }
                if self.fill_chunk(packer)? {
                    continue;
                }
                return Ok(false);
            };
            match packer.push(front) {
                Ok(Fit::Packed(_)) => {
                    self.outbox.pop_front();
                }
                Ok(Fit::Full | Fit::Never) if !chunks => return Ok(false),
                Ok(fit) => {
                    // It may fit the next message, which is as empty as can be.
                    let bytes = size(front, self.encoding)?;
                    if fit == Fit::Full && bytes <= self.room()?.saturating_add(SPARE_BYTES) {
                        return Ok(false);
                    }
                    if let Some(front) = self.outbox.pop_front() {
                        self.cut(packer, front)?;
                    }
                }
                // What an object answered is nothing the encoding can carry.
                Err(_) => {
                    packer.require(&mut shrunk(front))?;
                    self.outbox.pop_front();
                }
            }
        }
    }

    /// Begins to send an answer in chunks, or sends what stands for it if that is not possible.
    fn cut(
        &mut self,
        packer: &mut Packer<'_>,
        command: Command<'static>,
    ) -> Result<(), EncodeError> {
        let takes = command.items().iter().all(|item| self.takes(item));
        let mut instead = shrunk(&command);
        match LargeObject::new(command).filter(|_| takes) {
            Some(object) => {
                let alert = None;
                self.sending = Some(Sending { object, alert });
            }
            None => {
                packer.require(&mut instead)?;
            }
        }
        Ok(())
    }

    /// Packs the next chunk; whether other things may follow it.
    fn fill_chunk(&mut self, packer: &mut Packer<'_>) -> Result<bool, EncodeError> {
        let Some(sending) = &mut self.sending else {
            return Ok(true);
        };
        match packer.push_chunk(&mut sending.object)? {
            Fit::Packed(id) if sending.object.is_complete() => {
                if let Some(key) = sending.alert {
                    self.ledger.sent(self.link.last_sent(), id, key);
                }
            }
            Fit::Packed(_) | Fit::Full => return Ok(false),
            // The server takes less than it did; what it has it will not take for the whole.
            Fit::Never => {
                if sending.alert.is_none() && !sending.object.is_begun() {
                    packer.require(&mut shrunk(sending.object.command()))?;
                }
            }
        }
        self.sending = None;
        Ok(true)
    }

    /// Packs the alerts that are due and were not sent in this session; whether all of them fit.
    fn fill_alerts(
        &mut self,
        packer: &mut Packer<'_>,
        device: &mut Device,
        now: Now,
    ) -> Result<bool, EncodeError> {
        let mut unsendable = Vec::new();
        let mut everything = true;
        for (key, notice) in device.due_alerts(now.mono) {
            if self.sent_alerts.contains(&key) {
                continue;
            }
            let mut command = Command::Alert(notice.command());
            if !command.items().iter().all(|item| self.takes(item)) {
                unsendable.push(key);
                continue;
            }
            match packer.push(&mut command) {
                Ok(Fit::Packed(id)) => {
                    self.ledger.sent(self.link.last_sent(), id, key);
                    self.sent_alerts.insert(key);
                }
                // The messages to come may be as full as this one, but for the alert.
                Ok(Fit::Full) if size(&command, self.encoding)? <= self.room()? => {
                    everything = false;
                    break;
                }
                Ok(Fit::Full | Fit::Never) => {
                    let room = self.room()?;
                    let Some(object) = self.divide(command.into_owned(), room) else {
                        unsendable.push(key);
                        continue;
                    };
                    self.sent_alerts.insert(key);
                    let alert = Some(key);
                    self.sending = Some(Sending { object, alert });
                    if !self.fill_chunk(packer)? {
                        everything = false;
                        break;
                    }
                }
                Err(_) => unsendable.push(key),
            }
        }
        for key in unsendable {
            device.drop_alert(key, now);
        }
        Ok(everything)
    }
}

/// What a Results of this Item takes at most, in bytes, if it is so plain that no encoding has to
/// tell: text in printable characters of ASCII, and nothing unusual besides.
fn plain_size(item: &Item<'_>) -> Option<usize> {
    let Meta {
        format,
        media_type,
        mark: None,
        size: None,
        next_nonce: None,
        max_msg_size: None,
        max_obj_size: None,
        emi,
        ..
    } = &item.meta
    else {
        return None;
    };
    if !emi.is_empty() || item.more_data {
        return None;
    }
    let uri = match (&item.target, &item.source) {
        (
            None,
            Some(Location {
                uri, name: None, ..
            }),
        ) => &**uri,
        _ => return None,
    };
    let data = match &item.data {
        Some(Data::Text(text)) => &**text,
        None => "",
        Some(_) => return None,
    };
    let (format, media_type) = (format.as_deref(), media_type.as_deref());
    let texts = [Some(uri), Some(data), format, media_type];
    texts
        .into_iter()
        .flatten()
        .try_fold(RESULTS_BYTES, |sum, text| {
            let is_printable = |plain, octet: &u8| plain & matches!(octet, b' '..=b'~');
            let is_escaped = |octet: &u8| matches!(octet, b'&' | b'<' | b'>' | b'"' | b'\'');
            // A sum that fits an octet is one that the processor makes of many octets at once.
            let escaped = text.as_bytes().chunks(255).map(|octets| {
                let escaped = octets.iter().map(|octet| u8::from(is_escaped(octet)));
                usize::from(escaped.sum::<u8>())
            });
            let size = text.len() + ESCAPE_BYTES * escaped.sum::<usize>();
            let is_plain = text.as_bytes().iter().fold(true, is_printable);
            is_plain.then_some(sum + size)
        })
}

/// The size of a command within a message, in bytes.
fn size(command: &Command<'_>, encoding: OutputEncoding) -> Result<usize, EncodeError> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    encode_command(command, encoding, &mut bytes)?;
    Ok(bytes.len())
}

/// What stands for an answer that goes into no message.
fn shrunk(command: &Command<'static>) -> Command<'static> {
    match command {
        // Was checked against the size the server took when it asked; now it takes less.
        Command::Results(results) => {
            let code = StatusCode::REQUEST_ENTITY_TOO_LARGE;
            let msg_ref = results.msg_ref.unwrap_or_default();
            Command::Status(Status::new(msg_ref, results.cmd_ref, "Get", code))
        }
        Command::Status(status) => {
            let mut status = status.clone();
            status.items.clear();
            Command::Status(status)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use omadm_syncml::WbxmlOptions;
    use proptest::{option, prelude::*};

    use super::*;

    fn results(
        uri: &str,
        format: Option<&str>,
        kind: Option<&str>,
        data: Option<&str>,
    ) -> Item<'static> {
        let mut item = Item::new().with_source(uri.to_owned());
        item.meta.format = format.map(|it| Cow::Owned(it.to_owned()));
        item.meta.media_type = kind.map(|it| Cow::Owned(it.to_owned()));
        item.data = data.map(|it| Data::Text(Cow::Owned(it.to_owned())));
        item
    }

    fn sizes(item: Item<'static>) -> [usize; 2] {
        let command = Command::Results(Results::new(u32::MAX, CmdId::FIRST, [item]));
        let encodings = [
            OutputEncoding::Xml,
            OutputEncoding::Wbxml(WbxmlOptions::default()),
        ];
        encodings.map(|encoding| size(&command, encoding).unwrap())
    }

    #[test]
    fn what_a_results_takes_besides_its_texts_is_known() {
        let texts = |text| results(text, Some(text), Some(text), Some(text));
        assert_eq!(sizes(texts("a"))[0], 211 + 4);
        assert_eq!(sizes(texts(" "))[0], 211 + 4 + 16);
        assert_eq!(plain_size(&texts(" ")), Some(RESULTS_BYTES + 4));
    }

    #[test]
    fn what_is_unusual_is_not_plain() {
        let plain = results("./a", Some("chr"), None, Some("b"));
        assert!(plain_size(&plain).is_some());
        let unusual: [fn(&mut Item<'static>); 5] = [
            |item| item.more_data = true,
            |item| item.meta.emi.push("x".into()),
            |item| item.meta.size = Some(1),
            |item| item.target = item.source.clone(),
            |item| item.data = Some(Data::Text("é".into())),
        ];
        for make in unusual {
            let mut item = plain.clone();
            make(&mut item);
            assert_eq!(plain_size(&item), None, "{item:?}");
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,40}",
            " {1,40}",
            "[&<>\"']{1,40}",
            "[&<>\"']{250,600}"
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn no_results_is_larger_than_its_plain_size(
            uri in text(),
            format in option::of(text()),
            kind in option::of(text()),
            data in option::of(text()),
        ) {
            let item = results(&uri, format.as_deref(), kind.as_deref(), data.as_deref());
            let most = plain_size(&item).unwrap();
            for size in sizes(item) {
                prop_assert!(size <= most, "{} > {}", size, most);
            }
        }
    }
}
