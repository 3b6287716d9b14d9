use omadm_markup::{Encoding, Event, Limits, Name, Namespace, ReadError, ReadErrorKind, Reader};

use crate::{DownloadUri, InvalidUriKind, media};

/// The namespace of a descriptor of Download OTA 1.0.
const NAMESPACE: &str = "http://www.openmobilealliance.org/xmlns/dd";

/// A download descriptor: what a file is and where it is, before any byte of it comes. [DLOTA 1.0]
///
/// Elements nobody knows are ignored, and so is their order. What is read is limited: the whole
/// document to [`MAX_BYTES`](Self::MAX_BYTES), a URI to 2,048 bytes, `name` and `vendor` to 256,
/// `description` to 4,096, sixteen types of 256 each.
///
/// ```
/// use omadm_download::Descriptor;
///
/// let document = br#"<media xmlns="http://www.openmobilealliance.org/xmlns/dd">
///   <type>application/x-disk</type>
///   <size>1048576</size>
///   <objectURI>android.img</objectURI>
///   <installNotifyURI>http://images.example/report</installNotifyURI>
/// </media>"#;
/// let base = "http://images.example/a/android.dd".parse()?;
/// let descriptor = Descriptor::parse(document, &base)?;
/// assert_eq!(descriptor.object_uri.as_str(), "http://images.example/a/android.img");
/// assert_eq!(Descriptor::parse(&descriptor.to_xml(), &base)?, descriptor);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Descriptor {
    /// `type`: the media types of the object; at least one.
    pub types: Vec<String>,
    /// `size`: how many bytes the object has; more than none.
    pub size: u64,
    /// `objectURI`: where the object is.
    pub object_uri: DownloadUri,
    /// `installNotifyURI`: where to report what came of it; absent: nowhere.
    pub install_notify_uri: Option<DownloadUri>,
    /// `name`, for people.
    pub name: Option<String>,
    /// `description`, for people.
    pub description: Option<String>,
    /// `vendor`, for people.
    pub vendor: Option<String>,
    /// `infoURL`: where people find more.
    pub info_url: Option<String>,
    /// `iconURI`: where there is a picture of it.
    pub icon_uri: Option<String>,
    /// `nextURL`: where people may go afterwards.
    pub next_url: Option<String>,
    /// `installParam`: for whatever installs the object, unchanged.
    pub install_param: Option<String>,
}

/// Why something is no [`Descriptor`], and where.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct DescriptorError {
    /// What is wrong.
    pub kind: DescriptorErrorKind,
    /// The byte offset of the element at fault, or of the end of the document if one is missing;
    /// for [`DescriptorErrorKind::Markup`] see [`ReadError::offset`].
    pub offset: usize,
    install_notify_uri: Option<Box<DownloadUri>>,
}

omadm_core::debug_as_causes!(DescriptorError);

