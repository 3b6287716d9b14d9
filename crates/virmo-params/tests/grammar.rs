//! The grammar from outside: what is read, what is refused and where, and that writing and reading
//! are inverse.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::str::FromStr;

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use virmo_params::{
    Bytes, CreateParams, DeviceResources, ImageId, InvalidImageId, Limits, Pairs, ParamsError,
    ParamsErrorKind::{self as Kind, *},
    Percent, ResourceConfig,
};

fn percent(hundredths: u8) -> Percent {
    Percent::new(hundredths).unwrap()
}

fn vendor(params: &CreateParams) -> Vec<(&str, String)> {
    params
        .vendor()
        .iter()
        .map(|(key, value)| (key, value.into_owned()))
        .collect()
}

fn refused<T: FromStr<Err = ParamsError> + std::fmt::Debug>(cases: &[(&str, Kind, usize)]) {
    for &(text, kind, offset) in cases {
        match text.parse::<T>() {
            Err(error) => assert_eq!(error, ParamsError { kind, offset }, "{text:?}"),
            Ok(value) => panic!("{text:?} was read as {value:?}"),
        }
    }
}

/// VR-103, VR-104, VR-105, VR-106: what Running says, and what it says when it is not there.
#[test]
fn running_is_true_unless_it_says_false() {
    for (text, running) in [
        ("ImgID=i", true),
        ("ImgID=i&Running=true", true),
        ("ImgID=i&Running=false", false),
        ("Running=false&ImgID=i", false),
    ] {
        let params: CreateParams = text.parse().unwrap();
        assert_eq!(params.running, running, "{text}");
        assert_eq!(params.image.as_str(), "i");
    }
}

/// VR-097, VR-098, VR-100, VR-101: ImgID exactly once, pairs separated by one ampersand.
#[test]
fn create_params_are_refused_where_they_are_wrong() {
    refused::<CreateParams>(&[
        ("", MissingKey("ImgID"), 0),
        ("Running=true", MissingKey("ImgID"), 12),
        ("imgid=i", MissingKey("ImgID"), 7),
        ("&", EmptyPair, 0),
        ("&ImgID=i", EmptyPair, 0),
        ("ImgID=i&", EmptyPair, 8),
        ("ImgID=i&&Running=true", EmptyPair, 8),
        ("ImgID", MissingEquals, 0),
        ("ImgID=i&Running", MissingEquals, 8),
        ("=i", EmptyKey, 0),
        ("ImgID=i&ImgID=i", RepeatedKey, 8),
        ("ImgID=i&Running=true&Running=true", RepeatedKey, 21),
        ("ImgID=i&x=1&y=2&x=1", RepeatedKey, 16),
        ("ImgID=", ImageId(InvalidImageId::Empty), 6),
        ("ImgID=a%0Ab", ImageId(InvalidImageId::Character), 6),
        ("ImgID=%20a", ImageId(InvalidImageId::Character), 6),
        ("ImgID=i&Running=True", NotABool, 16),
        ("ImgID=i&Running=1", NotABool, 16),
        ("ImgID=i&Running=", NotABool, 16),
        ("ImgID=i&Running=%74rue", NotABool, 16),
        (" ImgID=i", WhiteSpace, 0),
        ("ImgID =i", WhiteSpace, 5),
        ("ImgID= i", WhiteSpace, 6),
        ("ImgID=i &Running=true", WhiteSpace, 7),
        ("ImgID=i& Running=true", WhiteSpace, 8),
        ("ImgID=i\n", WhiteSpace, 7),
        ("ImgID=i&a\u{a0}b=1", WhiteSpace, 9),
        ("ImgID=i&a%62=1", KeyCharacter, 9),
        ("ImgID=i&a\0=1", KeyCharacter, 9),
        ("ImgID=%", BadEscape, 6),
        ("ImgID=ab%4", BadEscape, 8),
        ("ImgID=i&x=1%zz", BadEscape, 11),
        ("ImgID=i&x=%+1", BadEscape, 10),
        ("ImgID=i&x=ä%e4", NotUtf8, 12),
    ]);
    let long = format!("ImgID={}", "x".repeat(ImageId::MAX_LEN + 1));
    refused::<CreateParams>(&[(&long, ImageId(InvalidImageId::TooLong), 6)]);
}

