use std::sync::Arc;

use omadm_core::{Batch, Journal};
use omadm_download::{
    Cancel, Clock, Download, DownloadError, DownloadKey, Environment, Fetch, FetchErrorKind,
    Policy, Sink, SinkErrorKind,
};
use omadm_tree::Uri;

use crate::ResultCode;

/// How the device downloads packages itself, for an object that leaves that to the device: where
/// bytes come from, where they go, and what is kept so that a restart goes on from there.
///
/// What is found at an address may be the package or a download descriptor of it; the descriptor's
/// limits hold then, and what came of it is reported. [DLOTA 1.0]
///
/// The file of a package is known in the sink by the address of its node, or a digest of it where it
/// is too long; the media type may be any.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use omadm_core::MemoryJournal;
/// use omadm_download::{Cancel, Clock, Ending, Fetch, FetchError, FetchErrorKind, FetchRequest, MemorySink, Receiver};
/// use omadm_objects::Delivery;
///
/// # struct Nowhere;
/// # impl Fetch for Nowhere {
/// #     fn fetch(&self, _: &FetchRequest<'_>, _: &mut dyn Receiver) -> Result<Ending, FetchError> {
/// #         Err(FetchErrorKind::Unreachable.into())
/// #     }
/// # }
/// # struct NoWait;
/// # impl Clock for NoWait {
/// #     fn now(&self) -> Duration { Duration::ZERO }
/// #     fn wait(&self, _: Duration, _: &Cancel) {}
/// # }
/// let mut delivery = Delivery::new(
///     Arc::new(Nowhere),
///     Arc::new(MemorySink::new()),
///     Arc::new(MemoryJournal::new()),
///     Arc::new(NoWait),
/// );
/// delivery.policy.max_bytes = 256 << 20;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Delivery {
    /// Where bytes come from.
    pub fetch: Arc<dyn Fetch>,
    /// Where packages are kept.
    pub sink: Arc<dyn Sink>,
    /// The journal of the device.
    pub journal: Arc<dyn Journal>,
    /// Waits between attempts.
    pub clock: Arc<dyn Clock>,
    /// Size limit, retries, tolerances.
    pub policy: Policy,
}

impl Delivery {
    /// With the default [`Policy`].
    #[must_use]
    pub fn new(
        fetch: Arc<dyn Fetch>,
        sink: Arc<dyn Sink>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            fetch,
            sink,
            journal,
            clock,
            policy: Policy::default(),
        }
    }

    /// Downloads the package of a node; blocks. Goes on from what is there already.
    pub(crate) fn run(&self, node: &Uri, url: &str, cancel: &Cancel) -> Result<(), Fault> {
        let uri = url.parse().map_err(|_| Fault::BadUrl)?;
        let mut download = Download::prepare(&*self.journal, &Self::key(node), &uri, ANY)
            .map_err(|_| Fault::Device)?;
        let environment = Environment {
            fetch: &*self.fetch,
            sink: &*self.sink,
            journal: &*self.journal,
            clock: &*self.clock,
            policy: &self.policy,
            cancel,
        };
        let finished = download.run(&environment, &mut |_| {});
        finished.map(drop).map_err(Fault::of)
    }

    /// Where the package of a node is; blocks.
    pub(crate) fn location(&self, node: &Uri) -> Option<String> {
        self.sink.location(&Self::key(node)).ok().flatten()
    }

    /// Deletes a package; blocks. Whether it is gone.
    pub(crate) fn discard(&self, key: &DownloadKey) -> bool {
        self.sink.discard(key).is_ok()
    }

    /// Whether there is something to be gone on from, or to be discarded.
    pub(crate) fn knows(&self, node: &Uri) -> bool {
        matches!(
            Download::resume(&*self.journal, &Self::key(node)),
            Ok(Some(_)) | Err(_)
        )
    }

    /// The packages of the children of a node, as far as something is known of them.
    pub(crate) fn keys_below(&self, parent: &Uri) -> Vec<DownloadKey> {
        let digested = digest_below(parent);
        let is_below = |key: &DownloadKey| {
            let node: Option<Uri> = key.as_str().parse().ok();
            let of_node = node.and_then(|node| node.parent());
            of_node.as_ref() == Some(parent) || key.as_str().starts_with(&digested)
        };
        let mut keys = Download::keys(&*self.journal).unwrap_or_default();
        keys.retain(is_below);
        keys
    }

    /// What the package of a node is known by.
    pub(crate) fn key(node: &Uri) -> DownloadKey {
        let text = node.to_string();
        let above = digest_below(&node.parent().unwrap_or_else(Uri::root));
        let digest = || format!("{above}{:016x}", fnv(&text)).parse();
        #[expect(clippy::expect_used, reason = "the digest is a key")]
        text.parse().or_else(|_| digest()).expect("a key")
    }

    /// Has the next download of a package begin anew.
    pub(crate) fn forget(key: &DownloadKey, batch: &mut Batch) {
        Download::forget(batch, key);
    }
}

const ANY: &str = "*/*";

/// What the keys of nodes with long addresses begin with, below a parent.
fn digest_below(parent: &Uri) -> String {
    format!("package-{:016x}-", fnv(&parent.to_string()))
}

/// FNV-1a: what is written must mean the same to every later version of the program.
fn fnv(text: &str) -> u64 {
    let fold = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, fold)
}

