//! What deployed servers do otherwise, made what the specification says before anything else sees
//! it.

use omadm_syncml::{Command, Header, Item, Message};

use crate::Compat;

/// Makes a message of the server in the session `session_id` what it should have been.
pub(crate) fn mend(message: &mut Message<'_>, session_id: &str, compat: &Compat) {
    let header = &mut message.header;
    if compat.session_id_spelling && is_same(&header.session_id, session_id) {
        header.session_id = session_id.to_owned().into();
    }
    if compat.other_ver_dtd && header.ver_dtd.starts_with("1.") {
        header.ver_dtd = Header::VER_DTD.into();
    }
    if compat.source_as_target {
        let mut open: Vec<&mut Command<'_>> = message.commands.iter_mut().collect();
        while let Some(command) = open.pop() {
            match command {
                Command::Atomic(group) | Command::Sequence(group) => {
                    open.extend(&mut group.commands);
                }
                Command::Add(node)
                | Command::Delete(node)
                | Command::Get(node)
                | Command::Replace(node) => node.items.iter_mut().for_each(turn),
                Command::Exec(exec) => exec.items.iter_mut().for_each(turn),
                _ => {}
            }
        }
    }
}

/// Whether two SessionIDs are the same number in hexadecimal digits, or ours in decimal ones.
fn is_same(received: &str, ours: &str) -> bool {
    let received = received.trim();
    let value = |text: &str, radix| u32::from_str_radix(text, radix).ok();
    let ours = value(ours, 16);
    ours.is_some() && (value(received, 16) == ours || value(received, 10) == ours)
}

/// Takes the Source of an Item for its Target, if it has none.
fn turn(item: &mut Item<'_>) {
    if item.target.is_none() {
        item.target = item.source.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_are_compared_as_numbers() {
        for (received, ours, same) in [
            ("1F", "1F", true),
            (" 1f ", "1F", true),
            ("001F", "1F", true),
            ("31", "1F", true),
            ("0", "0", true),
            ("1F", "20", false),
            ("", "0", false),
            ("x", "1F", false),
        ] {
            assert_eq!(is_same(received, ours), same, "{received:?} {ours:?}");
        }
    }
}