/// VR-111, VR-112, VR-114, VR-115, VR-116, VR-117, VR-118, VR-123.
#[test]
fn resources_are_four_numbers_in_their_ranges() {
    let config: ResourceConfig = "Network=0&CPU=100&Storage=18446744073709551615&RAM=007"
        .parse()
        .unwrap();
    assert_eq!(config.ram, Bytes::new(7));
    assert_eq!(config.storage, Bytes::new(u64::MAX));
    assert_eq!((config.cpu, config.network), (Percent::FULL, Percent::ZERO));

    let full = "RAM=1&Storage=2&CPU=3&Network=4";
    assert_eq!(
        full.parse(),
        Ok(ResourceConfig::new(
            Bytes::new(1),
            Bytes::new(2),
            percent(3),
            percent(4)
        ))
    );
    refused::<ResourceConfig>(&[
        ("Storage=2&CPU=3&Network=4", MissingKey("RAM"), 25),
        ("RAM=1&CPU=3&Network=4", MissingKey("Storage"), 21),
        ("RAM=1&Storage=2&Network=4", MissingKey("CPU"), 25),
        ("RAM=1&Storage=2&CPU=3", MissingKey("Network"), 21),
        ("CPU=60", MissingKey("RAM"), 6),
        ("RAM=", NotANumber, 4),
        ("RAM=1x", NotANumber, 5),
        ("RAM=+1", NotANumber, 4),
        ("RAM=-1", NotANumber, 4),
        ("RAM=1.5", NotANumber, 5),
        ("RAM=0x10", NotANumber, 5),
        ("RAM=١", NotANumber, 4),
        ("RAM=%31", NotANumber, 4),
        ("RAM=18446744073709551616", OutOfRange(u64::MAX), 4),
        ("Storage=99999999999999999999999", OutOfRange(u64::MAX), 8),
        ("CPU=101", OutOfRange(100), 4),
        ("CPU=256", OutOfRange(100), 4),
        ("RAM=1&Network=18446744073709551616", OutOfRange(100), 14),
        ("RAM=1&RAM=1", RepeatedKey, 6),
        ("Network=1&Network=1", RepeatedKey, 10),
        ("Storage=1&Storage=1", RepeatedKey, 10),
        ("CPU=1&CPU=1", RepeatedKey, 6),
    ]);
}

/// VR-141, VR-142, VR-144, VR-145, VR-146.
#[test]
fn the_device_has_ram_and_storage() {
    let device: DeviceResources = "Storage=2&RAM=1".parse().unwrap();
    assert_eq!(device, DeviceResources::new(Bytes::new(1), Bytes::new(2)));
    assert_eq!(device.to_string(), "RAM=1&Storage=2");
    refused::<DeviceResources>(&[
        ("RAM=1", MissingKey("Storage"), 5),
        ("Storage=1", MissingKey("RAM"), 9),
        ("RAM=1&Storage=2&RAM=1", RepeatedKey, 16),
        ("RAM=1&Storage=2&Storage=1", RepeatedKey, 16),
    ]);
}

/// VR-099, VR-113, VR-143: vendor keys are kept, in order; a name that is standard elsewhere is
/// an ordinary key here.
#[test]
fn vendor_pairs_are_kept_in_order_and_decoded() {
    let text = "z=1&ImgID=i%26%3D%25&RAM=a=b&empty=&x-ä=%c3%A4 %20&img=%41";
    let params: CreateParams = text.parse().unwrap();
    assert_eq!(params.image.as_str(), "i&=%");
    assert_eq!(
        vendor(&params),
        [
            ("z", "1".to_owned()),
            ("RAM", "a=b".to_owned()),
            ("empty", String::new()),
            ("x-ä", "ä  ".to_owned()),
            ("img", "A".to_owned()),
        ]
    );
    assert_eq!(params.vendor().len(), 5);
    assert_eq!(params.vendor().get("img").as_deref(), Some("A"));
    assert_eq!(params.vendor().get("Img"), None);
    assert_eq!(
        params.to_string(),
        "ImgID=i%26%3D%25&Running=true&z=1&RAM=a%3Db&empty=&x-ä=ä%20%20&img=A"
    );
    let device: DeviceResources = "RAM=1&Storage=2&CPU=many".parse().unwrap();
    assert_eq!(device.vendor().get("CPU").as_deref(), Some("many"));
    assert_eq!(format!("{:?}", device.vendor()), "{\"CPU\": \"many\"}");
}

