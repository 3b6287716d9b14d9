//! Reads values of the two objects.

use std::str::FromStr;

use omadm_core::UserInteraction;
use omadm_session::Reply;
use omadm_syncml::{Command, Encoding, Limits, decode_command};
use virmo_state::{ImageState, VmState};

use crate::UiResult;

/// A command that is the value of a leaf, in XML.
pub(crate) fn command(text: &str) -> Option<Command<'_>> {
    decode_command(text.as_bytes(), Encoding::Xml, &Limits::default()).ok()
}

/// Values that were there and could not be read, for people.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<String>);

impl Faults {
    /// The value of a leaf, none if it is absent or empty.
    pub(crate) fn value<T: FromStr>(&mut self, reply: &Reply) -> Option<T> {
        self.take(reply, |text| text.parse().ok())
    }

    pub(crate) fn vm_state(&mut self, reply: &Reply) -> Option<VmState> {
        self.take(reply, |text| VmState::from_value(text.parse().ok()?))
    }

    pub(crate) fn image_state(&mut self, reply: &Reply) -> Option<ImageState> {
        self.take(reply, |text| ImageState::from_value(text.parse().ok()?))
    }

    /// The meaning of a number.
    pub(crate) fn code<T>(
        &mut self,
        reply: &Reply,
        from_value: impl Fn(u8) -> Option<T>,
    ) -> Option<T> {
        self.take(reply, |text| from_value(text.parse().ok()?))
    }

    /// The question in UI/Command.
    pub(crate) fn question(&mut self, reply: &Reply) -> Option<UserInteraction> {
        self.take(reply, |text| match command(text)? {
            Command::Alert(alert) => alert.user_interaction().ok(),
            _ => None,
        })
    }

    /// What UI/Result says, of this question.
    pub(crate) fn result(
        &mut self,
        reply: &Reply,
        question: Option<&UserInteraction>,
    ) -> Option<UiResult> {
        self.take(reply, |text| match command(text)? {
            Command::Status(status) => Some(UiResult {
                status: status.code,
                answer: question.and_then(|asked| status.answer(&asked.interaction)),
            }),
            _ => None,
        })
    }

    fn take<T>(&mut self, reply: &Reply, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = reply.text().filter(|text| !text.is_empty())?;
        let value = read(text);
        if value.is_none() {
            self.0
                .push(format!("{}: {text:?} is not readable", reply.uri()));
        }
        value
    }
}
