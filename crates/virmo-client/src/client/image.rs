use std::sync::Arc;

use omadm_core::{Format, GenericAlert, Mark, Space, StatusCode};
use omadm_download::{
    Cancel, Download, DownloadError, DownloadKey, Environment, Finished, InvalidUriKind, Progress,
    SinkErrorKind,
};
use omadm_mo::{Context, ExecAnswer, ExecRequest, JobEnd, JobId, Refusal, Work};
use omadm_tree::{Change, ChangeKind, TreeError, Value};
use virmo_nodes::{ALERT_IMAGE_READY, ImageNode, ImagePath};
use virmo_params::ImageId;
use virmo_state::{ImageOperation, ImageState};

use super::{Output, VirmoClient, output};
use crate::{
    Event,
    drive::{Failure, explain},
    intent::{ImageIntent, ImageWork, Reply},
    ledger::{After, ImageTask, Subject},
    nodes::{ImageView, clear, deleted, set},
    record::{Reader, Writer},
};

const REFUSED: Refusal = Refusal(StatusCode::COMMAND_NOT_ALLOWED);

/// By ImgID, the DownloadURI that a downloaded image came from.
const ORIGINS: Space = Space::new("images");
const ORIGIN_VERSION: u8 = 1;

/// What a server does to the nodes of an image.
impl VirmoClient {
    pub(super) fn stage_image(
        &mut self,
        path: &ImagePath<'_>,
        change: &Change,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        let written = matches!(change.kind, ChangeKind::Added | ChangeKind::Replaced { .. });
        match (path.node, &change.kind) {
            (ImageNode::Image, ChangeKind::Added) => self.add_image(path.image, cx),
            (ImageNode::Image, ChangeKind::Renamed { .. }) => self.check_idle_image(path.image, cx),
            (ImageNode::Image, ChangeKind::Deleted { .. }) => self.delete_image(path.image, cx),
            (ImageNode::DownloadUri | ImageNode::MediaType, _) if written => {
                self.write_parameter(path, change, cx)
            }
            _ => Ok(()),
        }
    }

    /// [VirMO §10.1 step 2]
    fn add_image(&mut self, node: &str, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let id = self.book.write().new_image(&mut cx.effects.batch);
        let id = id.ok_or(Refusal(StatusCode::DEVICE_FULL))?;
        let uri = ImageNode::ImgId.of(&self.roots.image(node));
        Ok(set(cx, &uri, Value::chr(id.as_str()))?)
    }

    /// A Delete of the sub-tree is an Exec of its Operations/Delete. [VirMO §10.2 step 5]
    fn delete_image(&mut self, node: &str, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let uri = self.roots.image(node);
        let before = |leaf: ImageNode| deleted(cx, &leaf.of(&uri));
        let Some(id) = before(ImageNode::ImgId).and_then(|id| id.parse().ok()) else {
            return Ok(());
        };
        let state = before(ImageNode::State).and_then(|state| state.parse().ok());
        let state = state.and_then(ImageState::from_value).unwrap_or_default();
        match self.remove_image(node, id, state, Reply::default(), cx) {
            Ok(_) => Ok(()),
            Err(status) => Err(Refusal(status)),
        }
    }

    fn write_parameter(
        &self,
        path: &ImagePath<'_>,
        change: &Change,
        cx: &Context<'_, '_>,
    ) -> Result<(), Refusal> {
        let Some(leaf) = cx.tree.node(&change.uri).filter(|leaf| !leaf.is_unset()) else {
            return Ok(());
        };
        self.check_idle_image(path.image, cx)?;
        let text = leaf.text().unwrap_or_default();
        if path.node == ImageNode::MediaType && !is_media_type(text) {
            return Err(Refusal(StatusCode::BAD_REQUEST));
        }
        Ok(())
    }

    fn check_idle_image(&self, node: &str, cx: &Context<'_, '_>) -> Result<(), Refusal> {
        let id = self.image(node, cx).and_then(|image| image.id());
        match id {
            Some(id) if self.book.read().images.contains_key(&id) => Err(REFUSED),
            _ => Ok(()),
        }
    }

    fn image<'c>(&self, node: &str, cx: &'c Context<'_, '_>) -> Option<ImageView<'c>> {
        self.roots.image_view(cx.tree.tree(), node)
    }
}

