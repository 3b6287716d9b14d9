use std::{
    collections::BTreeMap,
    fs::{File, Metadata},
    io::{self, Seek, SeekFrom},
    net::SocketAddr,
    path::{Component, Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::{
    Method, Response, StatusCode,
    header::{
        ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
        HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
    },
    http::request::Parts,
};
use omadm_download::{Descriptor, DownloadUri};
use percent_encoding::percent_decode_str;
use tokio::task::spawn_blocking;

use super::{
    body::Body,
    connection::{not_allowed, plain, text},
    described::{self, Descriptors, InstallReport},
    range::{self, Selection},
};

/// Files to serve: one directory and what is below it. [RFC 9110 §14]
///
/// `Range` and `If-Range` are honoured; `ETag` and `Last-Modified` come from the length and the
/// time of the last change. Nothing outside the directory is served, also not through a symbolic
/// link.
#[derive(Clone, Debug)]
pub struct Files {
    directory: PathBuf,
    media_types: BTreeMap<String, Vec<HeaderValue>>,
    descriptors: Option<Descriptors>,
}

impl Files {
    /// The files of this directory, as `application/octet-stream`.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            media_types: BTreeMap::new(),
            descriptors: None,
        }
    }

    /// Serves one file, named by its path below the directory with `/` between the parts, under
    /// another media type. Of several it has the one that the request names in its `Accept`, or
    /// else the first. A text that cannot be a header value is ignored. [RFC 9110 §12.5.1]
    #[must_use]
    pub fn with_media_type(mut self, name: impl Into<String>, media_type: &str) -> Self {
        if let Ok(media_type) = media_type.parse() {
            let types = self.media_types.entry(name.into()).or_default();
            if !types.contains(&media_type) {
                types.push(media_type);
            }
        }
        self
    }

    /// Also says what each file is: at its name with `.dd` behind it is a [`Descriptor`] with its
    /// length, its media types and where it is, which asks for a report by POST to the same place.
    /// A file whose own name ends in `.dd` is a descriptor as it stands. [DLOTA 1.0]
    ///
    /// `base` is where devices find the directory, with `/` at its end. `reports` hears of every
    /// report, of files that are there, whoever sent it. A report longer than 1,024 bytes is
    /// refused.
    ///
    /// ```
    /// use omadm_http::Files;
    ///
    /// let base = "http://images.example/images/".parse()?;
    /// let files = Files::new("/srv/images")
    ///     .with_media_type("android.img", "application/x-disk")
    ///     .with_descriptors(base, |report| println!("{}: {}", report.file, report.status));
    /// # Ok::<(), omadm_download::InvalidUri>(())
    /// ```
    #[must_use]
    pub fn with_descriptors(
        mut self,
        base: DownloadUri,
        reports: impl Fn(&InstallReport<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.descriptors = Some(Descriptors::new(base, reports));
        self
    }

    /// What a file is, in the words of a request.
    fn media_type(&self, name: &str, headers: &HeaderMap) -> HeaderValue {
        let types = self.media_types.get(name).map_or(&[][..], Vec::as_slice);
        let asked = text(headers, ACCEPT).unwrap_or_default();
        let is_asked = |media_type: &&HeaderValue| {
            let own = media_type.to_str().map(essence).unwrap_or_default();
            let mut asked = asked.split(',').map(essence);
            asked.any(|asked| asked.eq_ignore_ascii_case(own))
        };
        let chosen = types.iter().find(is_asked).or(types.first());
        chosen
            .cloned()
            .unwrap_or(HeaderValue::from_static("application/octet-stream"))
    }

    pub(super) async fn answer(&self, request: &Parts, name: &str) -> Response<Body> {
        let with_body = match request.method {
            Method::GET => true,
            Method::HEAD => false,
            _ if self.takes_reports(name) => return not_allowed("GET, HEAD, POST"),
            _ => return not_allowed("GET, HEAD"),
        };
        let (files, headers) = (self.clone(), request.headers.clone());
        let asked = name.to_owned();
        let answer = spawn_blocking(move || {
            let name = decoded(&asked);
            match (files.open(&name), &files.descriptors) {
                (Ok((file, metadata)), descriptors) => {
                    let media_type = match descriptors {
                        Some(_) if described::subject(&name).is_some() => DESCRIPTOR,
                        _ => files.media_type(&name, &headers),
                    };
                    respond(file, &metadata, &headers, with_body)
                        .map(|response| with_type(response, media_type))
                }
                (Err(_), Some(descriptors)) => files
                    .describe(descriptors, &asked)
                    .map(|document| with_type(whole(document, with_body), DESCRIPTOR)),
                (Err(error), None) => Err(error),
            }
        });
        match answer.await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => plain(StatusCode::NOT_FOUND),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The document that says what a file is, by the name of the document.
    fn describe(&self, descriptors: &Descriptors, asked: &str) -> io::Result<Vec<u8>> {
        let asked = described::subject(asked).ok_or(io::ErrorKind::NotFound)?;
        let name = decoded(asked);
        let (_, metadata) = self.open(&name)?;
        let types = self.media_types.get(&name).map_or(&[][..], Vec::as_slice);
        let document = descriptors.of(asked, metadata.len(), types);
        document.ok_or(io::ErrorKind::NotFound.into())
    }

    /// Whether reports may be sent to this name.
    pub(super) fn takes_reports(&self, name: &str) -> bool {
        self.descriptors.is_some() && described::subject(name).is_some()
    }

    /// Takes what came to the name of a descriptor.
    pub(super) async fn report(
        &self,
        remote: SocketAddr,
        name: &str,
        body: Vec<u8>,
    ) -> Response<Body> {
        let (files, name) = (self.clone(), decoded(name));
        let taken = spawn_blocking(move || {
            let (Some(descriptors), Some(file)) = (&files.descriptors, described::subject(&name))
            else {
                return StatusCode::NOT_FOUND;
            };
            if files.open(&name).is_err() && files.open(file).is_err() {
                return StatusCode::NOT_FOUND;
            }
            match descriptors.take(remote, file, &body) {
                true => StatusCode::OK,
                false => StatusCode::BAD_REQUEST,
            }
        });
        plain(taken.await.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
    }

    fn open(&self, name: &str) -> io::Result<(File, Metadata)> {
        let path = below(name).ok_or(io::ErrorKind::NotFound)?;
        let directory = self.directory.canonicalize()?;
        let path = directory.join(path).canonicalize()?;
        if !path.starts_with(&directory) {
            return Err(io::ErrorKind::NotFound.into());
        }
        // To open a pipe would wait for somebody to write.
        if !path.metadata()?.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok((file, metadata))
    }
}

const DESCRIPTOR: HeaderValue = HeaderValue::from_static(Descriptor::MEDIA_TYPE);

/// A name of a request as it is meant.
fn decoded(name: &str) -> String {
    percent_decode_str(name).decode_utf8_lossy().into_owned()
}

fn with_type(mut response: Response<Body>, media_type: HeaderValue) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// All of a document.
fn whole(document: Vec<u8>, with_body: bool) -> Response<Body> {
    let length = document.len();
    let mut response = Response::new(Body::Bytes(document.into()));
    if !with_body {
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    // The file may be another the next time.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A media type without its parameters.
pub(super) fn essence(media_type: &str) -> &str {
    let (essence, _) = media_type.split_once(';').unwrap_or((media_type, ""));
    essence.trim()
}

/// A name as a path that leads downwards only.
fn below(name: &str) -> Option<PathBuf> {
    name.split('/')
        .map(|part| {
            let mut components = Path::new(part).components();
            match (components.next(), components.next()) {
                (Some(Component::Normal(only)), None) if only == part => Some(part),
                _ => None,
            }
        })
        .collect()
}

fn respond(
    mut file: File,
    metadata: &Metadata,
    headers: &HeaderMap,
    with_body: bool,
) -> io::Result<Response<Body>> {
    let length = metadata.len();
    let modified = datable(metadata.modified().unwrap_or(UNIX_EPOCH));
    let tag = entity_tag(length, modified);
    let date = httpdate::fmt_http_date(modified);
    let still_the_same = text(headers, IF_RANGE).is_none_or(|v| v == tag || v == date);
    let selection = match text(headers, RANGE) {
        Some(header) if still_the_same => range::select(header, length),
        _ => Selection::Whole,
    };
    let (status, range, first, count) = match selection {
        Selection::Whole => (StatusCode::OK, None, 0, length),
        Selection::Part(first, last) => {
            let range = format!("bytes {first}-{last}/{length}");
            (
                StatusCode::PARTIAL_CONTENT,
                Some(range),
                first,
                last - first + 1,
            )
        }
        Selection::Unsatisfiable => {
            let range = format!("bytes */{length}");
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(range), 0, 0)
        }
    };
    file.seek(SeekFrom::Start(first))?;
    let mut response = Response::new(Body::file(file, count));
    *response.status_mut() = status;
    let fields = [
        (ACCEPT_RANGES, Some("bytes".to_owned())),
        (CONTENT_RANGE, range),
        (ETAG, Some(tag)),
        (LAST_MODIFIED, Some(date)),
    ];
    for (name, value) in fields {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    if !with_body {
        response.headers_mut().insert(CONTENT_LENGTH, count.into());
        *response.body_mut() = Body::empty();
    }
    Ok(response)
}

/// The nearest time that an HTTP date can tell.
fn datable(time: SystemTime) -> SystemTime {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST)
}

/// Changes with the length and with the time of the last change, to the nanosecond if the file
/// system keeps that.
fn entity_tag(length: u64, modified: SystemTime) -> String {
    let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("\"{length:x}-{:x}\"", age.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_downwards_only() {
        for good in ["a", "a.img", "a/b", "..a", "a b"] {
            assert_eq!(below(good), Some(PathBuf::from(good)), "{good}");
        }
        for bad in ["", ".", "..", "../a", "a/../b", "/a", "a//b", "a/", "a/."] {
            assert_eq!(below(bad), None, "{bad}");
        }
    }
}
