use omadm_markup::{Encoding, Event, Limits, Reader};

use super::{
    Characteristic, Document, MAX_DEPTH, Parm, ProvisioningError, ProvisioningErrorKind as Kind,
};

impl Document {
    /// Reads a document.
    ///
    /// Elements nobody knows are skipped. [`Limits::lenient`] lets a `DOCTYPE` pass, which documents
    /// in XML usually have.
    ///
    /// # Errors
    /// A [`ProvisioningError`].
    pub fn decode(
        document: &[u8],
        encoding: Encoding,
        limits: &Limits,
    ) -> Result<Self, ProvisioningError> {
        let mut reader = Reader::new(document, encoding, limits)?;
        match reader.next_event()? {
            Some(Event::Start(name)) if name.as_str() == "wap-provisioningdoc" => {}
            _ => return Err(Kind::Root.at(reader.offset())),
        }
        // The document stands for itself at the bottom, as a characteristic of no type.
        let mut bottom = Characteristic::default();
        let mut open: Vec<Characteristic> = Vec::new();
        while let Some(event) = reader.next_event()? {
            let offset = reader.offset();
            match event {
                Event::Start(name) => match name.as_str() {
                    "characteristic" if open.len() == MAX_DEPTH => {
                        return Err(Kind::TooDeep.at(offset));
                    }
                    "characteristic" => open.push(Characteristic::default()),
                    "parm" => match open.last_mut() {
                        Some(top) => top.parms.push(parm(&mut reader, offset)?),
                        None => return Err(Kind::Misplaced.at(offset)),
                    },
                    _ => reader.skip()?,
                },
                Event::Attribute(name, value) if name.as_str() == "type" => {
                    if let Some(top) = open.last_mut() {
                        top.kind = value.trim().to_owned();
                    }
                }
                Event::Attribute(..) | Event::Text(_) | Event::Opaque(_) => {}
                Event::End => {
                    let Some(top) = open.pop() else { continue };
                    if top.kind.is_empty() {
                        return Err(Kind::Unnamed.at(offset));
                    }
                    let parent = open.last_mut().unwrap_or(&mut bottom);
                    parent.characteristics.push(top);
                }
            }
        }
        Ok(Self {
            characteristics: bottom.characteristics,
        })
    }
}

/// Reads the parameter that has just begun.
fn parm(reader: &mut Reader<'_>, offset: usize) -> Result<Parm, ProvisioningError> {
    let mut parm = Parm::default();
    loop {
        match reader.next_event()? {
            Some(Event::Attribute(name, value)) => match name.as_str() {
                "name" => parm.name = value.trim().to_owned(),
                "value" => parm.value = Some(value.into_owned()),
                _ => {}
            },
            Some(Event::End) if parm.name.is_empty() => return Err(Kind::Unnamed.at(offset)),
            Some(Event::End) => return Ok(parm),
            Some(Event::Start(_)) => return Err(Kind::Misplaced.at(reader.offset())),
            Some(Event::Text(_) | Event::Opaque(_)) | None => {}
        }
    }
}