/// Download.
impl VirmoClient {
    pub(super) fn exec_image(
        &mut self,
        path: &ImagePath<'_>,
        request: &ExecRequest<'_>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecAnswer, StatusCode> {
        let image = self.image(path.image, cx).ok_or(StatusCode::NOT_FOUND)?;
        let id = image.id().ok_or(StatusCode::COMMAND_FAILED)?;
        let state = image.state();
        let reply = Reply::new(request.correlator);
        match path.node {
            ImageNode::Download => {
                let job = self.exec_download(path.image, id, state, reply, cx)?;
                Ok(ExecAnswer::Pending(job, self.policy.download_reporting))
            }
            ImageNode::Delete => {
                let job = self.remove_image(path.image, id, state, reply, cx)?;
                let removed = cx.tree.remove(&self.roots.image(path.image));
                removed.map_err(|error| error.status())?;
                Ok(ExecAnswer::Pending(job, self.policy.reporting))
            }
            _ => Err(StatusCode::COMMAND_NOT_ALLOWED),
        }
    }

    /// [VirMO §10.1 step 4]
    fn exec_download(
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
        let asked = match state == ImageState::Downloaded && !self.came_from(&id, uri)? {
            true => ImageOperation::DownloadReplaced,
            false => ImageOperation::Download,
        };
        if state.after(asked).is_err() || ledger.is_used(&id) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        self.start_download(node, id, reply, cx)
    }

