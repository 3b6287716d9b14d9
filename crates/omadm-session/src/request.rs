//! Commands with one Item, as a server sends them; the packer gives them their ids.

use omadm_core::{Correlator, Format};
use omadm_syncml::{Command, Data, Exec, Item, Location, Meta, NodeCommand};

/// The value of a leaf as it goes into an Add or Replace.
///
/// ```
/// use omadm_core::Format;
/// use omadm_session::request::Leaf;
///
/// assert_eq!(Leaf::from("entvm"), Leaf::new(Format::Chr, "entvm"));
/// let image = Leaf::new(Format::B64, "AAEC").with_type("image/png");
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Leaf {
    format: Format,
    media_type: Option<String>,
    data: Data<'static>,
}

impl Leaf {
    /// A value of a format; octets take [`Format::B64`] and base64 text, which both encodings
    /// carry.
    pub fn new(format: Format, data: impl Into<Data<'static>>) -> Self {
        Self {
            format,
            media_type: None,
            data: data.into(),
        }
    }

    /// With this `Type`; without it the peer takes `text/plain`.
    #[must_use]
    pub fn with_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }
}

impl From<&str> for Leaf {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for Leaf {
    fn from(text: String) -> Self {
        Self::new(Format::Chr, text)
    }
}

/// Adds an interior node; one that is the root of a management object with its identifier as
/// Type. [DM-RepPro], [DM-TND]
#[must_use]
pub fn add_node(uri: &str, moid: Option<&str>) -> Command<'static> {
    let mut meta = Meta::new().with_format(Format::Node);
    if let Some(moid) = moid {
        meta = meta.with_type(moid.to_owned());
    }
    Command::Add(one(target(uri).with_meta(meta)))
}

/// Adds a leaf.
#[must_use]
pub fn add(uri: &str, leaf: Leaf) -> Command<'static> {
    Command::Add(one(with_leaf(uri, leaf)))
}

/// Replaces the value of a leaf.
#[must_use]
pub fn replace(uri: &str, leaf: Leaf) -> Command<'static> {
    Command::Replace(one(with_leaf(uri, leaf)))
}

/// Reads a node: the value of a leaf, the names of the children of an interior node.
#[must_use]
pub fn get(uri: &str) -> Command<'static> {
    Command::Get(one(target(uri)))
}

/// Deletes a node and what is below it.
#[must_use]
pub fn delete(uri: &str) -> Command<'static> {
    Command::Delete(one(target(uri)))
}

/// Executes a node; the Correlator comes back in the alert of an asynchronous answer.
#[must_use]
pub fn exec(uri: &str, correlator: Option<&Correlator>) -> Command<'static> {
    let exec = Exec::new([target(uri)]);
    Command::Exec(match correlator {
        Some(correlator) => exec.with_correlator(correlator.as_str().to_owned()),
        None => exec,
    })
}

fn one(item: Item<'static>) -> NodeCommand<'static> {
    NodeCommand::new([item])
}

fn target(uri: &str) -> Item<'static> {
    Item::new().with_target(Location::new(uri.to_owned()))
}

fn with_leaf(uri: &str, leaf: Leaf) -> Item<'static> {
    let mut meta = Meta::new().with_format(leaf.format);
    if let Some(media_type) = leaf.media_type {
        meta = meta.with_type(media_type);
    }
    target(uri).with_meta(meta).with_data(leaf.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(command: &Command<'static>) -> Item<'static> {
        let [item] = command.items() else {
            panic!("{command:?}");
        };
        item.clone()
    }

    #[test]
    fn adds_say_what_they_add() {
        let item = only(&add_node("./VirMO/a", None));
        assert_eq!(item.meta, Meta::new().with_format(Format::Node));
        assert_eq!(item.data, None);
        let item = only(&add_node("./L", Some("urn:oma:mo:oma-lawmo:1.0")));
        assert_eq!(item.meta.media_type(), "urn:oma:mo:oma-lawmo:1.0");
        let leaf = Leaf::new(Format::Int, "7").with_type("text/plain");
        for command in [add("./A", leaf.clone()), replace("./A", leaf)] {
            let item = only(&command);
            assert_eq!(item.target, Some("./A".into()));
            assert_eq!(item.meta.format(), Ok(Format::Int));
            assert_eq!(item.meta.media_type.as_deref(), Some("text/plain"));
            assert_eq!(item.data, Some("7".into()));
        }
    }

    #[test]
    fn the_rest_carries_an_address_only() {
        let correlator = Correlator::new("c1");
        for (command, name) in [
            (get("./A"), "Get"),
            (delete("./A"), "Delete"),
            (exec("./A", Some(&correlator)), "Exec"),
            (exec("./A", None), "Exec"),
        ] {
            assert_eq!(command.name(), name);
            assert_eq!(only(&command), Item::new().with_target("./A"));
        }
        let Command::Exec(exec) = exec("./A", Some(&correlator)) else {
            panic!();
        };
        assert_eq!(exec.correlator.as_deref(), Some("c1"));
    }
}
