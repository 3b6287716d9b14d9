use std::{fmt, ops::RangeInclusive, sync::Arc};

use omadm_core::Format;

use crate::octets::Octets;

/// The value of a leaf: its format, its media type if it is not the format's own, and its octets.
/// [DM-TND §7.7.2, §7.7.8]
///
/// The octets always fit the format. Cheap to clone.
///
/// ```
/// use omadm_core::Format;
/// use omadm_tree::Value;
///
/// let state = Value::int(2);
/// assert_eq!((state.format(), state.text(), state.as_int()), (Format::Int, Some("2"), Some(2)));
/// assert!(Value::new(Format::Bool, None, b"yes").is_err());
/// # let secret = Value::bin(*b"\x00\xff");
/// # assert_eq!(secret.text(), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    pub(crate) format: Format,
    /// Absent if it is the format's own.
    pub(crate) media_type: Option<Arc<str>>,
    pub(crate) octets: Octets,
}

/// Octets, or a format, that are no value of a leaf.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A leaf cannot have the format: `node` is for interior nodes, `b64` is for the wire (decode
    /// it and store `bin`).
    #[error("a leaf cannot have format {0}")]
    FormatNotStorable(Format),
    /// The octets are no value of the format.
    #[error("the octets are no value of format {0}")]
    Malformed(Format),
}

omadm_core::debug_as_causes!(ValueError);

impl Value {
    /// A value of any format.
    ///
    /// `media_type` absent or empty means the format's own ([`Value::default_media_type`]).
    ///
    /// # Errors
    /// [`ValueError::FormatNotStorable`] for `node` and `b64`, [`ValueError::Malformed`] if the
    /// octets do not fit the format: UTF-8 for `chr` and `xml`; `true` or `false`; a decimal integer
    /// of 32 bits, signed or unsigned; an ISO 8601 date or time, basic or extended; a float of XML
    /// Schema; nothing for `null`. Markup is not looked into.
    pub fn new(
        format: Format,
        media_type: Option<&str>,
        octets: impl AsRef<[u8]>,
    ) -> Result<Self, ValueError> {
        let octets = octets.as_ref();
        let text = str::from_utf8(octets).ok();
        let fits = match format {
            Format::B64 | Format::Node => return Err(ValueError::FormatNotStorable(format)),
            Format::Bin => true,
            Format::Null => octets.is_empty(),
            Format::Chr | Format::Xml => text.is_some(),
            Format::Bool => matches!(octets, b"true" | b"false"),
            Format::Int => {
                text.is_some_and(|text| text.parse().is_ok_and(|number| INT.contains(&number)))
            }
            Format::Date => text.is_some_and(is_date),
            Format::Time => text.is_some_and(is_time),
            Format::Float => text.is_some_and(is_float),
        };
        if !fits {
            return Err(ValueError::Malformed(format));
        }
        let media_type = media_type.and_then(|media_type| other_media_type(format, media_type));
        Ok(Self {
            format,
            media_type,
            octets: octets.into(),
        })
    }

    /// Text.
    #[must_use]
    pub fn chr(text: impl AsRef<str>) -> Self {
        Self::fitting(Format::Chr, text.as_ref())
    }

    /// An integer.
    #[must_use]
    pub fn int(number: i32) -> Self {
        Self::fitting(Format::Int, &number.to_string())
    }

    /// A truth value.
    #[must_use]
    pub fn bool(truth: bool) -> Self {
        Self::fitting(Format::Bool, if truth { "true" } else { "false" })
    }

    /// Nothing.
    #[must_use]
    pub fn null() -> Self {
        Self::fitting(Format::Null, "")
    }

    /// Markup, not looked into.
    #[must_use]
    pub fn xml(markup: impl AsRef<str>) -> Self {
        Self::fitting(Format::Xml, markup.as_ref())
    }

    /// Octets.
    #[must_use]
    pub fn bin(octets: impl AsRef<[u8]>) -> Self {
        Self {
            format: Format::Bin,
            media_type: None,
            octets: octets.as_ref().into(),
        }
    }

    /// A date, `YYYYMMDD` or `YYYY-MM-DD`.
    ///
    /// # Errors
    /// [`ValueError::Malformed`] for anything else.
    pub fn date(text: &str) -> Result<Self, ValueError> {
        Self::new(Format::Date, None, text)
    }

    /// A time, `hhmmss` or `hh:mm:ss`, with `Z` at its end for UTC.
    ///
    /// # Errors
    /// [`ValueError::Malformed`] for anything else.
    pub fn time(text: &str) -> Result<Self, ValueError> {
        Self::new(Format::Time, None, text)
    }

