use omadm_core::{Format, ServerId};
use proptest::{
    collection::vec,
    prelude::{Arbitrary, BoxedStrategy, Just, Strategy, any, prop_oneof},
    sample::{select, subsequence},
};

use crate::{
    AccessSet, AccessType, Acl, List, NewNode, Principal, Property, PropertySelection, Selector,
    Target, Uri, Value,
};

macro_rules! arbitrary {
    ($($name:ty = $strategy:expr;)*) => {$(
        impl Arbitrary for $name {
            type Parameters = ();
            type Strategy = BoxedStrategy<Self>;

            fn arbitrary_with((): ()) -> Self::Strategy {
                $strategy.boxed()
            }
        }
    )*};
}

arbitrary! {
    Uri = vec("[a-c]{1,2}|[a-z.]{1,4}|\\PC{1,8}", 0..5).prop_map(|names| {
        // What is no name is left out.
        names.iter().fold(Self::root(), |uri, name| uri.child(name).unwrap_or(uri))
    });
    AccessType = select(&Self::ALL[..]);
    AccessSet = subsequence(&AccessType::ALL[..], 0..=AccessType::ALL.len())
        .prop_map(|commands| commands.into_iter().collect());
    Acl = vec((server_id(), any::<Option<AccessSet>>(), any::<AccessSet>()), 0..4).prop_map(
        |entries| {
            entries.into_iter().fold(Self::new(), |acl, (server, everyone, rights)| {
                let acl = acl.with(server, rights);
                match everyone {
                    Some(rights) => acl.with_everyone(rights),
                    None => acl,
                }
            })
        }
    );
    Principal = prop_oneof![Just(Self::Device), server_id().prop_map(Self::Server)];
    Property = select(&Self::ALL[..]);
    PropertySelection = (any::<bool>(), subsequence(&Property::ALL[..], 0..=8), any::<bool>())
        .prop_map(|(only, named, value)| Self::naming(only, &named, value));
    List = prop_oneof![
        Just(Self::Struct),
        Just(Self::StructData),
        any::<PropertySelection>().prop_map(Self::Tnds),
    ];
    Selector = prop_oneof![
        Just(Self::Node),
        any::<Property>().prop_map(Self::Property),
        any::<List>().prop_map(Self::List),
    ];
    Target = any::<(Uri, Selector)>().prop_map(|(uri, selector)| Self { uri, selector });
    Value = (select(&Format::ALL[..]), any::<String>(), media_type()).prop_flat_map(
        |(format, text, media_type)| octets(format, text).prop_map(move |octets| {
            Self::new(format, media_type.as_deref(), &octets)
                .unwrap_or_else(|_| Self::bin(&octets))
        })
    );
    NewNode = prop_oneof![
        Just(Self::INTERIOR),
        "[a-z:]{0,9}".prop_map(|node_type| Self::Interior { node_type: Some(node_type) }),
        any::<Value>().prop_map(Self::Leaf),
    ];
}

fn server_id() -> impl Strategy<Value = ServerId> {
    "[A-C]|\\PC{1,8}".prop_filter_map("not an identifier", |text| text.parse().ok())
}

fn media_type() -> impl Strategy<Value = Option<String>> {
    prop_oneof![Just(None), "[a-z]{1,4}/[a-z]{1,12}".prop_map(Some)]
}

/// Octets that mostly fit the format.
fn octets(format: Format, text: String) -> BoxedStrategy<Vec<u8>> {
    match format {
        Format::Bool => any::<bool>()
            .prop_map(|truth| truth.to_string().into())
            .boxed(),
        Format::Int => any::<i32>()
            .prop_map(|number| number.to_string().into())
            .boxed(),
        Format::Float => any::<i32>()
            .prop_map(|number| format!("{number}e-3").into())
            .boxed(),
        Format::Date => (1_i32..9999, 1..=12, 1..=28)
            .prop_map(|(year, month, day)| format!("{year:04}{month:02}{day:02}").into())
            .boxed(),
        Format::Time => (0_i32..24, 0..60, 0..60)
            .prop_map(|(hour, minute, second)| format!("{hour:02}:{minute:02}:{second:02}Z").into())
            .boxed(),
        Format::Null => Just(Vec::new()).boxed(),
        Format::Chr | Format::Xml => Just(text.into_bytes()).boxed(),
        Format::B64 | Format::Bin | Format::Node => vec(any::<u8>(), 0..40).boxed(),
    }
}
