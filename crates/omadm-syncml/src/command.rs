use std::borrow::Cow;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use crate::{Item, Meta};

mod alert;
mod answer;
mod group;
mod ids;
mod node;
mod refs;
mod unsupported;

pub use alert::Alert;
pub use answer::{Results, Status};
pub use group::Group;
pub use ids::{CmdId, CmdRef};
pub use node::{Exec, NodeCommand};
pub use refs::Refs;
pub use unsupported::Unsupported;

/// A command in document order. [DM-RepPro]
///
/// A missing, zero or unreadable `CmdID` is `None`: the command is there and can be answered. It is
/// written without `CmdID`.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Command<'a> {
    /// Create nodes.
    Add(NodeCommand<'a>),
    /// An alert.
    Alert(Alert<'a>),
    /// Commands that succeed together or not at all.
    Atomic(Group<'a>),
    /// Copy values.
    Copy(NodeCommand<'a>),
    /// Delete nodes.
    Delete(NodeCommand<'a>),
    /// Execute nodes.
    Exec(Exec<'a>),
    /// Read nodes.
    Get(NodeCommand<'a>),
    /// Overwrite values.
    Replace(NodeCommand<'a>),
    /// The values a Get asked for.
    Results(Results<'a>),
    /// Commands in a binding order.
    Sequence(Group<'a>),
    /// The outcome of a command.
    Status(Status<'a>),
    /// An element that is no command of DM.
    Unsupported(Unsupported<'a>),
}

impl<'a> Command<'a> {
    /// The name of the element.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Unsupported(unsupported) => &unsupported.name,
            known => known.known_name(),
        }
    }

    /// The [`name`](Self::name), detached from the command.
    #[must_use]
    pub fn to_name(&self) -> Cow<'static, str> {
        match self {
            Self::Unsupported(unsupported) => Cow::Owned(unsupported.name.to_string()),
            known => Cow::Borrowed(known.known_name()),
        }
    }

    /// The name of a command of DM.
    const fn known_name(&self) -> &'static str {
        match self {
            Self::Add(_) => "Add",
            Self::Alert(_) => "Alert",
            Self::Atomic(_) => "Atomic",
            Self::Copy(_) => "Copy",
            Self::Delete(_) => "Delete",
            Self::Exec(_) => "Exec",
            Self::Get(_) => "Get",
            Self::Replace(_) => "Replace",
            Self::Results(_) => "Results",
            Self::Sequence(_) => "Sequence",
            Self::Status(_) => "Status",
            Self::Unsupported(_) => "",
        }
    }

    /// The `CmdID`.
    #[must_use]
    pub const fn cmd_id(&self) -> Option<CmdId> {
        match self {
            Self::Add(c) | Self::Copy(c) | Self::Delete(c) | Self::Get(c) | Self::Replace(c) => {
                c.cmd_id
            }
            Self::Alert(c) => c.cmd_id,
            Self::Atomic(c) | Self::Sequence(c) => c.cmd_id,
            Self::Exec(c) => c.cmd_id,
            Self::Results(c) => c.cmd_id,
            Self::Status(c) => c.cmd_id,
            Self::Unsupported(c) => c.cmd_id,
        }
    }

    /// Gives it a `CmdID`; the commands of a [`Group`] keep theirs.
    pub const fn set_cmd_id(&mut self, id: CmdId) {
        let place = match self {
            Self::Add(c) | Self::Copy(c) | Self::Delete(c) | Self::Get(c) | Self::Replace(c) => {
                &mut c.cmd_id
            }
            Self::Alert(c) => &mut c.cmd_id,
            Self::Atomic(c) | Self::Sequence(c) => &mut c.cmd_id,
            Self::Exec(c) => &mut c.cmd_id,
            Self::Results(c) => &mut c.cmd_id,
            Self::Status(c) => &mut c.cmd_id,
            Self::Unsupported(c) => &mut c.cmd_id,
        };
        *place = Some(id);
    }

    /// Whether no Status is wanted: `NoResp`.
    #[must_use]
    pub const fn no_resp(&self) -> bool {
        match self {
            Self::Add(c) | Self::Copy(c) | Self::Delete(c) | Self::Get(c) | Self::Replace(c) => {
                c.no_resp
            }
            Self::Alert(c) => c.no_resp,
            Self::Atomic(c) | Self::Sequence(c) => c.no_resp,
            Self::Exec(c) => c.no_resp,
            Self::Unsupported(c) => c.no_resp,
            Self::Results(_) | Self::Status(_) => false,
        }
    }

    /// The Items; none for a group.
    #[must_use]
    pub fn items(&self) -> &[Item<'a>] {
        match self {
            Self::Add(c) | Self::Copy(c) | Self::Delete(c) | Self::Get(c) | Self::Replace(c) => {
                &c.items
            }
            Self::Alert(c) => &c.items,
            Self::Exec(c) => &c.items,
            Self::Results(c) => &c.items,
            Self::Status(c) => &c.items,
            Self::Atomic(_) | Self::Sequence(_) | Self::Unsupported(_) => &[],
        }
    }

    /// The Items, to be changed; `None` for a command that can have none.
    pub const fn items_mut(&mut self) -> Option<&mut Vec<Item<'a>>> {
        match self {
            Self::Add(c) | Self::Copy(c) | Self::Delete(c) | Self::Get(c) | Self::Replace(c) => {
                Some(&mut c.items)
            }
            Self::Alert(c) => Some(&mut c.items),
            Self::Exec(c) => Some(&mut c.items),
            Self::Results(c) => Some(&mut c.items),
            Self::Status(c) => Some(&mut c.items),
            Self::Atomic(_) | Self::Sequence(_) | Self::Unsupported(_) => None,
        }
    }

    /// The Meta whose elements the Items inherit; `None` for a command that has none.
    #[must_use]
    pub const fn meta(&self) -> Option<&Meta<'a>> {
        match self {
            Self::Add(c) | Self::Copy(c) | Self::Delete(c) | Self::Get(c) | Self::Replace(c) => {
                Some(&c.meta)
            }
            Self::Exec(c) => Some(&c.meta),
            Self::Results(c) => Some(&c.meta),
            Self::Atomic(_)
            | Self::Sequence(_)
            | Self::Alert(_)
            | Self::Status(_)
            | Self::Unsupported(_) => None,
        }
    }

    /// The [`meta`](Self::meta), to be changed.
    pub const fn meta_mut(&mut self) -> Option<&mut Meta<'a>> {
        match self {
            Self::Add(c) | Self::Copy(c) | Self::Delete(c) | Self::Get(c) | Self::Replace(c) => {
                Some(&mut c.meta)
            }
            Self::Exec(c) => Some(&mut c.meta),
            Self::Results(c) => Some(&mut c.meta),
            Self::Atomic(_)
            | Self::Sequence(_)
            | Self::Alert(_)
            | Self::Status(_)
            | Self::Unsupported(_) => None,
        }
    }

    /// The commands of a group; none for any other command.
    #[must_use]
    pub fn commands(&self) -> &[Self] {
        match self {
            Self::Atomic(group) | Self::Sequence(group) => &group.commands,
            _ => &[],
        }
    }

    /// The command and those inside it at any depth, in document order.
    pub fn flatten(&self) -> impl Iterator<Item = &Self> {
        let mut first = Some(self);
        let mut open = Vec::new();
        std::iter::from_fn(move || {
            let command = first.take().or_else(|| open.pop())?;
            open.extend(command.commands().iter().rev());
            Some(command)
        })
    }

    /// The command detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Command<'static> {
        match self {
            Self::Add(c) => Command::Add(c.into_owned()),
            Self::Alert(c) => Command::Alert(c.into_owned()),
            Self::Atomic(c) => Command::Atomic(c.into_owned()),
            Self::Copy(c) => Command::Copy(c.into_owned()),
            Self::Delete(c) => Command::Delete(c.into_owned()),
            Self::Exec(c) => Command::Exec(c.into_owned()),
            Self::Get(c) => Command::Get(c.into_owned()),
            Self::Replace(c) => Command::Replace(c.into_owned()),
            Self::Results(c) => Command::Results(c.into_owned()),
            Self::Sequence(c) => Command::Sequence(c.into_owned()),
            Self::Status(c) => Command::Status(c.into_owned()),
            Self::Unsupported(c) => Command::Unsupported(c.into_owned()),
        }
    }
}

fn own_items(items: Vec<Item<'_>>) -> Vec<Item<'static>> {
    items.into_iter().map(Item::into_owned).collect()
}
