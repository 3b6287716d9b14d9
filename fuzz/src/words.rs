//! What is read from short texts: addresses, access control lists, parameters.

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use omadm_core::ServerId;
use omadm_tree::{AccessType, Acl, Target, Uri, UriLimits};
use virmo_params::{
    CreateParams, DeviceResources, ImageId, Limits, Pairs, ParamsError, ResourceConfig,
};

/// What was read is written in one way, which is read as the same.
fn comes_back<T>(read: T) -> T
where
    T: FromStr<Err: Debug + PartialEq> + Display + PartialEq + Debug,
{
    let text = read.to_string();
    let again: T = text.parse().expect("what was written can be read");
    assert_eq!(again, read, "{text:?}");
    assert_eq!(again.to_string(), text);
    read
}

/// Reads an address and what a command addresses. What can be read comes back as it is after writing,
/// is made of its segments, is below each of its ancestors, and fits limits or says so.
pub fn uri(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Ok(target) = text.parse::<Target>() {
        comes_back(target);
    }
    _ = Target::parse_with(text, &UriLimits::default());
    let Ok(uri) = Uri::parse(text) else {
        assert!(Uri::parse_with(text, &UriLimits::default()).is_err());
        return;
    };
    let uri = comes_back(uri);
    assert_eq!(uri.segments().count(), uri.depth());
    assert_eq!(uri.is_root(), uri.depth() == 0);
    let mut built = Uri::root();
    for segment in uri.segments() {
        built = built.child(segment).expect("it is the name of a segment");
    }
    assert_eq!(built, uri);
    for ancestor in uri.ancestors() {
        assert!(uri.starts_with(&ancestor));
        let below = uri.strip_prefix(&ancestor).expect("it is below");
        assert_eq!(ancestor.join(&below), uri);
    }
    let limits = UriLimits::default();
    assert_eq!(
        Uri::parse_with(text, &limits).is_ok(),
        limits.check(&uri).is_ok()
    );
}

/// Reads an access control list. What can be read comes back as it is after writing, and allows to each
/// server what it says of it or of everyone, and no more.
pub fn acl(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let read = match text.parse::<Acl>() {
        Ok(read) => comes_back(read),
        Err(error) => {
            assert!(error.offset <= text.len(), "{error}");
            return;
        }
    };
    let stranger = "\u{fffd} nobody \u{fffd}".parse::<ServerId>();
    for access in AccessType::ALL {
        let everyone = read.everyone().contains(access);
        for (server, rights) in read.servers() {
            let allowed = rights.contains(access) || everyone;
            assert_eq!(read.allows(server, access), allowed, "{server} {access:?}");
        }
        if let Ok(stranger) = &stranger {
            assert_eq!(read.allows(stranger, access), everyone);
        }
    }
}

/// Reads parameters in each of the three grammars, and an image identifier. What can be read comes back
/// as it is after writing, is a list of pairs, and an error is inside the text.
pub fn params(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    grammar(text, CreateParams::parse);
    grammar(text, ResourceConfig::parse);
    grammar(text, DeviceResources::parse);
    if let Ok(image) = text.parse::<ImageId>() {
        comes_back(image);
    }
}

fn grammar<T>(text: &str, parse: fn(&str, &Limits) -> Result<T, ParamsError>)
where
    T: FromStr<Err: Debug + PartialEq> + Display + PartialEq + Debug,
{
    let limits = Limits::default();
    match parse(text, &limits) {
        Ok(read) => {
            let pairs = Pairs::new(text, limits).expect("it has pairs");
            for pair in pairs {
                let pair = pair.expect("it was read");
                let there = text.get(pair.value_offset()..);
                assert!(there.is_some_and(|rest| rest.starts_with(pair.value)));
            }
            comes_back(read);
        }
        Err(error) => assert!(error.offset <= text.len(), "{error}"),
    }
}