#[test]
fn inserted_vendor_pairs_are_checked_like_read_ones() {
    let mut params = CreateParams::new("i".parse().unwrap());
    for (key, value, result) in [
        ("a", "1", Ok(())),
        ("a", "2", Err(RepeatedKey)),
        ("ImgID", "j", Err(RepeatedKey)),
        ("Running", "false", Err(RepeatedKey)),
        ("", "1", Err(EmptyKey)),
        ("b c", "1", Err(WhiteSpace)),
        ("b&c", "1", Err(KeyCharacter)),
        ("b=c", "1", Err(KeyCharacter)),
        ("b%c", "1", Err(KeyCharacter)),
        ("b", "\u{1}&\r", Ok(())),
    ] {
        assert_eq!(params.insert_vendor(key, value), result, "{key}={value}");
    }
    assert_eq!(params.to_string(), "ImgID=i&Running=true&a=1&b=%01%26%0D");
    let mut config = ResourceConfig::default();
    for key in ["RAM", "Storage", "CPU", "Network"] {
        assert_eq!(config.insert_vendor(key, "1"), Err(RepeatedKey));
    }
    assert_eq!(config.insert_vendor("ImgID", "1"), Ok(()));
    let mut device = DeviceResources::default();
    for key in ["RAM", "Storage"] {
        assert_eq!(device.insert_vendor(key, "1"), Err(RepeatedKey));
    }
    assert_eq!(device.insert_vendor("CPU", "1"), Ok(()));
    assert!(!device.vendor().is_empty() && config.vendor().len() == 1);
}

#[test]
fn limits_are_kept() {
    let pairs = |count: usize| {
        (0..count)
            .map(|n| format!("k{n}=v"))
            .collect::<Vec<_>>()
            .join("&")
    };
    let at_limit = format!("ImgID=i&{}", pairs(127));
    assert_eq!(
        at_limit.parse::<CreateParams>().unwrap().vendor().len(),
        127
    );
    let over = format!("ImgID=i&{}", pairs(128));
    let offset = over.rfind('&').unwrap() + 1;
    refused::<CreateParams>(&[(&over, TooManyPairs(128), offset)]);

    let longest = format!("ImgID=i&x={}", "y".repeat(16_384 - 10));
    assert!(longest.parse::<CreateParams>().is_ok());
    refused::<CreateParams>(&[(&format!("{longest}y"), TooLong(16_384), 16_384)]);

    let mut limits = Limits::default();
    limits.max_pairs = 2;
    assert!(DeviceResources::parse("RAM=1&Storage=2", &limits).is_ok());
    assert_eq!(
        DeviceResources::parse("RAM=1&Storage=2&x=", &limits),
        Err(ParamsError {
            kind: TooManyPairs(2),
            offset: 16
        })
    );
}

/// Many keys that differ in little: none is taken for another.
#[test]
fn repeated_keys_are_found_among_many() {
    for count in [8, 100] {
        let text = (0..count)
            .map(|n| format!("v{n}={n}"))
            .collect::<Vec<_>>()
            .join("&");
        let params: CreateParams = format!("{text}&ImgID=i").parse().unwrap();
        assert_eq!(params.vendor().len(), count);
        for n in 0..count {
            let repeated = format!("{text}&v{n}=x&ImgID=i");
            refused::<CreateParams>(&[(&repeated, RepeatedKey, text.len() + 1)]);
        }
    }
}

#[test]
fn errors_read_well() {
    for (text, message) in [
        ("RAM=1&", "empty pair at byte 6"),
        ("RAM=1&Storage=2&CPU=3", "missing key Network at byte 21"),
        ("CPU=101", "number above 100 at byte 4"),
        ("x=%4", "bad % escape at byte 2"),
    ] {
        let error = text.parse::<ResourceConfig>().unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let error = "ImgID=".parse::<CreateParams>().unwrap_err();
    assert_eq!(error.to_string(), "bad ImgID: it is empty at byte 6");
}

/// Texts close to the grammar, so that both outcomes are common.
fn near_grammar() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        5 => Just("&".to_owned()),
        5 => Just("=".to_owned()),
        1 => Just("%".to_owned()),
        1 => Just("%26".to_owned()),
        1 => Just(" ".to_owned()),
        3 => Just("RAM=1".to_owned()),
        3 => Just("Storage=2".to_owned()),
        3 => Just("ImgID=i".to_owned()),
        2 => "[a-c]",
        1 => "\\PC{0,3}",
    ];
    proptest::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

