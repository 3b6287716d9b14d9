use omadm_core::Format;
use omadm_markup::{Encoding, WriteError};
use omadm_syncml::{CmdId, Command, Header, Item, Message, Meta, NodeCommand};

use super::{Addition, Content, MediaType};
use crate::tnds;

/// Why a bootstrap cannot be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The content is of the other profile, or not one addition to `./Inbox` for a document alone.
    #[error("the content does not fit {}", .0.as_str())]
    Content(MediaType),
    /// It holds what its encoding cannot carry.
    #[error("the content cannot be written")]
    Write(#[source] WriteError),
    /// The message cannot be written.
    #[error("the message cannot be written")]
    Message(#[source] omadm_syncml::EncodeError),
}

impl Content {
    /// Writes a bootstrap.
    ///
    /// The header of a message names neither server nor device, as no session follows from it.
    ///
    /// # Errors
    /// An [`EncodeError`].
    pub fn encode(&self, media_type: MediaType) -> Result<Vec<u8>, EncodeError> {
        let encoding = media_type.encoding();
        let mut out = Vec::new();
        match (self, media_type) {
            (
                Self::Provisioning(document),
                MediaType::ProvisioningWbxml | MediaType::ProvisioningXml,
            ) => document
                .encode(encoding, &mut out)
                .map_err(EncodeError::Write)?,
            (Self::Additions(additions), MediaType::TndsWbxml | MediaType::TndsXml) => {
                match additions.as_slice() {
                    [addition] if addition.target == crate::standard::inbox::root() => addition
                        .document
                        .encode(encoding, &mut out)
                        .map_err(EncodeError::Write)?,
                    _ => return Err(EncodeError::Content(media_type)),
                }
            }
            (Self::Additions(additions), MediaType::MessageWbxml | MediaType::MessageXml) => {
                let message = message(additions, encoding).map_err(EncodeError::Write)?;
                omadm_syncml::encode(&message, encoding, &mut out).map_err(EncodeError::Message)?;
            }
            _ => return Err(EncodeError::Content(media_type)),
        }
        Ok(out)
    }
}

/// One Add for each addition.
fn message(additions: &[Addition], encoding: Encoding) -> Result<Message<'static>, WriteError> {
    let mut message = Message::new(Header::new("0", 1, "", ""));
    let (format, media_type) = match encoding {
        Encoding::Xml => (Format::Xml, tnds::MIME_XML),
        Encoding::Wbxml => (Format::Bin, tnds::MIME_WBXML),
    };
    let mut id = CmdId::FIRST;
    for addition in additions {
        let item = Item::new()
            .with_target(addition.target.to_string())
            .with_meta(Meta::new().with_format(format).with_type(media_type))
            .with_data(addition.document.to_fragment(encoding)?);
        message
            .commands
            .push(Command::Add(NodeCommand::new([item]).with_cmd_id(id)));
        id = id.next();
    }
    message.is_final = true;
    Ok(message)
}
