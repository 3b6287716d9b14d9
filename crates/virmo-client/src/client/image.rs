use std::sync::Arc;

use omadm_core::{Records, Space, StatusCode};
use omadm_download::{Cancel, Download, DownloadKey, Finished, SinkError, is_media_type};
use omadm_mo::{Context, ExecAnswer, ExecRequest, JobEnd, JobId, Refusal};
use omadm_tree::{Change, ChangeKind, TreeError, Value};
use virmo_nodes::{ImageNode, ImagePath};
use virmo_params::ImageId;
use virmo_state::ImageState;

use super::{VirmoClient, output};
use crate::{
    Event,
    drive::{Failure, explain},
    intent::{ImageIntent, ImageWork, Reply},
    ledger::{ImageTask, Subject},
    nodes::{ImageView, clear, deleted, set},
    record::Writer,
};

const REFUSED: Refusal = Refusal(StatusCode::COMMAND_NOT_ALLOWED);

/// By ImgID, the DownloadURI that a downloaded image came from.
pub(super) const ORIGINS: Space = Space::new("images");
pub(super) const ORIGIN_VERSION: u8 = 1;

pub(crate) const RECORDS: Records = Records::new(ORIGINS, ORIGIN_VERSION);

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

    pub(super) fn image<'c>(&self, node: &str, cx: &'c Context<'_, '_>) -> Option<ImageView<'c>> {
        self.roots.image_view(cx.tree.tree(), node)
    }
}

/// What both operations share.
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

    /// Writes the state an image is in now. DownloadedLocation is there in one state only.
    pub(super) fn keep_image(
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

    pub(super) fn begin(
        &mut self,
        job: JobId,
        subject: Subject,
        intent: ImageIntent,
        cancel: Cancel,
        cx: &mut Context<'_, '_>,
    ) {
        intent.save(&mut cx.effects.batch);
        let ledger = self.book.write();
        if intent.work == ImageWork::Download {
            ledger.left_images.remove(&intent.image);
        }
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

    /// Reports a download as failed that got 202, whose end could not be kept, and that is not made
    /// up for any more.
    pub(super) fn end_left_download(&mut self, node: &str, id: &ImageId, cx: &mut Context<'_, '_>) {
        let left = self.book.read().left_images.get(id).cloned();
        if let Some(left) = left.filter(|left| left.work == ImageWork::Download) {
            self.forget_left(id, cx);
            let source = ImageNode::Download.of(&self.roots.image(node));
            self.report(&source, &left.reply, StatusCode::COMMAND_FAILED, cx);
        }
    }

    /// Nothing is left to be done to an image.
    pub(super) fn forget_left(&mut self, id: &ImageId, cx: &mut Context<'_, '_>) {
        ImageIntent::forget(&mut cx.effects.batch, id);
        self.book.write().left_images.remove(id);
    }

    fn tell_image(&mut self, node: &str, id: &ImageId, from: ImageState, to: Option<ImageState>) {
        self.book.tell(Event::Image {
            node: node.to_owned(),
            image: id.clone(),
            from,
            to,
        });
    }

    pub(super) fn tell_image_failure(&mut self, node: &str, id: &ImageId, reason: String) {
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
        self.end_left_download(node, &id, cx);
        if let Some(task) = self.book.read().images.get(&id) {
            let source = ImageNode::Download.of(&self.roots.image(node));
            self.report(&source, &task.intent.reply, StatusCode::COMMAND_FAILED, cx);
            let cancel = task.cancel.clone();
            self.book.then(move || cancel.cancel());
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
        let (sink, journal) = (Arc::clone(&self.sink), Arc::clone(&self.journal));
        let (fetch, cancel) = (Arc::clone(&self.fetch), Cancel::new());
        let stop = cancel.clone();
        let work = Box::new(move || {
            let left = Download::resume(&*journal, &key);
            let discarded = sink.discard(&key);
            if let Ok(Some(download)) = left {
                download.abandon(&*fetch, &stop);
            }
            Box::new(discarded) as _
        });
        let label = format!("Delete {}", intent.node);
        let job = cx.effects.job(lane(&intent.image), label, work).id;
        let subject = Subject::Discard(intent.image.clone());
        self.begin(job, subject, intent, cancel, cx);
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
        let result = output::<Result<(), SinkError>>(end);
        let result =
            result.and_then(|result| result.map_err(|error| Failure::new(explain(&error))));
        let status = match result {
            Ok(()) => {
                // A download that was just being stopped may have written its record again.
                if let Some(key) = key(id) {
                    Download::forget(&mut cx.effects.batch, &key);
                }
                cx.effects.batch.remove(ORIGINS, id.as_str());
                self.forget_left(id, cx);
                StatusCode::OK
            }
            // The files are removed later; by then the Exec was answered.
            Err(failure) => {
                if let Some(task) = &task {
                    let left = ImageIntent {
                        reply: Reply::default(),
                        ..task.intent.clone()
                    };
                    left.save(&mut cx.effects.batch);
                    let node = left.node.clone();
                    let again = self.book.write().left_images.insert(id.clone(), left);
                    if again.is_none() {
                        self.tell_image_failure(&node, id, failure.reason);
                    }
                }
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

/// The lane of all jobs on an image.
pub(super) fn lane(id: &ImageId) -> String {
    format!("image {id}")
}

/// What the download and the files of an image are known by.
pub(super) fn key(id: &ImageId) -> Option<DownloadKey> {
    id.as_str().parse().ok()
}
