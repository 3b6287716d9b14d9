//! What the derived forms of the feature `serde` need. The form itself is described at the root.

use std::{borrow::Cow, fmt};

use omadm_core::{AlertCode, StatusCode};
use omadm_markup::{Encoding, Fragment, Limits};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
    ser::{self, SerializeMap},
};

use crate::{CmdRef, Data};

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(crate) mod alert_code {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        code: &Option<AlertCode>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        code.map(AlertCode::get).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<AlertCode>, D::Error> {
        Ok(Option::<u16>::deserialize(deserializer)?.map(AlertCode::from))
    }
}

pub(crate) mod status_code {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        code: &StatusCode,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        code.get().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<StatusCode, D::Error> {
        u16::deserialize(deserializer).map(StatusCode::from)
    }
}

/// A number, 0 for the header; null for a command without an id.
impl Serialize for CmdRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.number().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CmdRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::from_number)
    }
}

/// Text is a string, octets are `{"hex": …}`, an embedded document is `{"xml": …}`.
impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, value) = match self {
            Self::Text(text) => return text.serialize(serializer),
            Self::Opaque(octets) => {
                let hex = octets.iter().map(|octet| format!("{octet:02x}")).collect();
                ("hex", Cow::Owned(hex))
            }
            Self::Fragment(_) => {
                let none = || ser::Error::custom("an embedded document of more than one element");
                ("xml", self.to_text().ok_or_else(none)?)
            }
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry::<str, Cow<'_, str>>(key, &value)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Data<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DataVisitor)
    }
}

struct DataVisitor;

impl<'de> Visitor<'de> for DataVisitor {
    type Value = Data<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or an object with \"hex\" or \"xml\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.to_owned().into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let entry: Option<(String, String)> = map.next_entry()?;
        let (key, value) = entry.ok_or_else(|| de::Error::missing_field("hex"))?;
        let data = match key.as_str() {
            "hex" => octets(&value).map(Data::from),
            "xml" => Fragment::parse(value.into_bytes(), Encoding::Xml, &Limits::default())
                .map(Data::from)
                .map_err(|error| error.to_string()),
            _ => return Err(de::Error::unknown_field(&key, &["hex", "xml"])),
        };
        if map.next_key::<String>()?.is_some() {
            return Err(de::Error::custom("one of \"hex\" and \"xml\" only"));
        }
        data.map_err(de::Error::custom)
    }
}

fn octets(hex: &str) -> Result<Vec<u8>, String> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let octet = |&[high, low]: &[u8; 2]| u8::try_from(digit(high)? << 4 | digit(low)?).ok();
    let octets = pairs.iter().map(octet).collect::<Option<Vec<_>>>();
    octets
        .filter(|_| rest.is_empty())
        .ok_or_else(|| "not pairs of hexadecimal digits".to_owned())
}
