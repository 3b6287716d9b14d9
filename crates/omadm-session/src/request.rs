//! Commands with one Item, as a server sends them; the packer gives them their ids.

use omadm_core::{Correlator, Format, base64};
use omadm_syncml::{
    Command, Data, Encoding, Exec, Fragment, Item, Limits, Location, Meta, NodeCommand,
};

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
    /// A value of a format.
    pub fn new(format: Format, data: impl Into<Data<'static>>) -> Self {
        Self {
            format,
            media_type: None,
            data: data.into(),
        }
    }

    /// Octets: [`Format::B64`] and base64 text, which both encodings carry.
    #[must_use]
    pub fn octets(octets: &[u8]) -> Self {
        Self::new(Format::B64, base64::encode(octets))
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

/// Writes the value of one leaf to another. [DM-RepPro]
#[must_use]
pub fn copy(from: &str, to: &str) -> Command<'static> {
    Command::Copy(one(target(to).with_source(Location::new(from.to_owned()))))
}

/// Adds a subtree: a TNDS document in XML, whose paths are relative to `uri`. [DM-TNDS]
///
/// In a message in WBXML it goes as WBXML, see [`suit`].
#[must_use]
pub fn add_tree(uri: &str, document: impl Into<String>) -> Command<'static> {
    Command::Add(one(with_leaf(uri, tree(document))))
}

/// Replaces a subtree by that of a TNDS document in XML: what it does not have is deleted.
/// [DM-TNDS]
#[must_use]
pub fn replace_tree(uri: &str, document: impl Into<String>) -> Command<'static> {
    Command::Replace(one(with_leaf(uri, tree(document))))
}

fn tree(document: impl Into<String>) -> Leaf {
    Leaf::new(Format::Xml, document.into()).with_type(TNDS_XML)
}

/// The media types of a serialized subtree. [DM-TNDS]
const TNDS_XML: &str = "application/vnd.syncml.dmtnds+xml";
pub(crate) const TNDS_WBXML: &str = "application/vnd.syncml.dmtnds+wbxml";

/// Makes a command fit for the encoding of its message: a subtree in XML becomes one in WBXML, and
/// its Meta says so. What is no document stays as it is.
pub fn suit(command: &mut Command<'_>, encoding: Encoding) {
    if encoding == Encoding::Xml {
        return;
    }
    let mut open = vec![command];
    while let Some(command) = open.pop() {
        match command {
            Command::Add(body) | Command::Replace(body) => {
                body.items.iter_mut().for_each(to_wbxml);
            }
            Command::Atomic(group) | Command::Sequence(group) => {
                open.extend(&mut group.commands);
            }
            _ => {}
        }
    }
}

fn to_wbxml(item: &mut Item<'_>) {
    let is_tree = item.meta.media_type.as_deref() == Some(TNDS_XML);
    let Some(Data::Text(text)) = item.data.as_ref().filter(|_| is_tree) else {
        return;
    };
    let Ok(document) = Fragment::parse(text.as_bytes(), Encoding::Xml, &Limits::lenient().markup)
    else {
        return;
    };
    let mut octets = Vec::new();
    if document.encode(Encoding::Wbxml, &mut octets).is_ok() {
        item.data = Some(Data::Opaque(octets.into()));
        item.meta.format = Some(Format::Bin.as_str().into());
        item.meta.media_type = Some(TNDS_WBXML.into());
    }
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
    use omadm_syncml::Group;

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
    fn a_subtree_goes_as_the_encoding_has_it() {
        let document = "<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD></MgmtTree>";
        let group = Group::new([
            add_tree("./A", document),
            replace_tree("./B", "no document"),
        ]);
        let mut command = Command::Sequence(group);
        suit(&mut command, Encoding::Xml);
        let [added, replaced] = command.commands() else {
            panic!()
        };
        assert_eq!(only(added).meta.media_type(), TNDS_XML);
        assert_eq!(only(added).data, Some(document.into()));
        let unchanged = replaced.clone();
        suit(&mut command, Encoding::Wbxml);
        let [added, replaced] = command.commands() else {
            panic!()
        };
        let item = only(added);
        assert_eq!(
            (item.meta.format(), item.meta.media_type()),
            (Ok(Format::Bin), TNDS_WBXML)
        );
        let Some(Data::Opaque(octets)) = &item.data else {
            panic!("{item:?}")
        };
        let read = Fragment::parse(&octets[..], Encoding::Wbxml, &Limits::default().markup);
        let mut xml = Vec::new();
        read.unwrap().encode(Encoding::Xml, &mut xml).unwrap();
        assert_eq!(xml, document.as_bytes());
        assert_eq!(*replaced, unchanged);
    }

    #[test]
    fn the_rest_carries_an_address_only() {
        let correlator = Correlator::new("c1");
        let item = only(&copy("./A", "./B"));
        assert_eq!(
            (item.source, item.target),
            (Some("./A".into()), Some("./B".into()))
        );
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
