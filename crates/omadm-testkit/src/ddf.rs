//! The document type of device descriptions, independent of the code that writes them. [DM-DDF]

use quick_xml::{Reader, events::Event};

/// How often a particle of a content model occurs.
#[derive(Clone, Copy)]
enum Occurs {
    Once,
    Maybe,
    Any,
    Some,
}

use Occurs::{Any, Maybe, Once, Some as AtLeastOnce};

/// A choice of elements, so many times.
type Particle = (&'static [&'static str], Occurs);

/// What an element may contain.
enum Content {
    /// Nothing.
    Empty,
    /// Text alone.
    Text,
    /// One of these sequences of elements.
    Elements(&'static [&'static [Particle]]),
}

use Content::{Elements, Empty, Text};

const FORMATS: &[&str] = &[
    "b64", "bin", "bool", "chr", "int", "node", "null", "xml", "date", "time", "float",
];

/// The DTD 1.2, element by element.
fn content(element: &str) -> Option<Content> {
    Some(match element {
        "MgmtTree" => Elements(&[&[
            (&["VerDTD"], Once),
            (&["Man"], Maybe),
            (&["Mod"], Maybe),
            (&["Node"], AtLeastOnce),
        ]]),
        "Node" => Elements(&[
            &[
                (&["NodeName"], Once),
                (&["Path"], Maybe),
                (&["RTProperties"], Maybe),
                (&["DFProperties"], Maybe),
                (&["Node"], Any),
            ],
            &[
                (&["NodeName"], Once),
                (&["Path"], Maybe),
                (&["RTProperties"], Maybe),
                (&["DFProperties"], Maybe),
                (&["Value"], Maybe),
            ],
        ]),
        "RTProperties" => Elements(&[&[
            (&["ACL"], Maybe),
            (&["Format"], Maybe),
            (&["Name"], Maybe),
            (&["Size"], Maybe),
            (&["Title"], Maybe),
            (&["TStamp"], Maybe),
            (&["Type"], Once),
            (&["VerNo"], Maybe),
        ]]),
        "DFProperties" => Elements(&[&[
            (&["AccessType"], Once),
            (&["DefaultValue"], Maybe),
            (&["Description"], Maybe),
            (&["DFFormat"], Once),
            (&["Occurrence"], Maybe),
            (&["Scope"], Maybe),
            (&["DFTitle"], Maybe),
            (&["DFType"], Once),
            (&["CaseSense"], Maybe),
        ]]),
        "Format" | "DFFormat" => Elements(&[&[(FORMATS, Once)]]),
        "Type" => Elements(&[&[(&["MIME", "DDFName"], Once)]]),
        "DFType" => Elements(&[&[(&["MIME"], AtLeastOnce)], &[(&["DDFName"], Once)]]),
        "AccessType" => Elements(&[&[
            (&["Add"], Maybe),
            (&["Copy"], Maybe),
            (&["Delete"], Maybe),
            (&["Exec"], Maybe),
            (&["Get"], Maybe),
            (&["Replace"], Maybe),
        ]]),
        "Occurrence" => Elements(&[&[(
            &[
                "One",
                "ZeroOrOne",
                "ZeroOrMore",
                "OneOrMore",
                "ZeroOrN",
                "OneOrN",
            ],
            Once,
        )]]),
        "Scope" => Elements(&[&[(&["Permanent", "Dynamic"], Once)]]),
        "CaseSense" => Elements(&[&[(&["CS", "CIS"], Once)]]),
        "VerDTD" | "Man" | "Mod" | "NodeName" | "Path" | "Value" | "ACL" | "Name" | "Size"
        | "Title" | "TStamp" | "VerNo" | "MIME" | "DDFName" | "DefaultValue" | "Description"
        | "DFTitle" | "ZeroOrN" | "OneOrN" => Text,
        "Add" | "Copy" | "Delete" | "Exec" | "Get" | "Replace" | "One" | "ZeroOrOne"
        | "ZeroOrMore" | "OneOrMore" | "Permanent" | "Dynamic" | "CS" | "CIS" => Empty,
        format if FORMATS.contains(&format) => Empty,
        _ => return None,
    })
}

/// An element whose end has not come yet.
struct Open {
    name: String,
    children: Vec<String>,
    text: String,
}

/// Checks a description against the DTD 1.2: the document type and its version instruction, the
/// content of every element, no attribute and no namespace, and that a described node has its
/// `DFProperties`.
///
/// # Errors
/// What is wrong, for people.
pub fn validate(document: &str) -> Result<(), String> {
    let mut reader = Reader::from_str(document);
    let mut open: Vec<Open> = Vec::new();
    let mut doctype = false;
    let mut roots = 0;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let (name, ends) = match &event {
            Event::Start(tag) => (Some(tag), false),
            Event::Empty(tag) => (Some(tag), true),
            Event::End(_) => (None, true),
            Event::DocType(text) => {
                doctype = true;
                check_doctype(text)?;
                continue;
            }
            Event::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(text);
                }
                continue;
            }
            Event::GeneralRef(_) | Event::CData(_) => {
                if let Some(element) = open.last_mut() {
                    element.text.push('&');
                }
                continue;
            }
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => continue,
        };
        if let Some(tag) = name {
            if tag.attributes().next().is_some() {
                return Err(format!("{tag:?} has an attribute"));
            }
            let name = tag.name().as_ref().to_owned();
            match open.last_mut() {
                Some(parent) => parent.children.push(name.clone()),
                None if name == "MgmtTree" => roots += 1,
                None => return Err(format!("the root is {name}")),
            }
            open.push(Open {
                name,
                children: Vec::new(),
                text: String::new(),
            });
        }
        if ends && let Some(element) = open.pop() {
            check(&element)?;
        }
    }
    if !doctype || roots != 1 || !open.is_empty() {
        return Err("no document type, or not one root".to_owned());
    }
    Ok(())
}

