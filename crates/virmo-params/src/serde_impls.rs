use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Unexpected, Visitor},
};

use crate::{Bytes, CreateParams, DeviceResources, ImageId, Percent, ResourceConfig, VendorPairs};

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::new)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.get())
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| {
            D::Error::invalid_value(
                Unexpected::Unsigned(number.into()),
                &"a percentage, 0 to 100",
            )
        })
    }
}

impl Serialize for ImageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ImageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl Serialize for VendorPairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

pub(crate) fn vendor_of_create<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<VendorPairs, D::Error> {
    deserializer.deserialize_map(Incoming(&CreateParams::STANDARD))
}

pub(crate) fn vendor_of_resources<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<VendorPairs, D::Error> {
    deserializer.deserialize_map(Incoming(&ResourceConfig::STANDARD))
}

pub(crate) fn vendor_of_device<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<VendorPairs, D::Error> {
    deserializer.deserialize_map(Incoming(&DeviceResources::STANDARD))
}

/// Vendor pairs of a type with these standard keys.
struct Incoming<'a>(&'a [&'a str]);

impl<'de> Visitor<'de> for Incoming<'_> {
    type Value = VendorPairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of vendor keys to texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VendorPairs, A::Error> {
        let mut pairs = VendorPairs::default();
        while let Some((key, value)) = map.next_entry::<Cow<'de, str>, Cow<'de, str>>()? {
            pairs
                .insert(self.0, &key, &value)
                .map_err(|error| A::Error::custom(format_args!("{error}: {key}")))?;
        }
        Ok(pairs)
    }
}
