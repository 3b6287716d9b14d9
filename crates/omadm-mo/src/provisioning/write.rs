use omadm_markup::{Encoding, Name, WriteError, Writer};

use super::{Characteristic, Document, Parm};

impl Document {
    /// Appends the document to `out`, as version 1.1.
    ///
    /// # Errors
    /// [`WriteError::InvalidCharacter`] for text XML cannot carry.
    pub fn encode(&self, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), WriteError> {
        enum Step<'a> {
            Write(&'a Characteristic),
            End,
        }

        let mut writer = Writer::new(encoding, out)?;
        writer.start(Name::local("wap-provisioningdoc"))?;
        writer.attribute(Name::local("version"), "1.1")?;
        let mut steps: Vec<Step<'_>> = self.characteristics.iter().rev().map(Step::Write).collect();
        while let Some(step) = steps.pop() {
            match step {
                Step::Write(characteristic) => {
                    writer.start(Name::local("characteristic"))?;
                    writer.attribute(Name::local("type"), &characteristic.kind)?;
                    for parm in &characteristic.parms {
                        write(&mut writer, parm)?;
                    }
                    steps.push(Step::End);
                    steps.extend(characteristic.characteristics.iter().rev().map(Step::Write));
                }
                Step::End => writer.end()?,
            }
        }
        writer.end()?;
        writer.finish()
    }
}

fn write(writer: &mut Writer<'_>, parm: &Parm) -> Result<(), WriteError> {
    writer.start(Name::local("parm"))?;
    writer.attribute(Name::local("name"), &parm.name)?;
    if let Some(value) = &parm.value {
        writer.attribute(Name::local("value"), value)?;
    }
    writer.end()
}
