//! One event stream over the two encodings of OMA DM documents: XML and WBXML.
//!
//! A [`Reader`] turns a document into [`Event`]s, a [`Writer`] turns events into a document; both
//! mean the same in either [`Encoding`]. Names of the vocabularies of OMA DM are [`Tag`]s, numbers
//! that compare at once; any other name is kept as text. A [`Fragment`] is an embedded document
//! that can be replayed into any writer.
//!
//! ```
//! use omadm_markup::{Encoding, Event, Limits, Name, Reader, Writer, syncml};
//!
//! let xml = br#"<Meta xmlns="SYNCML:SYNCML1.2"><Type xmlns="syncml:metinf">a &amp; b</Type></Meta>"#;
//! let mut reader = Reader::new(xml, Encoding::Xml, &Limits::default())?;
//! assert_eq!(reader.next_event()?, Some(Event::Start(Name::Known(syncml::META))));
//!
//! let mut out = Vec::new();
//! let mut writer = Writer::new(Encoding::Xml, &mut out)?;
//! writer.start(syncml::META)?;
//! while let Some(event) = reader.next_event()? {
//!     writer.event(&event)?;
//! }
//! writer.finish()?;
//! assert_eq!(out, xml);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Hostile input
//!
//! Reading never panics, never recurses and keeps within [`Limits`]. A document type declaration,
//! and with it everything one could do, is refused; so are references to entities other than the
//! five of XML. Nothing is ever fetched. Strings of a WBXML string table and names of namespaces
//! may be referred to until they add up to [`Limits::max_bytes`]. An error says what is wrong and at
//! which byte.

mod chars;
mod encoding;
mod error;
mod event;
mod fragment;
mod limits;
mod name;
mod octets;
mod reader;
mod vocabulary;
mod wbxml;
mod word;
mod writer;

pub use encoding::{Encoding, OutputEncoding};
pub use error::{ReadError, ReadErrorKind, WriteError};
pub use event::{Content, Event};
pub use fragment::Fragment;
pub use limits::Limits;
pub use name::{Name, Namespace};
pub use reader::Reader;
pub use vocabulary::{Tag, Vocabulary, ddf, devinf, metinf, syncml};
pub use writer::{Mark, PublicId, WbxmlOptions, WbxmlVersion, Writer};