fn reads_or_points_at_it<T>(text: &str)
where
    T: FromStr<Err = ParamsError> + ToString + PartialEq + std::fmt::Debug,
{
    match text.parse::<T>() {
        Ok(value) => assert_eq!(value.to_string().parse::<T>(), Ok(value)),
        Err(error) => {
            assert!(error.offset <= text.len());
            assert!(text.is_char_boundary(error.offset));
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ &=%\t\n\u{1}aä]{0,8}"]
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(text in prop_oneof![near_grammar(), any::<String>()]) {
        reads_or_points_at_it::<CreateParams>(&text);
        reads_or_points_at_it::<DeviceResources>(&text);
        reads_or_points_at_it::<ResourceConfig>(&text);
    }

    #[test]
    fn vendor_values_are_any_text(value in text(), other in text()) {
        let mut config = ResourceConfig::default();
        config.insert_vendor("x", &value).unwrap();
        config.insert_vendor("y", &other).unwrap();
        let written = config.to_string();
        let read: ResourceConfig = written.parse().unwrap();
        prop_assert_eq!(&read, &config);
        prop_assert_eq!(read.vendor().get("x").map(|it| it.into_owned()), Some(value.clone()));
        prop_assert_eq!(read.vendor().get("y").map(|it| it.into_owned()), Some(other.clone()));
        prop_assert_eq!(read.to_string(), written);
    }

    #[test]
    fn the_order_of_standard_keys_does_not_matter(
        pairs in Just(vec!["RAM=1", "Storage=2", "CPU=3", "Network=4"]).prop_shuffle(),
    ) {
        let config: ResourceConfig = pairs.join("&").parse().unwrap();
        prop_assert_eq!(config.to_string(), "RAM=1&Storage=2&CPU=3&Network=4");
    }

    /// A hand-written splitter of the specification's sentence agrees on what it can judge.
    #[test]
    fn pairs_are_what_splitting_gives(text in "[a=&]{0,12}") {
        let split: Option<Vec<(&str, &str)>> = text
            .split('&')
            .filter(|_| !text.is_empty())
            .map(|pair| pair.split_once('=').filter(|(key, _)| !key.is_empty()))
            .collect();
        let read: Result<Vec<_>, _> = Pairs::new(&text, Limits::default()).unwrap().collect();
        match (split, read) {
            (Some(split), Ok(read)) => {
                let read: Vec<_> = read.iter().map(|pair| (pair.key, pair.value)).collect();
                prop_assert_eq!(read, split);
            }
            (split, read) => prop_assert!(split.is_none() && read.is_err()),
        }
    }
}

#[test]
fn white_space_is_escaped_at_the_ends_only() {
    let text = "ImgID=i&v=%20a b%09c%20";
    let params: CreateParams = text.parse().unwrap();
    assert_eq!(params.vendor().get("v").as_deref(), Some(" a b\tc "));
    assert_eq!(params.to_string(), "ImgID=i&Running=true&v=%20a b%09c%20");
}

#[test]
fn an_image_has_at_most_255_octets_and_shows_them() {
    let longest = "x".repeat(ImageId::MAX_LEN);
    let id: ImageId = longest.parse().unwrap();
    assert_eq!(id.to_string(), longest);
    assert_eq!(format!("{id:?}"), format!("{longest:?}"));
}

#[test]
fn amounts_add_up_until_64_bits_are_full() {
    let most = Bytes::new(u64::MAX);
    assert_eq!(
        Bytes::new(2).checked_add(Bytes::new(3)),
        Some(Bytes::new(5))
    );
    assert_eq!(most.checked_add(Bytes::ZERO), Some(most));
    assert_eq!(most.checked_add(Bytes::new(1)), None);
}

#[test]
fn vendor_keys_are_told_apart_however_many_there_are() {
    let many: Vec<String> = (0..1_000).map(|n| format!("key{n}={n}")).collect();
    let mut limits = Limits::default();
    limits.max_pairs = 2_000;
    let text = many.join("&");
    let read = |text: &str| DeviceResources::parse(&format!("RAM=1&Storage=2&{text}"), &limits);
    let vendor = read(&text).unwrap();
    assert_eq!(vendor.vendor().get("key999").as_deref(), Some("999"));
    for twice in ["a=1&a=2", &format!("{text}&key0=1")] {
        assert_eq!(read(twice).unwrap_err().kind, Kind::RepeatedKey, "{twice}");
    }
}