/// Why a package did not come, in the words of the result codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Authentication,
    BadUrl,
    Corrupted,
    Descriptor,
    Device,
    Memory,
    Network,
    Server,
    TimedOut,
    Unavailable,
}

impl Fault {
    fn of(error: DownloadError) -> Self {
        match error {
            DownloadError::Fetch(error) => match error.kind() {
                FetchErrorKind::Unreachable => Self::Unavailable,
                FetchErrorKind::TimedOut => Self::TimedOut,
                FetchErrorKind::Interrupted => Self::Network,
                FetchErrorKind::Status(401 | 403 | 407) | FetchErrorKind::Tls => {
                    Self::Authentication
                }
                FetchErrorKind::Status(404 | 410) => Self::BadUrl,
                FetchErrorKind::Local => Self::Device,
                _ => Self::Server,
            },
            DownloadError::Length { .. }
            | DownloadError::MediaType { .. }
            | DownloadError::Digest => Self::Corrupted,
            DownloadError::Descriptor(_) => Self::Descriptor,
            DownloadError::TooLarge { .. } => Self::Memory,
            DownloadError::Sink(error) if error.kind() == SinkErrorKind::NoSpace => Self::Memory,
            DownloadError::Range | DownloadError::Report(_) => Self::Server,
            DownloadError::Unproven | DownloadError::TooSlow => Self::Network,
            _ => Self::Device,
        }
    }

    pub(crate) const fn fumo(self) -> ResultCode {
        match self {
            Self::Authentication => ResultCode::FUMO_AUTHENTICATION,
            Self::BadUrl => ResultCode::FUMO_BAD_URL,
            Self::Corrupted => ResultCode::FUMO_CORRUPTED,
            Self::Descriptor => ResultCode::FUMO_UNDEFINED,
            Self::Device => ResultCode::FUMO_CLIENT_ERROR,
            Self::Memory => ResultCode::FUMO_DOWNLOAD_MEMORY,
            Self::Network | Self::Unavailable => ResultCode::FUMO_NETWORK,
            Self::Server => ResultCode::FUMO_SERVER_ERROR,
            Self::TimedOut => ResultCode::FUMO_TIMED_OUT,
        }
    }

    pub(crate) const fn scomo(self) -> ResultCode {
        match self {
            Self::Authentication => ResultCode::SCOMO_AUTHENTICATION,
            Self::BadUrl
            | Self::Corrupted
            | Self::Descriptor
            | Self::Device
            | Self::Network
            | Self::TimedOut => ResultCode::SCOMO_DOWNLOAD_FAILED,
            Self::Memory => ResultCode::SCOMO_DOWNLOAD_MEMORY,
            Self::Server => ResultCode::SCOMO_SERVER_ERROR,
            Self::Unavailable => ResultCode::SCOMO_SERVER_UNAVAILABLE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_a_key_of_its_own() {
        let long = |last: &str| {
            let deep: Uri = format!("./VirMO/{}/DMTree/{}", "v".repeat(60), "d".repeat(40))
                .parse()
                .unwrap();
            Delivery::key(&deep.child(last).unwrap())
        };
        let short = Delivery::key(&"./FUMO".parse().unwrap());
        assert_eq!(short.as_str(), "./FUMO");
        assert_ne!(long("a"), long("b"));
        assert_eq!(long("a").as_str().len(), 41);
        assert_eq!(long("a").as_str().get(..25), long("b").as_str().get(..25));
    }

    #[test]
    fn faults_tell_whose_fault_it_was() {
        let fetch = |kind: FetchErrorKind| Fault::of(DownloadError::Fetch(kind.into()));
        let busy = FetchErrorKind::Busy {
            status: 503,
            retry_after: None,
        };
        for (kind, fault) in [
            (FetchErrorKind::Unreachable, Fault::Unavailable),
            (FetchErrorKind::TimedOut, Fault::TimedOut),
            (FetchErrorKind::Interrupted, Fault::Network),
            (FetchErrorKind::Status(401), Fault::Authentication),
            (FetchErrorKind::Tls, Fault::Authentication),
            (FetchErrorKind::Status(404), Fault::BadUrl),
            (FetchErrorKind::Status(500), Fault::Server),
            (FetchErrorKind::Protocol, Fault::Server),
            (FetchErrorKind::Local, Fault::Device),
            (busy, Fault::Server),
        ] {
            assert_eq!(fetch(kind), fault, "{kind:?}");
        }
        for (error, fault) in [
            (DownloadError::TooLarge { limit: 1 }, Fault::Memory),
            (
                DownloadError::Sink(SinkErrorKind::NoSpace.into()),
                Fault::Memory,
            ),
            (DownloadError::Sink(SinkErrorKind::Io.into()), Fault::Device),
            (
                DownloadError::Length {
                    expected: 2,
                    received: 1,
                },
                Fault::Corrupted,
            ),
            (DownloadError::Unproven, Fault::Network),
            (DownloadError::Range, Fault::Server),
            (DownloadError::Cancelled, Fault::Device),
            (DownloadError::TooSlow, Fault::Network),
            (DownloadError::Digest, Fault::Corrupted),
        ] {
            assert_eq!(Fault::of(error), fault);
        }
    }
}
