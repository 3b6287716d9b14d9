use omadm_markup::{Encoding, Name, Vocabulary, WriteError, Writer};
use omadm_tree::{Occurrence, Scope};

use super::{Description, Document, NodeType, Properties};

/// What a document in XML starts with. The version instruction is where published descriptions have
/// it: inside the document type.
const PROLOG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE MgmtTree PUBLIC "-//OMA//DTD-DM-DDF 1.2//EN"
  "http://www.openmobilealliance.org/tech/DTD/DM_DDF-V1_2.dtd"
  [<?oma-dm-ddf-ver supported-versions="1.2"?>]>
"#;

impl Document {
    /// Appends the document to `out`: in XML with its document type, without a namespace and
    /// indented, elements in the order of the DTD.
    ///
    /// # Errors
    /// [`WriteError::InvalidCharacter`] for text XML cannot carry.
    pub fn encode(&self, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), WriteError> {
        enum Step<'a> {
            Write(&'a Description),
            End,
        }

        if encoding == Encoding::Xml {
            out.extend_from_slice(PROLOG.as_bytes());
        }
        let mut elements = Elements(Writer::new(encoding, out)?.pretty());
        elements.start("MgmtTree")?;
        elements.text("VerDTD", "1.2")?;
        elements.optional("Man", self.man.as_deref())?;
        elements.optional("Mod", self.model.as_deref())?;
        let mut steps: Vec<Step<'_>> = self.nodes.iter().rev().map(Step::Write).collect();
        while let Some(step) = steps.pop() {
            match step {
                Step::Write(node) => {
                    elements.start("Node")?;
                    elements.text("NodeName", &node.name)?;
                    elements.optional("Path", node.path.as_deref())?;
                    if let Some(properties) = &node.properties {
                        elements.properties(properties)?;
                    }
                    steps.push(Step::End);
                    steps.extend(node.nodes.iter().rev().map(Step::Write));
                }
                Step::End => elements.0.end()?,
            }
        }
        elements.0.end()?;
        elements.0.finish()
    }
}

/// The document being written.
struct Elements<'o>(Writer<'o>);

type Written = Result<(), WriteError>;

impl Elements<'_> {
    /// Begins an element; in XML without a namespace, as the DTD has none.
    fn start(&mut self, name: &str) -> Written {
        match (self.0.encoding(), Vocabulary::Ddf.tag(name)) {
            (Encoding::Wbxml, Some(tag)) => self.0.start(tag),
            _ => self.0.start(Name::local(name)),
        }
    }

    fn text(&mut self, name: &str, text: &str) -> Written {
        self.start(name)?;
        if !text.is_empty() {
            self.0.text(text)?;
        }
        self.0.end()
    }

    fn optional(&mut self, name: &str, text: Option<&str>) -> Written {
        text.map_or(Ok(()), |text| self.text(name, text))
    }

    /// An element with an empty element in it.
    fn word(&mut self, name: &str, word: &str) -> Written {
        self.start(name)?;
        self.text(word, "")?;
        self.0.end()
    }

    fn properties(&mut self, properties: &Properties) -> Written {
        self.start("DFProperties")?;
        self.start("AccessType")?;
        for access in properties.access.iter() {
            self.text(access.as_str(), "")?;
        }
        self.0.end()?;
        self.optional("DefaultValue", properties.default_value.as_deref())?;
        self.optional("Description", properties.description.as_deref())?;
        self.word("DFFormat", properties.format.as_str())?;
        if let Some(occurrence) = properties.occurrence {
            self.start("Occurrence")?;
            match occurrence {
                Occurrence::One => self.text("One", "")?,
                Occurrence::ZeroOrOne => self.text("ZeroOrOne", "")?,
                Occurrence::ZeroOrMore => self.text("ZeroOrMore", "")?,
                Occurrence::OneOrMore => self.text("OneOrMore", "")?,
                Occurrence::ZeroOrN(n) => self.text("ZeroOrN", &n.to_string())?,
                Occurrence::OneOrN(n) => self.text("OneOrN", &n.to_string())?,
            }
            self.0.end()?;
        }
        match properties.scope {
            Some(Scope::Permanent) => self.word("Scope", "Permanent")?,
            Some(Scope::Dynamic) => self.word("Scope", "Dynamic")?,
            None => {}
        }
        self.optional("DFTitle", properties.title.as_deref())?;
        self.start("DFType")?;
        match &properties.node_type {
            NodeType::DdfName(name) => self.text("DDFName", name)?,
            NodeType::Mime(types) => {
                for media_type in types {
                    self.text("MIME", media_type)?;
                }
            }
        }
        self.0.end()?;
        if let Some(case) = properties.case_sense {
            self.word("CaseSense", case.as_str())?;
        }
        self.0.end()
    }
}
