use std::{fmt, str::FromStr};

use omadm_core::{ServerId, in_order};

use crate::{AccessSet, AccessType};

/// An access control list: which server may do what. [DM-TND §7.7.1]
///
/// An empty list is no value: the node inherits its parent's. Parsing merges repeated commands, and
/// printing is canonical: commands and ids in order, `*` alone where it stands for everyone.
///
/// ```
/// use omadm_tree::{AccessType, Acl};
///
/// let acl: Acl = "Replace=b+a&Get=*&Replace=a".parse()?;
/// assert_eq!(acl.to_string(), "Get=*&Replace=a+b");
/// assert!(acl.allows(&"a".parse()?, AccessType::Replace));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Acl {
    /// What every server may do.
    everyone: AccessSet,
    /// What a server may do besides; sorted by id, no set is empty.
    servers: Vec<(ServerId, AccessSet)>,
}

/// A text that is no access control list.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct AclError {
    /// What is wrong.
    pub kind: AclErrorKind,
    /// The byte offset in the text.
    pub offset: usize,
}

omadm_core::debug_as_causes!(AclError);

/// The kind of an [`AclError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AclErrorKind {
    /// An entry does not start with `Add=`, `Delete=`, `Exec=`, `Get=` or `Replace=`.
    #[error("unknown command")]
    UnknownCommand,
    /// An identifier is empty or holds a character no identifier may hold.
    #[error("invalid server identifier")]
    InvalidServerId,
}

impl Acl {
    /// The access types an ACL can grant: all but Copy.
    pub const GRANTABLE: AccessSet = AccessSet::ALL.difference(AccessSet::of(&[AccessType::Copy]));

    /// A list without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            everyone: AccessSet::EMPTY,
            servers: Vec::new(),
        }
    }

    /// The list a root should start with, `Add=*&Get=*`. [DM-TND §7.7.1.5]
    #[must_use]
    pub const fn root_default() -> Self {
        Self {
            everyone: AccessSet::of(&[AccessType::Add, AccessType::Get]),
            servers: Vec::new(),
        }
    }

    /// The list with rights for every server; Copy is left out.
    #[must_use]
    pub fn with_everyone(mut self, rights: AccessSet) -> Self {
        self.grant(None, rights);
        self
    }

    /// The list with rights for one server; Copy is left out.
    #[must_use]
    pub fn with(mut self, server: ServerId, rights: AccessSet) -> Self {
        self.grant(Some(server), rights);
        self
    }

    /// Removes a server's identifier everywhere. [DM-TND §7.7.1.4]
    pub fn remove_server(&mut self, server: &ServerId) {
        self.servers.retain(|(id, _)| id != server);
    }

    /// Whether the list has no entries, so that a node inherits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.everyone.is_empty() && self.servers.is_empty()
    }

    /// Whether a server may use a command. No list grants Copy.
    #[must_use]
    pub fn allows(&self, server: &ServerId, access: AccessType) -> bool {
        self.everyone.contains(access)
            || self
                .servers
                .binary_search_by(|(id, _)| id.cmp(server))
                .ok()
                .and_then(|at| self.servers.get(at))
                .is_some_and(|(_, rights)| rights.contains(access))
    }

    /// What every server may do.
    #[must_use]
    pub const fn everyone(&self) -> AccessSet {
        self.everyone
    }

    /// The servers the list names, in order, with what each may do besides.
    pub fn servers(&self) -> impl Iterator<Item = (&ServerId, AccessSet)> {
        self.servers.iter().map(|(id, rights)| (id, *rights))
    }

    /// Adds rights; `None` is everyone.
    fn grant(&mut self, server: Option<ServerId>, rights: AccessSet) {
        let rights = rights.difference(AccessSet::of(&[AccessType::Copy]));
        let Some(server) = server else {
            self.everyone = self.everyone.union(rights);
            for (_, own) in &mut self.servers {
                *own = own.difference(self.everyone);
            }
            self.servers.retain(|(_, own)| !own.is_empty());
            return;
        };
        let rights = rights.difference(self.everyone);
        if rights.is_empty() {
            return;
        }
        match self.servers.binary_search_by(|(id, _)| id.cmp(&server)) {
            Ok(at) => {
                if let Some((_, own)) = self.servers.get_mut(at) {
                    *own = own.union(rights);
                }
            }
            Err(at) => self.servers.insert(at, (server, rights)),
        }
    }
}

impl FromStr for Acl {
    type Err = AclError;

