//! `virmo convert`.

use std::io::{self, Read, Write};

use virmo::dm::{
    markup::{self, Encoding, Reader, Writer},
    syncml::{self, Message, decode, encode},
};

use crate::{
    args::{Convert, Form},
    failure::Failure,
};

pub(crate) fn run(args: &Convert) -> Result<(), Failure> {
    let limits = markup::Limits::default();
    let most = u64::try_from(limits.max_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut input = Vec::new();
    io::stdin()
        .take(most)
        .read_to_end(&mut input)
        .map_err(Failure::work)?;
    let output = convert(&input, args.to, args.pretty)?;
    io::stdout().write_all(&output).map_err(Failure::work)
}

fn convert(input: &[u8], to: Form, pretty: bool) -> Result<Vec<u8>, Failure> {
    match (Form::of(input), to) {
        (Form::Json, Form::Json) => print(&read_json(input)?, pretty),
        (Form::Json, to) => {
            let mut out = Vec::new();
            encode(&read_json(input)?, encoding(to), &mut out).map_err(Failure::work)?;
            if pretty {
                markup(&out, encoding(to), encoding(to), true)
            } else {
                Ok(out)
            }
        }
        (from, Form::Json) => {
            let message = decode(input, encoding(from), &syncml::Limits::default());
            print(&message.map_err(Failure::work)?, pretty)
        }
        (from, to) => markup(input, encoding(from), encoding(to), pretty),
    }
}

impl Form {
    /// The form of a document: markup begins with `<`, JSON with `{`, WBXML with its version.
    fn of(input: &[u8]) -> Self {
        let text = input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input);
        match text.iter().find(|octet| !octet.is_ascii_whitespace()) {
            Some(b'{') => Self::Json,
            _ if matches!(input.first(), Some(0..=3)) => Self::Wbxml,
            _ => Self::Xml,
        }
    }
}

const fn encoding(form: Form) -> Encoding {
    match form {
        Form::Wbxml => Encoding::Wbxml,
        Form::Xml | Form::Json => Encoding::Xml,
    }
}

/// Event by event, so that what no message has survives too.
fn markup(input: &[u8], from: Encoding, to: Encoding, pretty: bool) -> Result<Vec<u8>, Failure> {
    if from == Encoding::Wbxml || to == Encoding::Wbxml {
        return Err(Failure::not_built("wbxml"));
    }
    let mut reader = Reader::new(input, from, &markup::Limits::default()).map_err(Failure::work)?;
    let mut out = Vec::new();
    let mut writer = Writer::new(to, &mut out).map_err(Failure::work)?;
    if pretty {
        writer = writer.pretty();
    }
    while let Some(event) = reader.next_event().map_err(Failure::work)? {
        writer.event(&event).map_err(Failure::work)?;
    }
    writer.finish().map_err(Failure::work)?;
    if pretty {
        out.push(b'\n');
    }
    Ok(out)
}

fn read_json(input: &[u8]) -> Result<Message<'static>, Failure> {
    serde_json::from_slice(input).map_err(Failure::work)
}

fn print(message: &Message<'_>, pretty: bool) -> Result<Vec<u8>, Failure> {
    let mut out = if pretty {
        serde_json::to_vec_pretty(message)
    } else {
        serde_json::to_vec(message)
    }
    .map_err(Failure::work)?;
    out.push(b'\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>http://a/</LocURI></Target><Source><LocURI>b</LocURI></Source></SyncHdr><SyncBody><Replace><CmdID>1</CmdID><Item><Target><LocURI>./x</LocURI></Target><Data>  two
lines </Data></Item></Replace><Final/></SyncBody></SyncML>"#;

    fn text(input: &str, to: Form, pretty: bool) -> String {
        String::from_utf8(convert(input.as_bytes(), to, pretty).unwrap()).unwrap()
    }

    #[test]
    fn json_and_back_is_the_same_message() {
        let json = text(MESSAGE, Form::Json, false);
        assert_eq!(text(&json, Form::Xml, false), MESSAGE);
        assert_eq!(
            text(&text(MESSAGE, Form::Json, true), Form::Json, false),
            json
        );
    }

    #[test]
    fn pretty_printing_leaves_data_alone() {
        let pretty = text(MESSAGE, Form::Xml, true);
        assert!(pretty.lines().count() > 20, "{pretty}");
        assert!(pretty.contains("<Data>  two\nlines </Data>"), "{pretty}");
        assert_eq!(
            text(&text(&pretty, Form::Json, false), Form::Xml, false),
            MESSAGE
        );
    }

    #[test]
    fn unknown_elements_survive_between_encodings() {
        let odd =
            r#"<SyncML xmlns="SYNCML:SYNCML1.2"><Odd xmlns="urn:x" a="1">&lt;</Odd></SyncML>"#;
        assert_eq!(text(odd, Form::Xml, false), odd);
    }

    #[test]
    fn a_broken_message_says_where() {
        let Err(failure) = convert(b"<SyncML><a></SyncML>", Form::Xml, false) else {
            panic!()
        };
        assert_eq!(failure.exit_code(), 1);
        assert!(failure.message().unwrap().contains("byte"), "{failure:?}");
        let Err(failure) = convert(MESSAGE.as_bytes(), Form::Wbxml, false) else {
            panic!()
        };
        assert_eq!(failure.exit_code(), 2);
    }
}
