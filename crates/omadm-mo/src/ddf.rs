//! Device descriptions as documents. [DM-DDF]

use omadm_markup::{Encoding, Name, WriteError, Writer};
use omadm_tree::{Occurrence, Scope, Value};

use crate::{Definition, NodeDefinition};

/// What every description starts with. The version instruction is where published descriptions have
/// it: inside the document type.
const PROLOG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE MgmtTree PUBLIC "-//OMA//DTD-DM-DDF 1.2//EN"
  "http://www.openmobilealliance.org/tech/DTD/DM_DDF-V1_2.dtd"
  [<?oma-dm-ddf-ver supported-versions="1.2"?>]>
"#;

/// Writes the DDF document of a definition: valid by the DTD 1.2, without a namespace, indented.
///
/// Optional nodes are described like required ones, for the document says what a device may have. A
/// node named at run time has an empty `NodeName`. A `DefaultValue` is the value a node appears
/// with. There is no `Path`, as a description does not say where the object is mounted.
///
/// ```
/// let text = omadm_mo::ddf::write(&omadm_mo::DEV_INFO)?;
/// assert!(text.contains("<NodeName>DevInfo</NodeName>"));
/// # Ok::<(), omadm_markup::WriteError>(())
/// ```
///
/// # Errors
/// [`WriteError::InvalidCharacter`] if a text of the table has a character XML cannot carry.
pub fn write(definition: &Definition) -> Result<String, WriteError> {
    let mut out = PROLOG.as_bytes().to_vec();
    let mut document = Document(Writer::new(Encoding::Xml, &mut out)?.pretty());
    document.element("MgmtTree", |document| {
        document.text("VerDTD", "1.2")?;
        document.rows(definition, definition.node(""))
    })?;
    document.0.finish()?;
    String::from_utf8(out).map_err(|_| WriteError::InvalidCharacter)
}

/// The document being written. Every name is without a namespace, as the DTD has none.
struct Document<'o>(Writer<'o>);

type Written = Result<(), WriteError>;

impl Document<'_> {
    fn element(&mut self, name: &str, content: impl FnOnce(&mut Self) -> Written) -> Written {
        self.0.start(Name::local(name))?;
        content(self)?;
        self.0.end()
    }

    fn text(&mut self, name: &str, text: &str) -> Written {
        self.element(name, |document| document.0.text(text))
    }

    fn empty(&mut self, name: &str) -> Written {
        self.element(name, |_| Ok(()))
    }

    /// Writes rows, each with the rows below it.
    fn rows(
        &mut self,
        definition: &Definition,
        rows: impl IntoIterator<Item = &'static NodeDefinition>,
    ) -> Written {
        rows.into_iter().try_for_each(|row| {
            let name = match row.name() {
                Some(_) if row.is_placeholder() => "",
                Some(name) => name,
                None if definition.has_named_root() => definition.name,
                None => "",
            };
            self.element("Node", |document| {
                document.text("NodeName", name)?;
                document.element("DFProperties", |document| {
                    document.properties(definition, row)
                })?;
                document.rows(definition, definition.children(row.path))
            })
        })
    }

    /// Writes the columns of a row, in the order of the DTD.
    fn properties(&mut self, definition: &Definition, row: &NodeDefinition) -> Written {
        self.element("AccessType", |document| {
            let mut access = row.access.iter();
            access.try_for_each(|access| document.empty(access.as_str()))
        })?;
        if !row.initial.is_empty() {
            self.text("DefaultValue", row.initial)?;
        }
        self.text("Description", row.description)?;
        self.element("DFFormat", |document| document.empty(row.format.as_str()))?;
        self.element("Occurrence", |document| match row.occurrence {
            Occurrence::One => document.empty("One"),
            Occurrence::ZeroOrOne => document.empty("ZeroOrOne"),
            Occurrence::ZeroOrMore => document.empty("ZeroOrMore"),
            Occurrence::OneOrMore => document.empty("OneOrMore"),
            Occurrence::ZeroOrN(n) => document.text("ZeroOrN", &n.to_string()),
            Occurrence::OneOrN(n) => document.text("OneOrN", &n.to_string()),
        })?;
        self.element("Scope", |document| match row.scope {
            Scope::Permanent => document.empty("Permanent"),
            Scope::Dynamic => document.empty("Dynamic"),
        })?;
        self.element("DFType", |document| {
            if row.path.is_empty() {
                document.text("DDFName", definition.moid)
            } else if row.is_interior() {
                document.empty("DDFName")
            } else if row.media_types.is_empty() {
                document.text("MIME", Value::default_media_type(row.format))
            } else {
                let mut types = row.media_types.iter();
                types.try_for_each(|media_type| document.text("MIME", media_type))
            }
        })
    }
}
