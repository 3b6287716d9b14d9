//! The ways to walk through a document, some of which are short ones.

use omadm_markup::{Content, Encoding, Limits, ReadError, Reader};

/// One step of a walk, told as text; nothing at the end.
pub(crate) type Step = fn(&mut Reader<'_>) -> Result<Option<String>, ReadError>;

/// All there are.
pub(crate) const WALKS: [Step; 5] = [by_event, by_child, by_turns, by_text, by_content];

/// What is found in a document, and where, to its end or to an error.
type Found = (Vec<(usize, String)>, Option<ReadError>);

/// Walks through a document.
pub(crate) fn steps(document: &[u8], encoding: Encoding, limits: &Limits, step: Step) -> Found {
    let mut found = Vec::new();
    let mut reader = match Reader::new(document, encoding, limits) {
        Ok(reader) => reader,
        Err(error) => return (found, Some(error)),
    };
    loop {
        match step(&mut reader) {
            Ok(Some(step)) => found.push((reader.offset(), format!("{step} {}", reader.depth()))),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error)),
        }
    }
}

/// What was found, at the places of a document without the `len` octets that stand at each of `added`.
pub(crate) fn without((mut found, mut error): Found, added: &[usize], len: usize) -> Found {
    let offsets = found.iter_mut().map(|(offset, _)| offset);
    for offset in offsets.chain(error.iter_mut().map(|error| &mut error.offset)) {
        *offset -= len * added.iter().filter(|at| **at < *offset).count();
    }
    (found, error)
}

fn by_event(reader: &mut Reader<'_>) -> Result<Option<String>, ReadError> {
    let event = reader.next_event()?;
    Ok(event.map(|event| format!("{event:?}")))
}

/// Child by child, down to the innermost.
fn by_child(reader: &mut Reader<'_>) -> Result<Option<String>, ReadError> {
    let depth = reader.depth();
    let child = reader.child()?;
    let is_over = depth == 0 && child.is_none();
    Ok((!is_over).then(|| format!("{child:?}")))
}

/// The root child by child, what is in them event by event.
fn by_turns(reader: &mut Reader<'_>) -> Result<Option<String>, ReadError> {
    match reader.depth() {
        0 | 1 => by_child(reader),
        _ => by_event(reader),
    }
}

/// The root event by event, and of each child its text.
fn by_text(reader: &mut Reader<'_>) -> Result<Option<String>, ReadError> {
    match reader.depth() {
        2 => reader.text().map(|text| Some(format!("{text:?}"))),
        _ => by_event(reader),
    }
}

/// The root child by child, and of each child its content.
fn by_content(reader: &mut Reader<'_>) -> Result<Option<String>, ReadError> {
    if reader.depth() != 2 {
        return by_child(reader);
    }
    Ok(Some(match reader.content()? {
        Content::Fragment(fragment) => {
            let mut xml = Vec::new();
            let written = fragment.encode(Encoding::Xml, &mut xml);
            format!("{written:?} {}", String::from_utf8_lossy(&xml))
        }
        content => format!("{content:?}"),
    }))
}
