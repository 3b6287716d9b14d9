//! What files are, before they come. [DLOTA 1.0]

use std::{fmt, net::SocketAddr, sync::Arc};

use hyper::header::HeaderValue;
use omadm_download::{Descriptor, DownloadUri, InstallStatus};

use super::files::essence;

/// What a name ends in that is a descriptor.
const SUFFIX: &str = ".dd";

/// What somebody says came of a file: sent to the installNotifyURI of its descriptor. [DLOTA 1.0]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct InstallReport<'a> {
    /// Who sent it. Nothing proves who that is.
    pub remote: SocketAddr,
    /// The name of the file below the directory.
    pub file: &'a str,
    /// What came of it.
    pub status: InstallStatus,
}

/// How the files of a directory are described.
#[derive(Clone)]
pub(super) struct Descriptors {
    base: DownloadUri,
    reports: Arc<dyn Fn(&InstallReport<'_>) + Send + Sync>,
}

impl Descriptors {
    /// No report is longer in bytes.
    pub(super) const MAX_REPORT: usize = 1024;

    pub(super) fn new(
        base: DownloadUri,
        reports: impl Fn(&InstallReport<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            base,
            reports: Arc::new(reports),
        }
    }

    /// The descriptor of a file, named as in the request for it; `None` for an empty one, of which
    /// there is none.
    pub(super) fn of(&self, name: &str, length: u64, types: &[HeaderValue]) -> Option<Vec<u8>> {
        let uri = |name: &str| format!("{}{name}", self.base).parse().ok();
        let mut types = types.iter().filter_map(|it| it.to_str().ok().map(essence));
        let first = types.next().unwrap_or("application/octet-stream");
        let mut descriptor = Descriptor::new(first, length, uri(name)?);
        descriptor.types.extend(types.map(str::to_owned));
        descriptor.install_notify_uri = Some(uri(&format!("{name}{SUFFIX}"))?);
        (length > 0).then(|| descriptor.to_xml())
    }

    /// Hands on a report; whether it is one.
    pub(super) fn take(&self, remote: SocketAddr, file: &str, body: &[u8]) -> bool {
        let line = str::from_utf8(body).ok();
        let Some(status) = line.and_then(|line| line.parse().ok()) else {
            return false;
        };
        (self.reports)(&InstallReport {
            remote,
            file,
            status,
        });
        true
    }
}

impl fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptors")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// The name of the file that this name would be the descriptor of.
pub(super) fn subject(name: &str) -> Option<&str> {
    name.strip_suffix(SUFFIX)
}
