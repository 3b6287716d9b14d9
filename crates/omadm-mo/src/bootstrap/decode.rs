use omadm_syncml::{Command, Data};
use omadm_tree::Uri;

use super::{Addition, Content, DecodeError, Limits, MediaType};
use crate::{provisioning, standard::inbox, tnds};

impl Content {
    /// Reads a bootstrap.
    ///
    /// What the header of a message says is not looked at. [DM-Bootstrap §5.5]
    ///
    /// # Errors
    /// A [`DecodeError`].
    pub fn decode(
        octets: &[u8],
        media_type: MediaType,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let encoding = media_type.encoding();
        match media_type {
            MediaType::ProvisioningWbxml | MediaType::ProvisioningXml => {
                provisioning::Document::decode(octets, encoding, &limits.tnds.markup)
                    .map(Self::Provisioning)
                    .map_err(DecodeError::Provisioning)
            }
            MediaType::TndsWbxml | MediaType::TndsXml => {
                let document = tnds::Document::decode(octets, encoding, &limits.tnds)
                    .map_err(DecodeError::Tnds)?;
                let target = inbox::root();
                Ok(Self::Additions(vec![Addition { target, document }]))
            }
            MediaType::MessageWbxml | MediaType::MessageXml => {
                let message = omadm_syncml::decode(octets, encoding, &limits.message)
                    .map_err(DecodeError::Message)?;
                additions(&message.commands, limits).map(Self::Additions)
            }
        }
    }
}

fn additions(commands: &[Command<'_>], limits: &Limits) -> Result<Vec<Addition>, DecodeError> {
    let mut additions = Vec::new();
    let mut pending: Vec<&Command<'_>> = commands.iter().rev().collect();
    while let Some(command) = pending.pop() {
        match command {
            Command::Atomic(group) | Command::Sequence(group) => {
                pending.extend(group.commands.iter().rev());
            }
            Command::Add(add) => {
                for item in &add.items {
                    let target = item.target.as_ref().map(|target| Uri::parse(&target.uri));
                    let (Some(Ok(target)), Some(data)) = (target, &item.data) else {
                        return Err(DecodeError::Item);
                    };
                    let document =
                        tnds::Document::from_data(data, &limits.tnds).map_err(DecodeError::Tnds)?;
                    additions.push(Addition { target, document });
                }
            }
            other => return Err(DecodeError::Command(other.name().to_owned())),
        }
    }
    Ok(additions)
}

impl tnds::Document {
    /// Reads the document in the `Data` of a command: inline, as text, or as octets, which are XML or
    /// WBXML; text that is no markup is base64 of WBXML.
    ///
    /// # Errors
    /// A [`TndsError`](tnds::TndsError), with offsets in the data.
    pub fn from_data(data: &Data<'_>, limits: &tnds::Limits) -> Result<Self, tnds::TndsError> {
        use omadm_markup::Encoding;

        match data {
            Data::Fragment(fragment) => Self::from_fragment(fragment, limits),
            Data::Opaque(octets) => {
                // A document in WBXML starts with its version, one in XML with a printable character.
                let encoding = match octets.first() {
                    Some(0x00..=0x08) => Encoding::Wbxml,
                    _ => Encoding::Xml,
                };
                Self::decode(octets, encoding, limits)
            }
            Data::Text(text) if text.trim_start().starts_with('<') => {
                Self::decode(text.trim().as_bytes(), Encoding::Xml, limits)
            }
            Data::Text(text) => match crate::base64::decode(text) {
                Some(octets) => Self::decode(&octets, Encoding::Wbxml, limits),
                None => Err(tnds::TndsError {
                    kind: tnds::TndsErrorKind::Base64,
                    offset: 0,
                }),
            },
        }
    }
}