    /// A float of 32 bits.
    #[must_use]
    pub fn float(number: f32) -> Self {
        let text = if number.is_infinite() {
            if number > 0.0 { "INF" } else { "-INF" }.to_owned()
        } else {
            number.to_string()
        };
        Self::fitting(Format::Float, &text)
    }

    /// The same value with a media type; an empty one means the format's own.
    #[must_use]
    pub fn with_media_type(mut self, media_type: &str) -> Self {
        self.media_type = other_media_type(self.format, media_type);
        self
    }

    /// The media type of values that name none: `text/plain`, but `application/octet-stream` for
    /// `bin` and `text/xml` for `xml` (unverified).
    #[must_use]
    pub const fn default_media_type(format: Format) -> &'static str {
        match format {
            Format::Bin | Format::B64 => "application/octet-stream",
            Format::Xml => "text/xml",
            Format::Bool
            | Format::Chr
            | Format::Int
            | Format::Node
            | Format::Null
            | Format::Date
            | Format::Time
            | Format::Float => "text/plain",
        }
    }

    /// The format; never `node` or `b64`.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The media type.
    #[must_use]
    pub fn media_type(&self) -> &str {
        self.media_type
            .as_deref()
            .unwrap_or(Self::default_media_type(self.format))
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.octets.as_slice()
    }

    /// The octets as text; none for `bin` octets that are not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        str::from_utf8(self.octets()).ok()
    }

    /// The number of an `int`.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self.format {
            Format::Int => self.text()?.parse().ok(),
            _ => None,
        }
    }

    /// The truth of a `bool`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.format {
            Format::Bool => Some(self.octets() == b"true"),
            _ => None,
        }
    }

    fn fitting(format: Format, text: &str) -> Self {
        Self {
            format,
            media_type: None,
            octets: text.into(),
        }
    }
}

impl fmt::Debug for Value {
    /// Shows format, media type and length; octets may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Value({} {}, {} bytes)",
            self.format,
            self.media_type(),
            self.octets.len()
        )
    }
}

/// The media type, unless it is the format's own.
fn other_media_type(format: Format, media_type: &str) -> Option<Arc<str>> {
    let own = media_type.is_empty() || media_type == Value::default_media_type(format);
    (!own).then(|| media_type.into())
}

/// [DM-TND] wants 32 bits signed, [MetInf] 32 bits unsigned; both are taken.
const INT: RangeInclusive<i64> = i32::MIN as i64..=u32::MAX as i64;

fn digits(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// `YYYYMMDD` or `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let parts = match text.len() {
        8 => (text.get(..4), text.get(4..6), text.get(6..)),
        10 if text.get(4..5) == Some("-") && text.get(7..8) == Some("-") => {
            (text.get(..4), text.get(5..7), text.get(8..))
        }
        _ => return false,
    };
    let (Some(year), Some(month), Some(day)) = parts else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (digits(year), digits(month), digits(day)) else {
        return false;
    };
    let days = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// `hhmmss` or `hh:mm:ss`, maybe with `Z`; 60 is a leap second.
fn is_time(text: &str) -> bool {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let parts = match text.len() {
        6 => (text.get(..2), text.get(2..4), text.get(4..)),
        8 if text.get(2..3) == Some(":") && text.get(5..6) == Some(":") => {
            (text.get(..2), text.get(3..5), text.get(6..))
        }
        _ => return false,
    };
    let (Some(hour), Some(minute), Some(second)) = parts else {
        return false;
    };
    matches!(
        (digits(hour), digits(minute), digits(second)),
        (Some(0..=23), Some(0..=59), Some(0..=60))
    )
}