    /// Asks for the job that downloads an image. An address that cannot be used is a download that
    /// failed.
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
                let error: omadm_download::InvalidUri = error;
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
        let download = Download::prepare(&*self.journal, &key, &uri, media_type)
            .map_err(|_| StatusCode::COMMAND_FAILED)?;
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
        Box::new(move || {
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
            let result = download.run(&environment, &mut progress);
            Box::new(Output::Download(result))
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
        let result = output(end, |output| match output {
            Output::Download(result) => Some(result),
            _ => None,
        });
        let result = result.and_then(|result| result.map_err(Failure::from));
        let node = intent.node.clone();
        let status = match result {
            Ok(finished) => {
                let to = ImageState::Downloaded;
                self.keep_image(&node, id, to, Some(&finished), cx)?;
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

    /// Writes the state an image is in now. DownloadedLocation is there in one state only.
    fn keep_image(
        &mut self,
        node: &str,
        id: &ImageId,
        state: ImageState,
        finished: Option<&Finished>,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), TreeError> {
        let Some(image) = self.image(node, cx) else {
            return Ok(());
        };
        let (before, origin) = (image.state(), image.text(ImageNode::DownloadUri).to_owned());
        let uri = self.roots.image(node);
        let location = ImageNode::DownloadedLocation.of(&uri);
        // What may find the tree full comes first, so that a failure changes nothing.
        match finished {
            Some(finished) => {
                set(cx, &location, Value::chr(&finished.location))?;
                let record = Writer::new(ORIGIN_VERSION).text(&origin).finish();
                cx.effects.batch.put(ORIGINS, id.as_str(), record);
                if let Some(key) = key(id) {
                    Download::forget(&mut cx.effects.batch, &key);
                }
            }
            None => clear(cx, &location)?,
        }
        if before != state {
            set(
                cx,
                &ImageNode::State.of(&uri),
                Value::int(state.value().into()),
            )?;
            self.tell_image(node, id, before, Some(state));
        }
        Ok(())
    }

    /// Whether a downloaded image came from this address.
    fn came_from(&self, id: &ImageId, uri: &str) -> Result<bool, StatusCode> {
        let record = self.journal.read(ORIGINS, id.as_str().as_bytes());
        let record = record.map_err(|_| StatusCode::COMMAND_FAILED)?;
        let record = record.unwrap_or_default();
        let mut reader = Reader::new(ORIGIN_VERSION, &record);
        Ok(reader.as_mut().and_then(Reader::text) == Some(uri))
    }

    fn begin(
        &mut self,
        job: JobId,
        subject: Subject,
        intent: ImageIntent,
        cancel: Cancel,
        cx: &mut Context<'_, '_>,
    ) {
        intent.save(&mut cx.effects.batch);
        let ledger = self.book.write();
        ledger.jobs.insert(job, subject);
        let id = intent.image.clone();
        ledger.images.insert(
            id,
            ImageTask {
                job,
                intent,
                cancel,
            },
        );
    }

    fn tell_image(&mut self, node: &str, id: &ImageId, from: ImageState, to: Option<ImageState>) {
        self.book.tell(Event::Image {
            node: node.to_owned(),
            image: id.clone(),
            from,
            to,
        });
    }

    fn tell_image_failure(&mut self, node: &str, id: &ImageId, reason: String) {
        self.book.tell(Event::ImageFailed {
            node: node.to_owned(),
            image: id.clone(),
            reason,
        });
    }
}

/// Delete.
impl VirmoClient {
    /// Takes leave of an image whose sub-tree goes with this transaction: stops its download, and
    /// asks for the job that removes its files once the sub-tree is gone. [VirMO §9 Delete]
    fn remove_image(
        &mut self,
        node: &str,
        id: ImageId,
        state: ImageState,
        reply: Reply,
        cx: &mut Context<'_, '_>,
    ) -> Result<JobId, StatusCode> {
        if self.book.read().is_used(&id) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        if let Some(task) = self.book.read().images.get(&id) {
            let cancel = task.cancel.clone();
            self.book.after(After::Cancel(cancel));
        }
        self.tell_image(node, &id, state, None);
        let intent = ImageIntent {
            image: id,
            node: node.to_owned(),
            work: ImageWork::Discard,
            reply,
        };
        self.discard(intent, cx)
    }

    /// Asks for the job that removes the files of an image.
    pub(super) fn discard(
        &mut self,
        intent: ImageIntent,
        cx: &mut Context<'_, '_>,
    ) -> Result<JobId, StatusCode> {
        let key = key(&intent.image).ok_or(StatusCode::COMMAND_FAILED)?;
        let sink = Arc::clone(&self.sink);
        let work = Box::new(move || Box::new(Output::Discard(sink.discard(&key))) as _);
        let label = format!("Delete {}", intent.node);
        let job = cx.effects.job(lane(&intent.image), label, work).id;
        let subject = Subject::Discard(intent.image.clone());
        self.begin(job, subject, intent, Cancel::new(), cx);
        Ok(job)
    }

    pub(super) fn discard_ended(
        &mut self,
        id: &ImageId,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> StatusCode {
        if matches!(end, JobEnd::TimedOut) {
            return StatusCode::COMMAND_FAILED;
        }
        self.book.ended(job);
        let task = self.book.write().images.remove(id);
        let result = output(end, |output| match output {
            Output::Discard(result) => Some(result),
            _ => None,
        });
        let result =
            result.and_then(|result| result.map_err(|error| Failure::new(explain(&error))));
        let status = match result {
            Ok(()) => {
                // A download that was just being stopped may have written its record again.
                if let Some(key) = key(id) {
                    Download::forget(&mut cx.effects.batch, &key);
                }
                cx.effects.batch.remove(ORIGINS, id.as_str());
                ImageIntent::forget(&mut cx.effects.batch, id);
                StatusCode::OK
            }
            // The intent stays: the files are removed at the next start.
            Err(failure) => {
                let node = task.as_ref().map_or("", |task| &task.intent.node);
                self.tell_image_failure(node, id, failure.reason);
                failure.status
            }
        };
        if let Some(task) = task {
            let source = ImageNode::Delete.of(&self.roots.image(&task.intent.node));
            self.report(&source, &task.intent.reply, status, cx);
        }
        status
    }
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

/// Whether progress is worth an event: at least a hundredth of the file, or 1 MiB if its length is
/// not known, or its end.
fn is_news(told: Option<u64>, progress: Progress) -> bool {
    let Some(told) = told else { return true };
    let step = progress.total.map_or(1 << 20, |total| (total / 100).max(1));
    let more = progress.received.saturating_sub(told);
    more >= step || more > 0 && progress.total == Some(progress.received)
}

/// Whether a text is `type/subtype`, maybe with parameters. [RFC 9110 §8.3.1]
fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !text.is_empty() && text.chars().all(token)
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    let parts = essence.split_once('/');
    parts.is_some_and(|(main, sub)| is_token(main) && is_token(sub))
}

/// The lane of all jobs on an image.
fn lane(id: &ImageId) -> String {
    format!("image {id}")
}

/// What the download and the files of an image are known by.
fn key(id: &ImageId) -> Option<DownloadKey> {
    id.as_str().parse().ok()
}
