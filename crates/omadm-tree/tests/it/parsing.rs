//! Parsers: nothing panics, and what prints parses to the same.

use omadm_core::{Format, Now};
use omadm_tree::{AccessType, Acl, Target, Tree, TreeLimits, Uri, UriLimits, Value};
use proptest::{collection::vec, prelude::*};

use crate::garden::Garden;

/// Texts near the grammar of addresses.
fn nearly_a_target() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[./%a-c0-9?=+-]{0,20}",
        "(\\./)?([a-c.%]{1,4}/){0,4}[a-c]{0,2}(\\?(prop|list)=[A-Za-z+-]{0,12})?",
    ]
}

proptest! {
    #[test]
    fn addresses_parse_or_fail_in_their_bounds(text in nearly_a_target()) {
        match Uri::parse(&text) {
            Err(error) => prop_assert!(error.offset <= text.len()),
            Ok(uri) => {
                let canonical = uri.to_string();
                prop_assert_eq!(Uri::parse(&canonical), Ok(uri.clone()));
                prop_assert!(!canonical.contains("//") && !canonical.ends_with('/'));
                // Only escapes and the leading `./` may differ.
                prop_assert_eq!(uri.depth(), text.split('/').filter(|s| *s != ".").count());
            }
        }
    }

    /// As text as well as parsed, with whatever else there is and is not.
    #[test]
    fn a_node_is_found_at_its_address(uris: Vec<Uri>, texts in vec(nearly_a_target(), 0..5)) {
        let mut tree = Tree::new(TreeLimits::default(), Acl::new());
        let mut transaction = tree.begin(Now::default());
        for uri in uris.iter().filter(|uri| !uri.is_root()) {
            let added = transaction.add_interior(&Garden, uri);
            prop_assert!(added.is_err() || transaction.node(uri).is_some());
        }
        for text in texts.into_iter().chain(uris.iter().map(ToString::to_string)) {
            let found = transaction.tree().find(&text).map(|node| node.map(|it| it.uri()));
            let parsed = Uri::parse(&text);
            prop_assert_eq!(found, parsed.map(|uri| transaction.node(&uri).map(|it| it.uri())));
        }
    }

    #[test]
    fn targets_parse_or_fail(text in nearly_a_target()) {
        if let Ok(target) = Target::parse(&text) {
            prop_assert_eq!(Target::parse(&target.to_string()), Ok(target));
        }
    }

    #[test]
    fn every_target_round_trips(target: Target) {
        prop_assert_eq!(Target::parse(&target.to_string()), Ok(target));
    }

    #[test]
    fn relatives_agree(uri: Uri, other: Uri, name: String) {
        let joined = other.join(&uri);
        prop_assert!(joined.starts_with(&other));
        prop_assert_eq!(joined.strip_prefix(&other), Some(uri.clone()));
        prop_assert_eq!(joined.depth(), uri.depth() + other.depth());
        let ancestors: Vec<Uri> = uri.ancestors().collect();
        prop_assert_eq!(ancestors.len(), uri.depth());
        for ancestor in &ancestors {
            prop_assert!(uri.starts_with(ancestor) && !ancestor.starts_with(&uri));
            prop_assert!(ancestor < &uri);
        }
        if let Ok(child) = uri.child(&name) {
            prop_assert_eq!(child.name(), Some(name.as_str()));
            prop_assert_eq!(child.parent(), Some(uri));
        }
    }

    #[test]
    fn the_order_is_by_segments(a: Uri, b: Uri) {
        let names = |uri: &Uri| uri.segments().map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(a.cmp(&b), names(&a).cmp(&names(&b)));
    }

    #[test]
    fn limits_measure_the_canonical_text(uri: Uri, depth in 0_u16..6, total in 0_u16..40, segment in 0_u16..12) {
        let text = uri.to_string();
        let over = |limit: u16, length: usize| limit > 0 && length > usize::from(limit);
        let fits = !over(depth, uri.depth())
            && !over(total, text.len())
            && !text.split('/').skip(1).any(|part| over(segment, part.len()));
        let limits = UriLimits::new(depth, total, segment);
        prop_assert_eq!(limits.check(&uri).is_ok(), fits);
        prop_assert_eq!(Uri::parse_with(&text, &limits).is_ok(), fits);
    }

    #[test]
    fn lists_parse_or_fail_in_their_bounds(text in "[AGCdet=&+*a-c ]{0,16}|((Add|Get|Copy|Exec)=[ab*+]{0,5}&?){0,4}") {
        match text.parse::<Acl>() {
            Err(error) => prop_assert!(error.offset <= text.len()),
            Ok(acl) => {
                // Naively: each entry grants, and nothing else does.
                let granted = |access: AccessType, id: &str| {
                    text.split('&').any(|entry| {
                        entry
                            .strip_prefix(access.as_str())
                            .and_then(|rest| rest.strip_prefix('='))
                            .is_some_and(|ids| ids.split('+').any(|one| one == "*" || one == id))
                    })
                };
                for id in ["a", "b", "c", "ab", "z"] {
                    for access in AccessType::ALL {
                        prop_assert_eq!(
                            acl.allows(&id.parse().unwrap(), access),
                            granted(access, id)
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn every_list_round_trips(acl: Acl) {
        prop_assert_eq!(acl.to_string().parse(), Ok(acl));
    }

    #[test]
    fn values_come_back(value: Value) {
        let again = Value::new(value.format(), Some(value.media_type()), value.octets());
        prop_assert_eq!(again, Ok(value));
    }

    #[test]
    fn any_octets_are_a_value_or_refused(octets: Vec<u8>, text in "[-+0-9:.eEINFTZa]{0,10}") {
        for format in Format::ALL {
            for octets in [octets.as_slice(), text.as_bytes()] {
                if let Ok(value) = Value::new(format, None, octets) {
                    prop_assert_eq!(value.octets(), octets);
                    prop_assert_eq!(value.as_int().is_some(), format == Format::Int);
                    prop_assert_eq!(value.as_bool().is_some(), format == Format::Bool);
                    prop_assert!(value.text().is_some() || format == Format::Bin);
                }
            }
        }
    }
}