fn check_doctype(text: &str) -> Result<(), String> {
    for part in [
        "MgmtTree PUBLIC",
        "\"-//OMA//DTD-DM-DDF 1.2//EN\"",
        "\"http://www.openmobilealliance.org/tech/DTD/DM_DDF-V1_2.dtd\"",
        "<?oma-dm-ddf-ver supported-versions=\"1.2\"?>",
    ] {
        if !text.contains(part) {
            return Err(format!("the document type lacks {part}"));
        }
    }
    Ok(())
}

fn check(element: &Open) -> Result<(), String> {
    let Open {
        name,
        children,
        text,
    } = element;
    let blank = text.chars().all(char::is_whitespace);
    let valid = match content(name) {
        None => return Err(format!("unknown element {name}")),
        Some(Empty) => children.is_empty() && text.is_empty(),
        Some(Text) => children.is_empty(),
        Some(Elements(models)) => blank && models.iter().any(|model| matches(model, children)),
    };
    let value_is_valid = match name.as_str() {
        "VerDTD" => text == "1.2",
        "ZeroOrN" | "OneOrN" => text.parse().is_ok_and(|n: u32| (2..=65_536).contains(&n)),
        "Node" => children.iter().any(|child| child == "DFProperties"),
        _ => true,
    };
    if valid && value_is_valid {
        Ok(())
    } else {
        Err(format!("{name} must not contain {children:?} {text:?}"))
    }
}

/// Whether a list of elements is what a sequence of particles asks for.
fn matches(model: &[Particle], children: &[String]) -> bool {
    let mut rest = children;
    for (names, occurs) in model {
        let count = rest
            .iter()
            .take_while(|child| names.contains(&child.as_str()))
            .count();
        let taken = match occurs {
            Once | Maybe => count.min(1),
            Any | AtLeastOnce => count,
        };
        if taken == 0 && matches!(occurs, Once | AtLeastOnce) {
            return false;
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROLOG: &str = "<!DOCTYPE MgmtTree PUBLIC \"-//OMA//DTD-DM-DDF 1.2//EN\" \
        \"http://www.openmobilealliance.org/tech/DTD/DM_DDF-V1_2.dtd\" \
        [<?oma-dm-ddf-ver supported-versions=\"1.2\"?>]>";

    const NODE: &str = "<Node><NodeName/><DFProperties><AccessType><Get/></AccessType>\
        <DFFormat><chr/></DFFormat><DFType><MIME>text/plain</MIME></DFType></DFProperties></Node>";

    fn tree(nodes: &str) -> String {
        format!("{PROLOG}<MgmtTree><VerDTD>1.2</VerDTD>{nodes}</MgmtTree>")
    }

    #[test]
    fn a_valid_description_passes() {
        assert_eq!(validate(&tree(NODE)), Ok(()));
    }

    #[test]
    fn every_kind_of_fault_is_found() {
        let changed = |from: &str, to: &str| {
            let node = NODE.replace(from, to);
            assert_ne!(node, NODE);
            tree(&node)
        };
        for document in [
            tree(""),
            tree(NODE).replace("1.2</VerDTD>", "1.3</VerDTD>"),
            tree(NODE).replace(PROLOG, ""),
            tree(NODE).replace("<?oma", "<?other"),
            tree(NODE).replace("<MgmtTree>", "<MgmtTree xmlns=\"syncml:dmddf1.2\">"),
            changed("<Get/>", "<Replace/><Get/>"),
            changed("<Get/>", "<Get/><Get/>"),
            changed("<Get/>", "<Get>x</Get>"),
            changed("<chr/>", "<chr/><int/>"),
            changed("<chr/>", "<text/>"),
            changed("<DFFormat><chr/></DFFormat>", ""),
            changed("<MIME>", "x<MIME>"),
            changed("</MIME>", "</MIME><DDFName/>"),
            changed("<NodeName/>", ""),
            changed("<NodeName/><DFProperties>", "<DFProperties>")
                .replace("</Node>", "<NodeName/></Node>"),
            changed("</DFProperties>", "</DFProperties><Value/><Value/>"),
            tree("<Node><NodeName/></Node>"),
            changed(
                "</DFFormat>",
                "</DFFormat><Occurrence><OneOrN>1</OneOrN></Occurrence>",
            ),
            tree(NODE).replace("</MgmtTree>", ""),
        ] {
            assert!(validate(&document).is_err(), "{document}");
        }
    }
}
