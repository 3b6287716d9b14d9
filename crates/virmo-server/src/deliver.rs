use omadm_core::StatusCode;
use omadm_session::{Reply, Report};
use omadm_tree::Uri;
use virmo_nodes::ImageNode;
use virmo_params::ImageId;
use virmo_state::ImageState;

use crate::{
    flow::{Change, Done, Fate, Flow, Judgement, Next, Script, Stage, Write, failure, procedure},
    place::below,
    read::Faults,
};

/// Delivers a VM image to the device. [VirMO §10.1]
///
/// 1. Read State: an image from the same DownloadURI, of the same MediaType, that is downloaded is not
///    downloaded again, and a download that goes on is waited for. After a restart of the server
///    ([`Policy::resumed`](crate::Policy::resumed)) the Exec is sent all the same: the one that is
///    there may be older than its DownloadURI, and a device that has this one refuses it.
/// 2. Add `VMImgMO/<x>`; that it is there already does not matter.
/// 3. Set Name, DownloadURI and MediaType, and the Description and the digest if there are any.
/// 4. Exec `Operations/Download`, and wait for its end: the Status, or after 202 the Image Ready
///    Alert. A device says nothing of a failed download, so each further session reads State.
///    Where another image was there before, State does not tell which one it is about: DownloadURI is
///    emptied first then, and written at once with the Exec (a device that takes no empty one gets it
///    a message before as well); and an Exec whose answer was lost is sent again, which a device that
///    has done it refuses.
/// 5. Read ImgID, State and DownloadedLocation.
///
/// What failed where another image is there leaves the DownloadURI and MediaType of that, or an empty
/// DownloadURI where the end is not known: State alone does not say which of them it is about. A server
/// that is killed before that is done leaves the delivery [in doubt](crate::Policy::in_doubt): begun
/// anew, it takes what is there for another image. What no server can tell is a device that refuses
/// the Exec with 405 for another reason than that it has this image, where the server was killed before it
/// knew of the first refusal: then the one of the second Exec counts as that.
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
    before: Before,
    /// What was written over what tells of another image.
    changes: Vec<Change>,
    phase: Phase,
    outcome: Option<DeliveredImage>,
    flow: Flow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Look,
    Looked,
    /// What was there is read.
    Compare(Option<ImageState>),
    Write,
    Run,
    Read,
    Report,
}