/// The lexical space of `xs:float`.
fn is_float(text: &str) -> bool {
    if matches!(text, "INF" | "-INF" | "NaN") {
        return true;
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (mantissa, exponent) = (unsigned(mantissa), unsigned(exponent));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    [whole, fraction, exponent].into_iter().all(are_digits)
        && !(whole.is_empty() && fraction.is_empty())
        && !exponent.is_empty()
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn octets_must_fit_the_format() {
        use Format::*;
        let cases: [(Format, &[&str], &[&str]); 9] = [
            (Bin, &["", "x"], &[]),
            (Bool, &["true", "false"], &["", "True", "1"]),
            (Chr, &["", "ä"], &[]),
            (
                Int,
                &["0", "-12", "+7", "-2147483648", "4294967295"],
                &["", "1.0", " 1", "0x1", "-2147483649", "4294967296"],
            ),
            (Null, &[""], &["x"]),
            (Xml, &["", "<a/>", "<"], &[]),
            (
                Date,
                &["20240229", "2024-02-28"],
                &[
                    "",
                    "20230229",
                    "2024-2-28",
                    "20241301",
                    "20240100",
                    "2024/02/28",
                    "+2024-02-2",
                    "2024ä28",
                ],
            ),
            (
                Time,
                &["235960", "23:59:59Z", "000000Z"],
                &["", "240000", "23:59", "2360:00", "+1:00:00"],
            ),
            (
                Float,
                &["1", "-1.5e3", "INF", "-INF", "NaN"],
                &["", "inf", "nan", "infinity", "+INF", "1,5", "e"],
            ),
        ];
        for (format, good, bad) in cases {
            for text in good {
                let value = Value::new(format, None, text).unwrap();
                assert_eq!((value.format(), value.text()), (format, Some(*text)));
            }
            for text in bad {
                assert_eq!(
                    Value::new(format, None, text),
                    Err(ValueError::Malformed(format)),
                    "{format} {text:?}"
                );
            }
        }
        for format in [Format::Node, Format::B64] {
            assert_eq!(
                Value::new(format, None, ""),
                Err(ValueError::FormatNotStorable(format))
            );
        }
        for format in [Format::Chr, Format::Xml, Format::Int] {
            assert!(Value::new(format, None, b"\xff").is_err());
        }
        assert!(Value::new(Format::Bin, None, b"\xff").is_ok());
    }

    #[test]
    fn constructors_make_what_new_accepts() {
        let values = [
            Value::chr("x"),
            Value::int(i32::MIN),
            Value::bool(true),
            Value::null(),
            Value::xml("<a/>"),
            Value::bin([0, 255]),
            Value::date("20240229").unwrap(),
            Value::time("12:00:00").unwrap(),
            Value::float(f32::INFINITY),
            Value::float(f32::NEG_INFINITY),
            Value::float(f32::NAN),
            Value::float(1.5e-30),
            Value::float(f32::MAX),
        ];
        for value in values {
            assert_eq!(
                Value::new(value.format(), None, value.octets()),
                Ok(value.clone())
            );
        }
        assert_eq!(Value::bool(true).as_bool(), Some(true));
        assert_eq!(Value::int(-3).as_int(), Some(-3));
        assert_eq!(Value::chr("3").as_int(), None);
        assert_eq!(Value::chr("true").as_bool(), None);
    }

    #[test]
    fn dates_and_times_are_those_of_the_calendar() {
        let days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        for (month, days) in (1..).zip(days) {
            for (day, good) in [(0, false), (1, true), (days, true), (days + 1, false)] {
                for date in [
                    format!("2024{month:02}{day:02}"),
                    format!("2024-{month:02}-{day:02}"),
                ] {
                    assert_eq!(Value::date(&date).is_ok(), good, "{date}");
                }
            }
        }
        let leap = ["0000", "1600", "2000", "2004", "2023", "2100", "1900"];
        let leaps = leap.map(|year| Value::date(&format!("{year}0229")).is_ok());
        assert_eq!(leaps, [true, true, true, true, false, false, false]);
        for bad in [
            "20240001",
            "20241301",
            "2024-0101",
            "202401-01",
            "2024/01/01",
            "+0240101",
        ] {
            assert!(Value::date(bad).is_err(), "{bad}");
        }
        for good in ["000000", "235960", "23:59:60", "120000Z", "12:00:00Z"] {
            assert!(Value::time(good).is_ok(), "{good}");
        }
        for bad in [
            "240000", "006000", "000061", "12:0000", "1200:00", "12:00.00", "12000Z", "",
        ] {
            assert!(Value::time(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        /// What Rust reads as a float, but for its words for infinity and NaN, is one.
        #[test]
        fn floats_are_those_of_xml_schema(text in "[+-]?[0-9]{0,2}[.]?[0-9]{0,2}([eE][+-]?[0-9]{0,2})?[+-.e]?") {
            prop_assert_eq!(is_float(&text), text.parse::<f32>().is_ok());
        }
    }

    #[test]
    fn the_formats_own_media_type_is_the_default() {
        let explicit = Value::new(Format::Chr, Some("text/plain"), "x").unwrap();
        assert_eq!(explicit, Value::chr("x"));
        assert_eq!(explicit.media_type(), "text/plain");
        let json = Value::chr("{}").with_media_type("application/json");
        assert_eq!(json.media_type(), "application/json");
        assert_ne!(json, Value::chr("{}"));
    }

    #[test]
    fn debug_hides_the_octets() {
        assert_eq!(
            format!("{:?}", Value::chr("secret")),
            "Value(chr text/plain, 6 bytes)"
        );
    }
}