    fn from_str(text: &str) -> Result<Self, AclError> {
        let mut everyone = AccessSet::EMPTY;
        // As they come: sorted once, as there may be many.
        let mut grants: Vec<(ServerId, AccessType)> = Vec::new();
        if text.is_empty() {
            return Ok(Self::new());
        }
        let mut offset = 0;
        for entry in text.split('&') {
            let unknown = AclError {
                kind: AclErrorKind::UnknownCommand,
                offset,
            };
            let (command, ids) = entry.split_once('=').ok_or(unknown)?;
            let access = Self::GRANTABLE
                .iter()
                .find(|access| access.as_str() == command)
                .ok_or(unknown)?;
            let rights = AccessSet::of(&[access]);
            let mut at = offset + command.len() + 1;
            for id in ids.split('+') {
                if id == "*" {
                    everyone = everyone.union(rights);
                } else {
                    let server = id.parse().map_err(|_| AclError {
                        kind: AclErrorKind::InvalidServerId,
                        offset: at,
                    })?;
                    grants.push((server, access));
                }
                at += id.len() + 1;
            }
            offset += entry.len() + 1;
        }
        let mut servers: Vec<(ServerId, AccessSet)> = Vec::new();
        let order = in_order(&grants).into_iter();
        for (id, access) in order.filter_map(|at| grants.get(at as usize)) {
            let rights = AccessSet::of(&[*access]).difference(everyone);
            match servers.last_mut() {
                _ if rights.is_empty() => {}
                Some((last, all)) if last == id => *all = all.union(rights),
                _ => servers.push((id.clone(), rights)),
            }
        }
        Ok(Self { everyone, servers })
    }
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for access in Self::GRANTABLE.iter() {
            let mut separator = '=';
            let mut id = |f: &mut fmt::Formatter<'_>, id: &str| {
                if separator == '=' {
                    f.write_str(if first { "" } else { "&" })?;
                    f.write_str(access.as_str())?;
                    first = false;
                }
                write!(f, "{separator}{id}")?;
                separator = '+';
                Ok(())
            };
            if self.everyone.contains(access) {
                id(f, "*")?;
            }
            for (server, rights) in &self.servers {
                if rights.contains(access) {
                    id(f, server.as_str())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(text: &str) -> Acl {
        text.parse().unwrap()
    }

    #[test]
    fn printing_is_canonical() {
        for (text, canonical) in [
            ("", ""),
            ("Get=*&Add=*", "Add=*&Get=*"),
            ("Get=B+A+B", "Get=A+B"),
            ("Get=A+*", "Get=*"),
            ("Get=*+A&Replace=A", "Get=*&Replace=A"),
            ("Get=A&Replace=A&Get=B", "Get=A+B&Replace=A"),
            (
                "Add=a&Delete=a&Exec=a&Get=a&Replace=a",
                "Add=a&Delete=a&Exec=a&Get=a&Replace=a",
            ),
        ] {
            assert_eq!(acl(text).to_string(), canonical);
            assert_eq!(acl(canonical), acl(text));
        }
        assert_eq!(acl("Add=*&Get=*"), Acl::root_default());
        assert!(acl("").is_empty());
    }

    #[test]
    fn broken_texts_name_kind_and_place() {
        use AclErrorKind::*;
        for (text, kind, offset) in [
            ("x", UnknownCommand, 0),
            ("=a", UnknownCommand, 0),
            ("get=a", UnknownCommand, 0),
            ("Copy=a", UnknownCommand, 0),
            ("Get=a&", UnknownCommand, 6),
            ("&Get=a", UnknownCommand, 0),
            ("Get=a& Add=b", UnknownCommand, 6),
            ("Get=", InvalidServerId, 4),
            ("Get=a+", InvalidServerId, 6),
            ("Get=a+b c", InvalidServerId, 6),
            ("Get=a*", InvalidServerId, 4),
            ("Get=a&Add=b=c", InvalidServerId, 10),
        ] {
            let error = text.parse::<Acl>().unwrap_err();
            assert_eq!((error.kind, error.offset), (kind, offset), "{text:?}");
        }
    }

    #[test]
    fn no_identifier_matches_by_its_part() {
        let acl = acl("Get=ab+a&Replace=b");
        let id = |text: &str| text.parse::<ServerId>().unwrap();
        assert!(acl.allows(&id("a"), AccessType::Get));
        assert!(acl.allows(&id("ab"), AccessType::Get));
        assert!(!acl.allows(&id("b"), AccessType::Get));
        assert!(!acl.allows(&id("a"), AccessType::Replace));
        assert!(!acl.allows(&id("b"), AccessType::Copy));
    }

    #[test]
    fn removing_a_server_drops_its_commands() {
        let mut acl = acl("Get=A+B&Replace=A");
        acl.remove_server(&"A".parse().unwrap());
        assert_eq!(acl.to_string(), "Get=B");
        acl.remove_server(&"B".parse().unwrap());
        assert!(acl.is_empty());
    }

    #[test]
    fn copy_cannot_be_granted() {
        let acl = Acl::new().with_everyone(AccessSet::ALL);
        assert_eq!(acl.everyone(), Acl::GRANTABLE);
        assert_eq!(acl.to_string(), "Add=*&Delete=*&Exec=*&Get=*&Replace=*");
    }
}