/// What was downloaded to the node before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Before {
    Nothing,
    /// Another image.
    Other,
    /// This one, or another one: an earlier run of the server may have written DownloadURI and not
    /// come to the Exec, and no node tells which file it is.
    Either,
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
            before: Before::Nothing,
            changes: Vec::new(),
            phase: Phase::Look,
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
    /// with that image: a later delivery of another file to the same place, that brings none, deletes
    /// it.
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

    /// Where the digest is.
    fn at_digest(&self) -> Uri {
        below(&ImageNode::Ext.of(&self.image), &["SHA256"])
    }

    /// What is to be written: where, what, and whether it says which file it is.
    fn wanted(&self) -> Vec<(Write, String, bool)> {
        let leaf = |leaf: ImageNode, text: &str, which: bool| {
            let write = Write::required(leaf.of(&self.image), text);
            (write, text.to_owned(), which)
        };
        let mut wanted = vec![
            leaf(ImageNode::Name, &self.name, false),
            leaf(ImageNode::DownloadUri, &self.uri, true),
            leaf(ImageNode::MediaType, &self.media_type, true),
        ];
        if let Some(text) = &self.description {
            let write = Write::optional(ImageNode::Description.of(&self.image), text.as_str());
            wanted.push((write, text.clone(), false));
        }
        if let Some(digest) = &self.digest {
            let at = self.at_digest();
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            wanted.push((Write::optional(at, digits.as_str()), digits, true));
        }
        wanted
    }

    /// What is left to do, with what was there before.
    fn compare(&mut self, state: Option<ImageState>, there: &[Reply]) -> (Phase, Stage) {
        let wanted = self.wanted();
        let mut pairs = wanted.iter().zip(there);
        // An empty DownloadURI tells that nobody knows.
        let is_same = !self.uri.is_empty()
            && pairs.all(|((_, text, which), it)| !which || it.text() == Some(text));
        match state {
            Some(ImageState::Downloaded) if is_same && !self.flow.policy.resumed => {
                (Phase::Report, self.read())
            }
            Some(ImageState::Downloading) if is_same => {
                let node = ImageNode::Download.of(&self.image);
                let check = vec![ImageNode::State.of(&self.image)];
                let next = match self.flow.policy.resumed {
                    true => {
                        self.before = Before::Either;
                        Phase::Run
                    }
                    false => Phase::Read,
                };
                (next, Stage::Join { node, check })
            }
            _ => {
                // One that is not wanted is that of another file.
                let stale = there.get(wanted.len()).filter(|digest| digest.is_success());
                let stale = stale.map(|_| Write::delete(self.at_digest()));
                let is_other = !is_same || self.flow.policy.in_doubt;
                self.before = match state {
                    Some(ImageState::Downloaded) if is_other => Before::Other,
                    Some(ImageState::Downloaded) => Before::Either,
                    _ => Before::Nothing,
                };
                let is_other = self.before == Before::Other;
                let at_uri = ImageNode::DownloadUri.of(&self.image);
                let mut writes = Vec::new();
                for ((write, text, which), it) in wanted.into_iter().zip(there) {
                    let is_marked = is_other && write.uri == at_uri;
                    if it.text() == Some(&text) && !is_marked {
                        continue;
                    }
                    let is_known = it.is_success() || it.status() == Some(StatusCode::NOT_FOUND);
                    if which && is_known && is_other {
                        // Which file this one was written for is not known.
                        let before = it.text().map(|it| if it == text { "" } else { it });
                        let made = Change::leaf(write.uri.clone(), text.clone(), before);
                        self.changes
                            .push(if is_marked { made.emptied() } else { made });
                    }
                    match is_marked {
                        true => writes.insert(0, Write::emptied(at_uri.clone(), &self.uri)),
                        false => writes.push(write),
                    }
                }
                let writes = writes.into_iter().chain(stale);
                (Phase::Run, Stage::Write(writes.collect()))
            }
        }
    }

    fn read(&self) -> Stage {
        let nodes = [
            ImageNode::ImgId,
            ImageNode::State,
            ImageNode::DownloadedLocation,
        ];
        Stage::Read(nodes.map(|node| node.of(&self.image)).to_vec())
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
        // Without an Exec, or with one that was refused for it, it was there already.
        let status = match self.before {
            Before::Either if is_downloaded => Some(StatusCode::OK),
            _ => done.status.or(Some(StatusCode::OK)),
        };
        let mut report = Report::new(is_downloaded, status);
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
            Phase::Look => (Phase::Looked, Stage::Read(vec![node(ImageNode::State)])),
            Phase::Looked => match done.replies {
                [state] if state.is_success() => {
                    let state = Faults::default().image_state(state);
                    let wanted = self.wanted().into_iter();
                    let nodes = wanted.map(|(write, ..)| write.uri);
                    let digest = self.digest.is_none().then(|| self.at_digest());
                    let nodes = nodes.chain(digest).collect();
                    (Phase::Compare(state), Stage::Read(nodes))
                }
                [state] if state.status() != Some(StatusCode::NOT_FOUND) => {
                    return Next::Report(failure(state));
                }
                _ => (Phase::Write, Stage::Make(self.image.clone(), None)),
            },
            Phase::Compare(state) => self.compare(state, done.replies),
            Phase::Write => {
                let writes = self.wanted().into_iter().map(|(write, ..)| write);
                (Phase::Run, Stage::Write(writes.collect()))
            }
            Phase::Run => {
                let uri = Write::required(node(ImageNode::DownloadUri), self.uri.as_str());
                let is_other = self.before == Before::Other;
                let run = Stage::Run {
                    node: node(ImageNode::Download),
                    check: vec![node(ImageNode::State)],
                    with: is_other.then_some(uri).into_iter().collect(),
                };
                (Phase::Read, run)
            }
            Phase::Read => {
                self.changes.clear();
                (Phase::Report, self.read())
            }
            Phase::Report => return Next::Report(self.report(done)),
        };
        self.phase = phase;
        Next::Stage(stage)
    }

    fn judge(&self, check: &Reply, fate: Fate) -> Judgement {
        match Faults::default().image_state(check) {
            Some(ImageState::NotDownloaded) if fate == Fate::Refused => Judgement::Failed,
            Some(ImageState::NotDownloaded) => Judgement::Untouched,
            Some(ImageState::Downloading) => Judgement::Busy,
            // It may be the other one still: a device that has this one refuses to download it again.
            Some(ImageState::Downloaded)
                if self.before != Before::Nothing && fate == Fate::Lost =>
            {
                Judgement::Untouched
            }
            Some(ImageState::Downloaded)
                if self.before == Before::Other && fate == Fate::Refused =>
            {
                Judgement::Failed
            }
            Some(ImageState::Downloaded) => Judgement::Reached,
            // It may have failed earlier.
            Some(ImageState::DownloadFailed) if matches!(fate, Fate::Lost | Fate::Repeated) => {
                Judgement::Untouched
            }
            Some(ImageState::DownloadFailed) | None => Judgement::Failed,
        }
    }

    fn changes(&self, open: bool) -> Vec<Change> {
        let is_unknown = match self.before {
            Before::Nothing => false,
            Before::Either => self.phase != Phase::Report,
            Before::Other => open && !self.changes.is_empty(),
        };
        if !is_unknown {
            return self.changes.clone();
        }
        let uri = ImageNode::DownloadUri.of(&self.image);
        vec![Change::leaf(uri, self.uri.clone(), Some(""))]
    }

    fn is_in_doubt(&self, refused: bool) -> bool {
        let is_over = self.phase == Phase::Report;
        (self.flow.policy.in_doubt && !is_over) || (refused && self.before == Before::Other)
    }
}

procedure!(DeliverImage);
