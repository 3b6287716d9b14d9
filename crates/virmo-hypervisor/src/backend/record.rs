use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use virmo_params::ResourceConfig;

/// The file of a machine's record in the machine's folder.
pub const RECORD: &str = "machine.json";

/// Version 1 has two shapes: the first had the fields of `own` among the others.
const VERSION: u32 = 2;
const OWNER: &str = "virmo";

/// What is durable of a machine beside its disk: a JSON object with our mark in it.
///
/// `T` is what one back end alone keeps, in a field of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record<T> {
    version: u32,
    owner: String,
    /// For people.
    pub description: String,
    /// What the machine is entitled to.
    #[serde(with = "text")]
    pub config: ResourceConfig,
    /// What it is to be entitled to, once that is committed.
    #[serde(with = "optional_text")]
    pub prepared: Option<ResourceConfig>,
    /// What only this back end keeps.
    pub own: T,
}

impl<T> Record<T> {
    /// A machine as it was made.
    #[must_use]
    pub fn new(description: String, config: ResourceConfig, own: T) -> Self {
        Self {
            version: VERSION,
            owner: OWNER.to_owned(),
            description,
            config,
            prepared: None,
            own,
        }
    }

    /// What counts against the device for this machine.
    #[must_use]
    pub fn claim(&self) -> &ResourceConfig {
        self.prepared.as_ref().unwrap_or(&self.config)
    }
}

impl<T: Serialize> Record<T> {
    /// The record as it is written.
    ///
    /// # Errors
    ///
    /// What `T` cannot write.
    pub fn to_json(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec_pretty(self)?)
    }
}

/// What is found under a machine's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found<T> {
    /// Nothing.
    Absent,
    /// Something without our mark.
    Foreign,
    /// Something with a record of ours that cannot be used, for this reason.
    Broken(String),
    /// A machine of ours.
    Machine(Record<T>),
}

impl<T: DeserializeOwned> Found<T> {
    /// Reads what stands where the record of a machine stands.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        match serde_json::from_slice::<Mark>(text) {
            Err(error) => Self::Broken(format!("{RECORD}: {error}")),
            Ok(mark) if mark.owner != OWNER => Self::Foreign,
            Ok(Mark { version, .. }) if !(1..=VERSION).contains(&version) => Self::Broken(format!(
                "{RECORD} is of version {version}, where {VERSION} is the latest known"
            )),
            Ok(mark) => match read(mark.version, text) {
                Ok(record) => Self::Machine(record),
                Err(error) => Self::Broken(format!("{RECORD}: {error}")),
            },
        }
    }

    /// Looks into a machine's folder.
    ///
    /// # Errors
    ///
    /// That of the file system.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        if !is_there(folder)? {
            return Ok(Self::Absent);
        }
        match fs::read(folder.join(RECORD)) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A machine may have been deleted between the two looks.
                Ok(match is_there(folder)? {
                    true => Self::Foreign,
                    false => Self::Absent,
                })
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads a record of ours. One of an earlier version is written anew with the next change.
fn read<T: DeserializeOwned>(version: u32, text: &[u8]) -> serde_json::Result<Record<T>> {
    if version == VERSION {
        return serde_json::from_slice(text);
    }
    let mut fields: Map<String, Value> = serde_json::from_slice(text)?;
    if !fields.contains_key("own") {
        let is_shared = |name: &str| {
            let shared = ["version", "owner", "description", "config", "prepared"];
            shared.contains(&name)
        };
        let (shared, own) = fields.into_iter().partition(|(name, _)| is_shared(name));
        fields = shared;
        fields.insert("own".to_owned(), Value::Object(own));
    }
    fields.insert("version".to_owned(), VERSION.into());
    serde_json::from_value(Value::Object(fields))
}

