use std::sync::Arc;

use omadm_core::{Format, GenericAlert, Mark, StatusCode};
use omadm_download::{
    Cancel, Download, DownloadError, Environment, Finished, InvalidUri, InvalidUriKind, Progress,
    Sink, SinkErrorKind,
};
use omadm_mo::{Context, JobEnd, JobId, Work};
use omadm_tree::TreeError;
use virmo_nodes::{ALERT_IMAGE_READY, ImageNode};
use virmo_params::ImageId;
use virmo_state::{ImageOperation, ImageState};

use super::{
    VirmoClient,
    image::{ORIGIN_VERSION, ORIGINS, key, lane},
    output,
};
use crate::{
    Event,
    drive::{Failure, explain},
    intent::{ImageIntent, ImageWork, Reply},
    ledger::Subject,
    record::Reader,
};

/// Delivering an image. [VirMO §10.1]
impl VirmoClient {
    pub(super) fn exec_download(
        &mut self,
        node: &str,
        id: ImageId,
        state: ImageState,
        reply: Reply,
        cx: &mut Context<'_, '_>,
    ) -> Result<JobId, StatusCode> {
        let image = self.image(node, cx).ok_or(StatusCode::NOT_FOUND)?;
        let uri = image.text(ImageNode::DownloadUri);
        if uri.is_empty() || image.text(ImageNode::MediaType).is_empty() {
            return Err(StatusCode::INCOMPLETE_COMMAND);
        }
        let ledger = self.book.read();
        // A download that no job stands for any more has failed.
        let state = match state {
            ImageState::Downloading if !ledger.images.contains_key(&id) => {
                ImageState::DownloadFailed
            }
            state => state,
        };
        let replaced = state == ImageState::Downloaded && !self.came_from(&id, uri)?;
        let asked = if replaced {
            ImageOperation::DownloadReplaced
        } else {
            ImageOperation::Download
        };
        if state.after(asked).is_err() || ledger.is_used(&id) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        self.end_left_download(node, &id, cx);
        self.start_download(node, id, reply, cx)
    }

    /// Asks for the job that downloads an image. An address that cannot be used is a download that
    /// failed; what else keeps it from beginning leaves State as it is.
    pub(super) fn start_download(
        &mut self,
        node: &str,
        id: ImageId,
        reply: Reply,
        cx: &mut Context<'_, '_>,
    ) -> Result<JobId, StatusCode> {
        let image = self.image(node, cx).ok_or(StatusCode::NOT_FOUND)?;
        let key = key(&id).ok_or(StatusCode::COMMAND_FAILED)?;
        let media_type = image.text(ImageNode::MediaType);
        let uri = match image.text(ImageNode::DownloadUri).parse() {
            Ok(uri) => uri,
            Err(error) => {
                let error: InvalidUri = error;
                let status = match error.kind {
                    InvalidUriKind::Scheme => StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
                    _ => StatusCode::BAD_REQUEST,
                };
                self.tell_image_failure(node, &id, explain(&error));
                self.keep_image(node, &id, ImageState::DownloadFailed, None, cx)
                    .map_err(|error| error.status())?;
                return Err(status);
            }
        };
        let digest = match image.digest().map(digest) {
            Some(None) => {
                let reason = "Ext/SHA256 is not the 64 hexadecimal digits of a digest";
                self.tell_image_failure(node, &id, reason.to_owned());
                self.keep_image(node, &id, ImageState::DownloadFailed, None, cx)
                    .map_err(|error| error.status())?;
                return Err(StatusCode::BAD_REQUEST);
            }
            digest => digest.flatten(),
        };
        let download = Download::prepare(&*self.journal, &key, &uri, media_type)
            .map_err(|error| {
                self.tell_image_failure(node, &id, explain(&error));
                StatusCode::COMMAND_FAILED
            })?
            .with_digest(digest);
        self.keep_image(node, &id, ImageState::Downloading, None, cx)
            .map_err(|error| error.status())?;
        download.save(&mut cx.effects.batch);
        let cancel = Cancel::new();
        let work = self.download_work(download, node, &id, cancel.clone());
        let job = cx
            .effects
            .job(lane(&id), format!("Download {node}"), work)
            .id;
        let intent = ImageIntent {
            image: id.clone(),
            node: node.to_owned(),
            work: ImageWork::Download,
            reply,
        };
        self.begin(job, Subject::Download(id), intent, cancel, cx);
        Ok(job)
    }

    fn download_work(
        &self,
        mut download: Download,
        node: &str,
        id: &ImageId,
        cancel: Cancel,
    ) -> Work {
        let (fetch, sink) = (Arc::clone(&self.fetch), Arc::clone(&self.sink));
        let (journal, clock) = (Arc::clone(&self.journal), Arc::clone(&self.clock));
        let (policy, observer) = (self.policy.downloads, Arc::clone(&self.observer));
        let (node, id) = (node.to_owned(), id.clone());
        let gate = Arc::clone(&self.gate);
        Box::new(move || {
            let _place = gate.enter(&cancel);
            let environment = Environment {
                fetch: &*fetch,
                sink: &*sink,
                journal: &*journal,
                clock: &*clock,
                policy: &policy,
                cancel: &cancel,
            };
            let mut told = None;
            let mut progress = |progress: Progress| {
                if is_news(told, progress) {
                    told = Some(progress.received);
                    observer(Event::Download {
                        node: node.clone(),
                        image: id.clone(),
                        bytes: progress.received,
                        total: progress.total,
                    });
                }
            };
            let result = make_room(&download, &*sink);
            let result = result.and_then(|()| download.run(&environment, &mut progress));
            Box::new(result)
        })
    }

