//! Reading by steps, checked against reading by events; shared with the fuzz targets.

use omadm_markup::{Content, Encoding, Event, Limits, Reader};

/// Reads a document, whose events are known, with the methods that take elements at once.
pub(crate) fn check(document: &[u8], encoding: Encoding, events: &[Event<'_>], limits: &Limits) {
    let mut reader = Reader::new(document, encoding, limits).expect("it was read before");
    assert_eq!(reader.next_event().as_ref(), Ok(&events.first().cloned()));
    let mut at = 1;
    while let Some(len) = step(&mut reader, &events[at - 1], &events[at..]) {
        at += len;
    }
    assert_eq!(reader.next_event(), Ok(None));
}

/// Takes one step after the event `last`; how many of the following events it takes.
fn step(reader: &mut Reader<'_>, last: &Event<'_>, events: &[Event<'_>]) -> Option<usize> {
    let attributes = events
        .iter()
        .take_while(|event| matches!(event, Event::Attribute(..)));
    let attributes = attributes.count();
    let content = &events[attributes..];
    let begins = matches!(last, Event::Start(_));
    let taken = match content {
        [] => return None,
        [Event::End, rest @ ..] => {
            // What has just begun can be ended in several ways.
            match rest.len() % 3 {
                0 if begins => assert_eq!(reader.content(), Ok(Content::Empty)),
                1 if begins => assert_eq!(reader.text().as_deref(), Ok("")),
                _ => assert_eq!(reader.child(), Ok(None)),
            }
            1
        }
        [Event::Text(text), Event::End, rest @ ..] => {
            match rest.len() % 2 {
                0 => assert_eq!(reader.text().as_ref(), Ok(text)),
                _ => assert_eq!(reader.content(), Ok(Content::Text(text.clone()))),
            }
            2
        }
        [Event::Opaque(octets), Event::End, ..] => {
            assert_eq!(reader.content(), Ok(Content::Opaque(octets.clone())));
            2
        }
        [Event::Start(name), ..] if !has_text(content) => {
            assert_eq!(reader.child(), Ok(Some(*name)));
            1
        }
        content => {
            let len = content_len(content);
            let Ok(Content::Fragment(fragment)) = reader.content() else {
                panic!("elements are a fragment");
            };
            let mut inner = fragment.reader().expect("it was read before");
            for event in &content[..len] {
                assert_eq!(inner.next_event().as_ref(), Ok(&Some(event.clone())));
            }
            assert_eq!(inner.next_event(), Ok(None));
            len + 1
        }
    };
    Some(attributes + taken)
}

/// How many events are there before the end of the element.
fn content_len(content: &[Event<'_>]) -> usize {
    let mut depth = 0;
    let ends = |event: &Event<'_>| {
        match event {
            Event::Start(_) => depth += 1,
            Event::End => depth -= 1,
            _ => {}
        }
        depth < 0
    };
    content.iter().position(ends).expect("every element ends")
}

/// Whether there is text directly in the element.
fn has_text(content: &[Event<'_>]) -> bool {
    let mut depth = 0;
    content[..content_len(content)].iter().any(|event| {
        match event {
            Event::Start(_) => depth += 1,
            Event::End => depth -= 1,
            _ => {}
        }
        depth == 0 && matches!(event, Event::Text(_) | Event::Opaque(_))
    })
}
