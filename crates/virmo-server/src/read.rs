//! Reads values of the two objects.

use std::str::FromStr;

use omadm_session::Reply;
use virmo_state::{ImageState, VmState};

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