    pub(super) fn download_ended(
        &mut self,
        id: &ImageId,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> Result<StatusCode, TreeError> {
        if matches!(end, JobEnd::TimedOut) {
            // A download has no time limit of its own: its end still comes.
            return Ok(StatusCode::COMMAND_FAILED);
        }
        self.book.ended(job);
        let task = self
            .book
            .read()
            .images
            .get(id)
            .filter(|task| task.job == job);
        let Some(intent) = task.map(|task| task.intent.clone()) else {
            // The image was deleted meanwhile.
            return Ok(StatusCode::COMMAND_FAILED);
        };
        let result = output::<Result<Finished, DownloadError>>(end);
        let result = result.and_then(|result| result.map_err(Failure::from));
        let node = intent.node.clone();
        let result = result.and_then(|finished| {
            let to = ImageState::Downloaded;
            let kept = self.keep_image(&node, id, to, Some(&finished), cx);
            kept.map_err(Failure::from)
        });
        let status = match result {
            Ok(()) => {
                self.image_ready(&intent, cx);
                StatusCode::OK
            }
            Err(failure) => {
                self.keep_image(&node, id, ImageState::DownloadFailed, None, cx)?;
                self.tell_image_failure(&node, id, failure.reason);
                let source = ImageNode::Download.of(&self.roots.image(&node));
                self.report(&source, &intent.reply, failure.status, cx);
                failure.status
            }
        };
        ImageIntent::forget(&mut cx.effects.batch, id);
        self.book.write().images.remove(id);
        Ok(status)
    }

    /// [VirMO §12.1]
    fn image_ready(&self, intent: &ImageIntent, cx: &mut Context<'_, '_>) {
        let source = ImageNode::Download.of(&self.roots.image(&intent.node));
        let mut alert = GenericAlert::new(ALERT_IMAGE_READY, Format::Xml);
        alert.source = Some(source.to_string());
        alert.mark = Some(Mark::Informational);
        alert.correlator.clone_from(&intent.reply.correlator);
        cx.effects.alerts.push(alert);
    }

    /// Whether a downloaded image came from this address.
    fn came_from(&self, id: &ImageId, uri: &str) -> Result<bool, StatusCode> {
        let record = self.journal.read(ORIGINS, id.as_str().as_bytes());
        let record = record.map_err(|_| StatusCode::COMMAND_FAILED)?;
        let record = record.unwrap_or_default();
        let mut reader = Reader::new(ORIGIN_VERSION, &record);
        Ok(reader.as_mut().and_then(Reader::text) == Some(uri))
    }
}

/// Removes the file that is to be replaced, before anything of the new one is there: its node does
/// not say any more where it is.
fn make_room(download: &Download, sink: &dyn Sink) -> Result<(), DownloadError> {
    let key = download.key();
    if download.progress().received == 0 && sink.location(key)?.is_some() {
        sink.discard(key)?;
    }
    Ok(())
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        let status = match &error {
            DownloadError::MediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT,
            DownloadError::TooLarge { .. } => StatusCode::DEVICE_FULL,
            DownloadError::Sink(error) if error.kind() == SinkErrorKind::NoSpace => {
                StatusCode::DEVICE_FULL
            }
            _ => StatusCode::COMMAND_FAILED,
        };
        let reason = explain(&error);
        Self { status, reason }
    }
}

/// The octets of a SHA-256 digest in hexadecimal digits.
fn digest(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    let octets: Option<Vec<u8>> = pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    octets?.try_into().ok()
}

/// Whether progress is worth an event: at least a hundredth of the file, or 1 MiB if its length is
/// not known, or its end.
fn is_news(told: Option<u64>, progress: Progress) -> bool {
    let Some(told) = told else { return true };
    let step = progress.total.map_or(1 << 20, |total| (total / 100).max(1));
    let more = progress.received.saturating_sub(told);
    more >= step || more > 0 && progress.total == Some(progress.received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_hundredths() {
        let mebibyte = 1 << 20;
        for (told, received, total, is_told) in [
            (None, 0, Some(1000), true),
            (Some(0), 0, Some(0), false),
            (Some(0), 9, Some(1000), false),
            (Some(0), 10, Some(1000), true),
            (Some(500), 509, Some(1000), false),
            (Some(500), 511, Some(1000), true),
            (Some(995), 999, Some(1000), false),
            (Some(995), 1000, Some(1000), true),
            (Some(1000), 1000, Some(1000), false),
            (Some(1), 2, Some(50), true),
            // It begins anew.
            (Some(500), 5, Some(1000), false),
            (Some(5), mebibyte + 4, None, false),
            (Some(5), mebibyte + 5, None, true),
        ] {
            let progress = Progress { received, total };
            assert_eq!(
                is_news(told, progress),
                is_told,
                "{received} of {total:?} after {told:?}"
            );
        }
    }
}
