use omadm_core::StatusCode;
use omadm_session::{Reply, Report};
use omadm_tree::Uri;
use virmo_nodes::ImageNode;
use virmo_params::ImageId;
use virmo_state::ImageState;

use crate::{
    flow::{Done, Flow, Judgement, Next, Script, Stage, Write, failure, procedure},
    read::Faults,
};

/// Delivers a VM image to the device. [VirMO §10.1]
///
/// 1. Add `VMImgMO/<x>`; that it is there already does not matter.
/// 2. Set Name, DownloadURI and MediaType, and the Description and the digest if there are any.
/// 3. Exec `Operations/Download`, and wait for its end: the Status, or after 202 the Image Ready
///    Alert. A device says nothing of a failed download, so each further session reads State.
/// 4. Read ImgID, State and DownloadedLocation.
///
/// It succeeds when State is Downloaded, or on a device without State when the operation did; the
/// report's status is that of the Exec.
///
/// The URI may be that of a download descriptor, where the device takes those; the media type is
/// that of the image all the same. [DLOTA 1.0]
///
/// ```
/// use virmo_server::{DeliverImage, Mounts};
///
/// let image = Mounts::default().image("work")?;
/// let deliver = DeliverImage::new(
///     image,
///     "android",
///     "https://images.example/work.img",
///     "application/octet-stream",
/// )
/// .with_description("The image of the work machine");
/// assert_eq!(deliver.outcome(), None);
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct DeliverImage {
    image: Uri,
    name: String,
    uri: String,
    media_type: String,
    description: Option<String>,
    digest: Option<[u8; 32]>,
    phase: Phase,
    outcome: Option<DeliveredImage>,
    flow: Flow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Make,
    Write,
    Run,
    Read,
    Report,
}

/// What a device says about an image that was delivered to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct DeliveredImage {
    /// ImgID: the identifier the device gave it.
    pub id: Option<ImageId>,
    /// State.
    pub state: Option<ImageState>,
    /// DownloadedLocation: where the device keeps it.
    pub location: Option<String>,
}

impl DeliverImage {
    /// The image at this address in the tree, with its Name, DownloadURI and MediaType.
    pub fn new(
        image: Uri,
        name: impl Into<String>,
        uri: impl Into<String>,
        media_type: impl Into<String>,
    ) -> Self {
        Self {
            image,
            name: name.into(),
            uri: uri.into(),
            media_type: media_type.into(),
            description: None,
            digest: None,
            phase: Phase::Make,
            outcome: None,
            flow: Flow::default(),
        }
    }

    /// With this Description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Only as the file with this SHA-256 digest, which is written to `Ext/SHA256` in small
    /// hexadecimal digits: a node of ours, so a device that does not take it gets no image. It stays
    /// on the device, for later deliveries to the same place that bring none.
    #[must_use]
    pub const fn with_digest(mut self, digest: [u8; 32]) -> Self {
        self.digest = Some(digest);
        self
    }

    /// What the device says about the image, once it was read.
    #[must_use]
    pub const fn outcome(&self) -> Option<&DeliveredImage> {
        self.outcome.as_ref()
    }

    fn writes(&self) -> Vec<Write> {
        let digest = self.digest.as_ref().and_then(|digest| {
            let leaf = ImageNode::Ext.of(&self.image).child("SHA256").ok()?;
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            Some(Write::optional(leaf, digits))
        });
        let node = |node: ImageNode| node.of(&self.image);
        let mut writes = vec![
            Write::required(node(ImageNode::Name), self.name.as_str()),
            Write::required(node(ImageNode::DownloadUri), self.uri.as_str()),
            Write::required(node(ImageNode::MediaType), self.media_type.as_str()),
        ];
        let description = self.description.as_deref();
        writes.extend(description.map(|text| Write::optional(node(ImageNode::Description), text)));
        writes.extend(digest);
        writes
    }

    fn report(&mut self, done: Done<'_>) -> Report {
        let [id, state, location] = done.replies else {
            return Report::new(false, done.status);
        };
        let mut faults = Faults::default();
        let image = DeliveredImage {
            id: faults.value(id),
            state: faults.image_state(state),
            location: location.text().map(str::to_owned),
        };
        // The change request that brought images has devices without State: there the end of the
        // operation tells.
        let is_downloaded = match image.state {
            Some(state) => state == ImageState::Downloaded,
            None => {
                state.status() == Some(StatusCode::NOT_FOUND)
                    && id.is_success()
                    && done.status.is_some_and(|status| status.is_success())
            }
        };
        let mut report = Report::new(is_downloaded, done.status);
        if !report.ok {
            report.detail = Some(match image.state {
                Some(state) => format!("{}: {state}", self.image),
                None => failure(state).detail.unwrap_or_default(),
            });
        }
        self.outcome = Some(image);
        report
    }
}

impl Script for DeliverImage {
    fn next(&mut self, done: Done<'_>) -> Next {
        let node = |node: ImageNode| node.of(&self.image);
        let (phase, stage) = match self.phase {
            Phase::Make => (Phase::Write, Stage::Make(self.image.clone(), None)),
            Phase::Write => (Phase::Run, Stage::Write(self.writes())),
            Phase::Run => {
                let run = Stage::Run {
                    node: node(ImageNode::Download),
                    check: node(ImageNode::State),
                };
                (Phase::Read, run)
            }
            Phase::Read => {
                let nodes = [
                    ImageNode::ImgId,
                    ImageNode::State,
                    ImageNode::DownloadedLocation,
                ];
                (Phase::Report, Stage::Read(nodes.map(node).to_vec()))
            }
            Phase::Report => return Next::Report(self.report(done)),
        };
        self.phase = phase;
        Next::Stage(stage)
    }

    fn judge(&self, check: &Reply, accepted: bool) -> Judgement {
        match Faults::default().image_state(check) {
            Some(ImageState::NotDownloaded) => Judgement::Untouched,
            Some(ImageState::Downloading) => Judgement::Busy,
            Some(ImageState::Downloaded) => Judgement::Reached,
            // It may have failed earlier.
            Some(ImageState::DownloadFailed) if !accepted => Judgement::Untouched,
            Some(ImageState::DownloadFailed) | None => Judgement::Failed,
        }
    }
}

procedure!(DeliverImage);