/// Whether a folder is there. Where that cannot be told, as in a place that is gone itself, nobody
/// may take a machine for absent.
fn is_there(folder: &Path) -> io::Result<bool> {
    match fs::metadata(folder) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(place) = folder.parent() {
                fs::metadata(place)?;
            }
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Whose record it is, and of which form.
#[derive(Deserialize)]
struct Mark {
    owner: String,
    #[serde(default)]
    version: u32,
}

/// A configuration as its text.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use virmo_params::ResourceConfig;

    pub(super) fn serialize<S: Serializer>(
        config: &ResourceConfig,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(config)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ResourceConfig, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

mod optional_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use virmo_params::ResourceConfig;

    pub(super) fn serialize<S: Serializer>(
        config: &Option<ResourceConfig>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match config {
            Some(config) => serializer.collect_str(config),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ResourceConfig>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "RAM=16777216&Storage=4194304&CPU=25&Network=25";

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut record = Record::new("a phone".to_owned(), CONFIG.parse().unwrap(), 7);
        assert_eq!(record.claim(), &record.config);
        for prepared in [None, CONFIG.replace("25", "50").parse().ok()] {
            record.prepared = prepared;
            let text = record.to_json().unwrap();
            assert_eq!(Found::parse(&text), Found::Machine(record.clone()));
        }
        assert_ne!(record.claim(), &record.config);
    }

    /// What is on disks: a record of another shape has another version.
    #[test]
    fn every_version_is_read() {
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Own {
            disk: u64,
            #[serde(default)]
            locked: bool,
        }
        let own = Own {
            disk: 7,
            locked: false,
        };
        let record = Record::new("a phone".to_owned(), CONFIG.parse().unwrap(), own);
        let shared = |version: u32, rest: &str| {
            format!(
                r#"{{"version":{version},"owner":"virmo","description":"a phone","config":"{CONFIG}","prepared":null,{rest}}}"#
            )
        };
        let present = shared(2, r#""own":{"disk":7,"locked":false}"#);
        let written: Value = serde_json::from_slice(&record.to_json().unwrap()).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(&present).unwrap());
        for text in [
            shared(1, r#""disk":7"#),
            shared(1, r#""own":{"disk":7,"locked":false}"#),
            present,
        ] {
            assert_eq!(
                Found::parse(text.as_bytes()),
                Found::Machine(record.clone()),
                "{text}"
            );
        }
        for strange in [shared(1, r#""disk":7,"color":1"#), shared(2, r#""disk":7"#)] {
            let found = Found::<Own>::parse(strange.as_bytes());
            assert!(matches!(found, Found::Broken(_)), "{strange}");
        }
    }

    #[test]
    fn what_is_not_our_record_is_told_apart() {
        let broken = |text: &str| match Found::<u32>::parse(text.as_bytes()) {
            Found::Broken(reason) => reason,
            found => panic!("{found:?}"),
        };
        assert!(broken("{").starts_with("machine.json: EOF"));
        assert_eq!(
            broken(r#"{"owner": "virmo", "version": 3}"#),
            "machine.json is of version 3, where 2 is the latest known"
        );
        assert!(broken(r#"{"owner": "virmo"}"#).contains("version 0"));
        let incomplete = broken(r#"{"owner": "virmo", "version": 2}"#);
        assert!(incomplete.contains("missing field"), "{incomplete}");
        broken(r#"{"owner": "virmo", "version": 1}"#);
        let foreign = Found::<u32>::parse(br#"{"owner": "somebody", "disks": 3}"#);
        assert_eq!(foreign, Found::Foreign);
    }

    #[test]
    fn in_a_place_that_is_gone_nothing_is_absent() {
        let place = tempfile::tempdir().unwrap();
        let look = |folder: &Path| Found::<u32>::in_folder(folder);
        assert_eq!(look(&place.path().join("vm")).unwrap(), Found::Absent);
        assert_eq!(look(place.path()).unwrap(), Found::Foreign);
        assert!(look(&place.path().join("gone/vm")).is_err());
    }
}