/// The kind of a [`DescriptorError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorErrorKind {
    /// It is no XML within the limits, or an element has elements that should have text.
    #[error("{0}")]
    Markup(ReadErrorKind),
    /// The root element is not `media` of Download OTA 1.0.
    #[error("the root element is not that of a descriptor")]
    Root,
    /// An element that must be there is not.
    #[error("no {0}")]
    Missing(&'static str),
    /// An element that may be there once is there twice.
    #[error("{0} given twice")]
    Duplicate(&'static str),
    /// An element is longer than allowed, or there are more than sixteen types.
    #[error("{0} too long")]
    TooLong(&'static str),
    /// The size is no number of bytes, or none.
    #[error("size is not a positive number")]
    Size,
    /// A type is no media type.
    #[error("type is not a media type")]
    Type,
    /// A URI is none, or none that a file may be at.
    #[error("{0} is not an http or https uri without credentials")]
    Uri(&'static str, InvalidUriKind),
    /// The version is not 1: nothing else of the document may mean what it seems to. [DLOTA 951]
    #[error("version not supported")]
    Version,
}

impl Descriptor {
    /// The media type of a descriptor.
    pub const MEDIA_TYPE: &'static str = "application/vnd.oma.dd+xml";

    /// No descriptor is longer: 64 KiB.
    pub const MAX_BYTES: usize = 64 << 10;

    const MAX_TYPES: usize = 16;

    /// A descriptor with what must be in one.
    #[must_use]
    pub fn new(media_type: impl Into<String>, size: u64, object_uri: DownloadUri) -> Self {
        Self {
            types: vec![media_type.into()],
            size,
            object_uri,
            install_notify_uri: None,
            name: None,
            description: None,
            vendor: None,
            info_url: None,
            icon_uri: None,
            next_url: None,
            install_param: None,
        }
    }

    /// Reads a descriptor that was found at `base`, which relative URIs are resolved against.
    ///
    /// # Errors
    /// A [`DescriptorError`], that of another version or else the first; one that was readable enough
    /// [says](DescriptorError::install_notify_uri) where it is to be reported.
    pub fn parse(document: &[u8], base: &DownloadUri) -> Result<Self, DescriptorError> {
        let mut reading = Reading::new(base);
        let read = reading.read(document);
        let error = read.err().or(reading.fault.take());
        match error {
            None => reading.finish(document.len()),
            Some(error) => Err(error),
        }
        .map_err(|(kind, offset)| DescriptorError {
            kind,
            offset,
            install_notify_uri: reading.install_notify_uri.map(Box::new),
        })
    }

    /// Whether an object of this media type may be what is described; parameters do not count.
    #[must_use]
    pub fn has_type(&self, media_type: &str) -> bool {
        self.types.iter().any(|it| media::same(it, media_type))
    }

    /// The descriptor as a document.
    #[must_use]
    pub fn to_xml(&self) -> Vec<u8> {
        let size = self.size.to_string();
        let types = self.types.iter().map(|it| ("type", Some(it.as_str())));
        let rest = [
            ("size", Some(size.as_str())),
            ("objectURI", Some(self.object_uri.as_str())),
            (
                "installNotifyURI",
                self.install_notify_uri.as_ref().map(DownloadUri::as_str),
            ),
            ("name", self.name.as_deref()),
            ("description", self.description.as_deref()),
            ("vendor", self.vendor.as_deref()),
            ("infoURL", self.info_url.as_deref()),
            ("iconURI", self.icon_uri.as_deref()),
            ("nextURL", self.next_url.as_deref()),
            ("installParam", self.install_param.as_deref()),
        ];
        let mut xml = format!("<media xmlns=\"{NAMESPACE}\">");
        for (element, text) in types.chain(rest) {
            let Some(text) = text else { continue };
            let escaped = text
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('\r', "&#13;");
            xml.push_str(&format!("<{element}>{escaped}</{element}>"));
        }
        xml.push_str("</media>");
        xml.into_bytes()
    }
}

impl DescriptorError {
    /// Where the error is to be reported, if that could be read.
    #[must_use]
    pub fn install_notify_uri(&self) -> Option<&DownloadUri> {
        self.install_notify_uri.as_deref()
    }
}

type Fault = (DescriptorErrorKind, usize);

/// A descriptor while it is read.
struct Reading<'b> {
    base: &'b DownloadUri,
    /// The first fault; what follows is read for the sake of the report.
    fault: Option<Fault>,
    types: Vec<String>,
    size: Option<u64>,
    version: Option<()>,
    object_uri: Option<DownloadUri>,
    install_notify_uri: Option<DownloadUri>,
    /// By the place of the element in [`TEXTS`].
    texts: [Option<String>; TEXTS.len()],
}

/// The elements that are kept as they are, with the bytes they may have.
const TEXTS: [(&str, usize); 7] = [
    ("name", 256),
    ("description", 4096),
    ("vendor", 256),
    ("infoURL", MAX_URI),
    ("iconURI", MAX_URI),
    ("nextURL", MAX_URI),
    ("installParam", Descriptor::MAX_BYTES),
];

const MAX_URI: usize = 2048;

impl<'b> Reading<'b> {
    fn new(base: &'b DownloadUri) -> Self {
        Self {
            base,
            fault: None,
            types: Vec::new(),
            size: None,
            version: None,
            object_uri: None,
            install_notify_uri: None,
            texts: Default::default(),
        }
    }

    fn read(&mut self, document: &[u8]) -> Result<(), Fault> {
        let mut limits = Limits::default();
        limits.max_bytes = Descriptor::MAX_BYTES;
        limits.max_text = Descriptor::MAX_BYTES;
        let failed = |error: ReadError| (DescriptorErrorKind::Markup(error.kind), error.offset);
        let mut reader = Reader::new(document, Encoding::Xml, &limits).map_err(failed)?;
        let root = match reader.next_event().map_err(failed)? {
            Some(Event::Start(name)) if is_media(&name) => name.namespace(),
            _ => return Err((DescriptorErrorKind::Root, reader.offset())),
        };
        while let Some(name) = reader.child().map_err(failed)? {
            let offset = reader.offset();
            if name.namespace() != root || !is_known(name.as_str()) {
                reader.skip().map_err(failed)?;
                continue;
            }
            let text = reader.text().map_err(failed)?;
            match self.take(name.as_str(), &text) {
                // What is meant by the rest is not known.
                Err(kind @ DescriptorErrorKind::Version) => self.fault = Some((kind, offset)),
                Err(kind) => _ = self.fault.get_or_insert((kind, offset)),
                Ok(()) => {}
            }
        }
        // The end of the document too must be as it should.
        while reader.next_event().map_err(failed)?.is_some() {}
        Ok(())
    }

    fn take(&mut self, element: &str, text: &str) -> Result<(), DescriptorErrorKind> {
        let trimmed = text.trim();
        match element {
            "type" => {
                if self.types.len() == Descriptor::MAX_TYPES || trimmed.len() > 256 {
                    return Err(DescriptorErrorKind::TooLong("type"));
                }
                if !media::is_media_type(trimmed) {
                    return Err(DescriptorErrorKind::Type);
                }
                self.types.push(trimmed.to_owned());
                Ok(())
            }
            "size" => {
                let digits = trimmed.bytes().all(|byte| byte.is_ascii_digit());
                let size = trimmed.parse().ok().filter(|size| digits && *size > 0);
                once(
                    &mut self.size,
                    "size",
                    size.ok_or(DescriptorErrorKind::Size)?,
                )
            }
            "DDVersion" => {
                let major = trimmed.split('.').next().unwrap_or_default();
                if major != "1" {
                    return Err(DescriptorErrorKind::Version);
                }
                once(&mut self.version, "DDVersion", ())
            }
            "objectURI" => {
                let uri = self.uri("objectURI", trimmed)?;
                once(&mut self.object_uri, "objectURI", uri)
            }
            "installNotifyURI" => {
                let uri = self.uri("installNotifyURI", trimmed)?;
                once(&mut self.install_notify_uri, "installNotifyURI", uri)
            }
            _ => {
                let known = TEXTS.iter().zip(&mut self.texts);
                for ((name, most), place) in known {
                    if *name == element {
                        let text = match element {
                            "installParam" => text,
                            _ => trimmed,
                        };
                        if text.len() > *most {
                            return Err(DescriptorErrorKind::TooLong(name));
                        }
                        return once(place, name, text.to_owned());
                    }
                }
                Ok(())
            }
        }
    }

    fn uri(&self, element: &'static str, text: &str) -> Result<DownloadUri, DescriptorErrorKind> {
        if text.len() > MAX_URI {
            return Err(DescriptorErrorKind::TooLong(element));
        }
        if text.is_empty() {
            return Err(DescriptorErrorKind::Missing(element));
        }
        let uri = self.base.join(text);
        uri.map_err(|error| DescriptorErrorKind::Uri(element, error.kind))
    }

    fn finish(&mut self, end: usize) -> Result<Descriptor, Fault> {
        let missing = |element| (DescriptorErrorKind::Missing(element), end);
        if self.types.is_empty() {
            return Err(missing("type"));
        }
        let size = self.size.ok_or(missing("size"))?;
        let object_uri = self.object_uri.take().ok_or(missing("objectURI"))?;
        let [
            name,
            description,
            vendor,
            info_url,
            icon_uri,
            next_url,
            install_param,
        ] = std::mem::take(&mut self.texts);
        Ok(Descriptor {
            types: std::mem::take(&mut self.types),
            size,
            object_uri,
            install_notify_uri: self.install_notify_uri.clone(),
            name,
            description,
            vendor,
            info_url,
            icon_uri,
            next_url,
            install_param,
        })
    }
}

fn once<T>(
    place: &mut Option<T>,
    element: &'static str,
    value: T,
) -> Result<(), DescriptorErrorKind> {
    if place.is_some() {
        return Err(DescriptorErrorKind::Duplicate(element));
    }
    *place = Some(value);
    Ok(())
}

/// Documents without a namespace are taken too.
fn is_media(name: &Name<'_>) -> bool {
    let is_ours = matches!(
        name.namespace(),
        Namespace::None | Namespace::Other(NAMESPACE)
    );
    is_ours && name.as_str() == "media"
}

fn is_known(element: &str) -> bool {
    let others = ["type", "size", "DDVersion", "objectURI", "installNotifyURI"];
    others.contains(&element) || TEXTS.iter().any(|(name, _)| *name == element)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base() -> DownloadUri {
        "http://h/a/x.dd".parse().unwrap()
    }

    fn media(content: &str) -> String {
        format!("<media xmlns=\"{NAMESPACE}\">{content}</media>")
    }

    const WHOLE: &str = "<type>a/b</type><size>5</size><objectURI>o</objectURI>";

    fn parse(document: &str) -> Result<Descriptor, DescriptorError> {
        Descriptor::parse(document.as_bytes(), &base())
    }

    #[test]
    fn order_white_space_and_strangers_do_not_count() {
        let document = format!(
            "<?xml version=\"1.0\"?><d:media xmlns:d=\"{NAMESPACE}\" xmlns:x=\"urn:x\">\n\
             <d:objectURI>\n /o?a=1&amp;b=2 </d:objectURI><x:size>none</x:size>\
             <d:progressiveDownloadFlag>true</d:progressiveDownloadFlag>\
             <d:other><d:size>7</d:size></d:other><d:DDVersion>1.5</d:DDVersion>\
             <d:size> 0005 </d:size><d:type>A/b</d:type><d:type>c/d; e=f</d:type>\
             <d:installParam> as it is </d:installParam><d:name> N </d:name></d:media>"
        );
        let mut due = Descriptor::new("A/b", 5, "http://h/o?a=1&b=2".parse().unwrap());
        due.types.push("c/d; e=f".to_owned());
        due.install_param = Some(" as it is ".to_owned());
        due.name = Some("N".to_owned());
        let read = parse(&document).unwrap();
        assert_eq!(read, due);
        assert!(read.has_type("a/B;x=y") && read.has_type("c/d") && !read.has_type("c/e"));
        let bare = format!("<media>{WHOLE}</media>");
        assert_eq!(parse(&bare).unwrap().size, 5);
    }

    #[test]
    fn a_fault_has_a_kind_and_a_place() {
        use DescriptorErrorKind as Kind;
        let long = "x".repeat(2049);
        for (content, kind, at) in [
            ("", Kind::Missing("type"), None),
            ("<type>a/b</type>", Kind::Missing("size"), None),
            (
                "<type>a/b</type><size>1</size>",
                Kind::Missing("objectURI"),
                None,
            ),
            ("<size>0</size>", Kind::Size, Some("<size")),
            ("<size>1,000</size>", Kind::Size, Some("<size")),
            ("<size>+1</size>", Kind::Size, Some("<size")),
            ("<size/>", Kind::Size, Some("<size")),
            (
                "<size>18446744073709551616</size>",
                Kind::Size,
                Some("<size"),
            ),
            (
                "<size>1</size><size >1</size>",
                Kind::Duplicate("size"),
                Some("<size >"),
            ),
            ("<type>ab</type>", Kind::Type, Some("<type")),
            ("<DDVersion>2.0</DDVersion>", Kind::Version, Some("<DDV")),
            ("<DDVersion>10</DDVersion>", Kind::Version, Some("<DDV")),
            (
                "<objectURI> </objectURI>",
                Kind::Missing("objectURI"),
                Some("<obj"),
            ),
            (
                "<objectURI>file:///etc/passwd</objectURI>",
                Kind::Uri("objectURI", InvalidUriKind::Scheme),
                Some("<obj"),
            ),
            (
                "<objectURI>cid:1</objectURI>",
                Kind::Uri("objectURI", InvalidUriKind::Scheme),
                Some("<obj"),
            ),
            (
                &format!("<objectURI>{long}</objectURI>"),
                Kind::TooLong("objectURI"),
                Some("<obj"),
            ),
            (
                &format!("<vendor>{}</vendor>", "x".repeat(257)),
                Kind::TooLong("vendor"),
                Some("<ven"),
            ),
            (
                &"<type>a/b</type>".repeat(17),
                Kind::TooLong("type"),
                Some("<type>a/b</type></media>"),
            ),
            (
                "<size><type>a/b</type></size>",
                Kind::Markup(ReadErrorKind::UnexpectedElement),
                Some("<type"),
            ),
            (
                "text",
                Kind::Markup(ReadErrorKind::UnexpectedText),
                Some("text"),
            ),
            (
                "<size>&e;</size>",
                Kind::Markup(ReadErrorKind::UndefinedEntity),
                Some("&e;"),
            ),
        ] {
            let document = media(content);
            let error = parse(&document).unwrap_err();
            let at = at.map_or(document.len(), |at| document.find(at).unwrap());
            assert_eq!((error.kind, error.offset), (kind, at), "{content:.80}");
        }
        for (document, kind) in [
            ("<object/>", DescriptorErrorKind::Root),
            ("<media xmlns=\"urn:x\"/>", DescriptorErrorKind::Root),
            (
                "<!DOCTYPE media SYSTEM \"http://h/x\"><media/>",
                Kind::Markup(ReadErrorKind::Doctype),
            ),
            ("", Kind::Markup(ReadErrorKind::UnexpectedEnd)),
        ] {
            assert_eq!(parse(document).unwrap_err().kind, kind, "{document}");
        }
        let large = media(&format!("<x>{}</x>", "x".repeat(Descriptor::MAX_BYTES)));
        let error = parse(&large).unwrap_err();
        assert_eq!(error.kind, Kind::Markup(ReadErrorKind::TooLarge));
    }

    /// [DLOTA 906, 951]: who can be told is told, wherever the fault is.
    #[test]
    fn a_fault_says_where_to_report_it() {
        let notify = "<installNotifyURI>n</installNotifyURI>";
        for content in [
            format!("{notify}<size>0</size>"),
            format!("<size>0</size>{notify}"),
            format!("<DDVersion>2.0</DDVersion>{notify}<size>0</size>"),
            format!("{notify}{notify}"),
            notify.to_owned(),
        ] {
            let error = parse(&media(&content)).unwrap_err();
            let uri = error.install_notify_uri().map(DownloadUri::as_str);
            assert_eq!(uri, Some("http://h/a/n"), "{content}");
        }
        let cut = format!("<media>{notify}<size>");
        assert!(parse(&cut).unwrap_err().install_notify_uri().is_some());
        let error = parse(&media("<size>0</size>")).unwrap_err();
        assert_eq!(error.install_notify_uri(), None);
    }

    fn text() -> impl Strategy<Value = Option<String>> {
        proptest::option::of("[!-~äß]([ -~\\t\\r\\n]{0,20}[!-~])?")
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            types in proptest::collection::vec("[a-z]{1,9}/[a-z0-9+.-]{1,20}", 1..16),
            size in 1u64..,
            object in "[a-z/&'?=]{0,30}",
            notify in proptest::option::of("[a-z/&?=]{0,30}"),
            texts in proptest::array::uniform6(text()),
            param in proptest::option::of("[ -~\\r\\n\\t]{0,40}"),
        ) {
            let [name, description, vendor, info_url, icon_uri, next_url] = texts;
            let descriptor = Descriptor {
                types,
                size,
                object_uri: format!("http://h/{object}").parse().unwrap(),
                install_notify_uri: notify.map(|path| format!("https://h/{path}").parse().unwrap()),
                name,
                description,
                vendor,
                info_url,
                icon_uri,
                next_url,
                install_param: param,
            };
            prop_assert_eq!(Descriptor::parse(&descriptor.to_xml(), &base()), Ok(descriptor));
        }

        /// Whatever is read can be written and read again; a fault lies inside the document.
        #[test]
        fn any_text_is_a_descriptor_or_has_a_fault(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("<media>".to_owned()), Just("</media>".to_owned()),
                    Just("<type>a/b</type>".to_owned()), Just("<size>7</size>".to_owned()),
                    Just("<objectURI>http://x/y</objectURI>".to_owned()),
                    Just("<installNotifyURI>".to_owned()), Just("</installNotifyURI>".to_owned()),
                    Just("<DDVersion>1</DDVersion>".to_owned()), "\\PC{0,8}",
                ],
                0..10,
            ),
        ) {
            let document = parts.concat();
            match parse(&document) {
                Ok(read) => {
                    prop_assert_eq!(Descriptor::parse(&read.to_xml(), &base()), Ok(read));
                }
                Err(error) => prop_assert!(error.offset <= document.len()),
            }
        }
    }
}
