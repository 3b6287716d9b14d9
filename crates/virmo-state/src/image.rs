use std::fmt;

/// The state of a VM image: the value of `VMImgMO/<x>/State`. [VirMO §9]
///
/// ```text
///                     Download             all bytes received
///   ┌───────────────┐ ───────► ┌─────────────┐ ───────► ┌────────────┐
///   │ NotDownloaded │          │ Downloading │          │ Downloaded │
///   └───────────────┘          └─────────────┘ ◄─────── └────────────┘
///                        failed │      ▲        Download of a replaced DownloadURI
///                               ▼      │ Download
///                         ┌────────────────┐
///                         │ DownloadFailed │         Delete removes the image in every state
///                         └────────────────┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum ImageState {
    /// The download was not started; there is no data.
    #[default]
    NotDownloaded = 0,
    /// The download was started.
    Downloading = 1,
    /// All data was received.
    Downloaded = 2,
    /// The download failed; some bytes may have been received.
    DownloadFailed = 3,
}

/// What a VirMO Server can ask to be done to a VM image. [VirMO §9]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ImageOperation {
    /// Exec on Download while DownloadURI is what it was at the last download, if there was one.
    Download,
    /// Exec on Download after DownloadURI was replaced since the last download.
    DownloadReplaced,
    /// Exec on Delete, or a DM Delete of the image's sub-tree.
    Delete,
}

/// An operation was asked for in a state it does not apply to; the state stays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("{operation} does not apply to an image that is {state}")]
pub struct ImageNotApplicable {
    /// The state the image is in.
    pub state: ImageState,
    /// What was asked for.
    pub operation: ImageOperation,
}

impl ImageState {
    /// Every state, in the order of the values.
    pub const ALL: [Self; 4] = [
        Self::NotDownloaded,
        Self::Downloading,
        Self::Downloaded,
        Self::DownloadFailed,
    ];

    /// The state an operation leads to; `None` if the image is gone with it.
    ///
    /// The specification names the operations and leaves open when they apply: a running download
    /// is not started twice, a complete image is fetched again only from another address, and an
    /// image can be deleted always.
    ///
    /// # Errors
    ///
    /// [`ImageNotApplicable`] if the operation does not apply here.
    pub const fn after(
        self,
        operation: ImageOperation,
    ) -> Result<Option<Self>, ImageNotApplicable> {
        use ImageOperation::{Delete, Download, DownloadReplaced};
        match (self, operation) {
            (Self::NotDownloaded | Self::DownloadFailed, Download | DownloadReplaced)
            | (Self::Downloaded, DownloadReplaced) => Ok(Some(Self::Downloading)),
            (
                Self::NotDownloaded | Self::Downloading | Self::Downloaded | Self::DownloadFailed,
                Delete,
            ) => Ok(None),
            (Self::Downloading, Download | DownloadReplaced) | (Self::Downloaded, Download) => {
                Err(ImageNotApplicable {
                    state: self,
                    operation,
                })
            }
        }
    }

    /// The value of the State node.
    #[must_use]
    pub const fn value(self) -> u8 {
        self as u8
    }

    /// The state with this value, if there is one.
    #[must_use]
    pub const fn from_value(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::NotDownloaded),
            1 => Some(Self::Downloading),
            2 => Some(Self::Downloaded),
            3 => Some(Self::DownloadFailed),
            _ => None,
        }
    }

    /// The name the specification gives the state.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotDownloaded => "Not Downloaded",
            Self::Downloading => "Downloading",
            Self::Downloaded => "Downloaded",
            Self::DownloadFailed => "Download Failed",
        }
    }
}

impl fmt::Display for ImageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ImageOperation {
    /// Every operation.
    pub const ALL: [Self; 3] = [Self::Download, Self::DownloadReplaced, Self::Delete];

    /// The name of the node the operation is asked for by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Download | Self::DownloadReplaced => "Download",
            Self::Delete => "Delete",
        }
    }
}

impl fmt::Display for ImageOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
