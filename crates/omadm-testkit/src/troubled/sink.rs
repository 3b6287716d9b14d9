use std::sync::Arc;

use omadm_download::{DownloadKey, Sink, SinkError, SinkErrorKind};

use crate::{CallKind, Points};

/// A [`Sink`] whose calls are [`Points`]; half a write is the first half of its bytes.
#[derive(Clone)]
pub struct TroubledSink {
    inner: Arc<dyn Sink>,
    points: Points,
}

impl TroubledSink {
    /// Decorates a sink.
    #[must_use]
    pub fn new(inner: Arc<dyn Sink>, points: &Points) -> Self {
        Self {
            inner,
            points: points.clone(),
        }
    }

    fn call<T>(
        &self,
        kind: CallKind,
        name: &str,
        call: impl FnOnce(&dyn Sink) -> Result<T, SinkError>,
    ) -> Result<T, SinkError> {
        let refused = || SinkErrorKind::Io.into();
        self.points.call(kind, name, refused, || call(&*self.inner))
    }
}

impl Sink for TroubledSink {
    fn reserve(&self, key: &DownloadKey, total: Option<u64>) -> Result<(), SinkError> {
        self.call(CallKind::Change, "Sink::reserve", |inner| {
            inner.reserve(key, total)
        })
    }

    fn len(&self, key: &DownloadKey) -> Result<Option<u64>, SinkError> {
        self.call(CallKind::Look, "Sink::len", |inner| inner.len(key))
    }

    fn write_at(&self, key: &DownloadKey, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
        self.points.halved(
            CallKind::Change,
            "Sink::write_at",
            || SinkErrorKind::NoSpace.into(),
            Some(|| _ = self.inner.write_at(key, offset, half)),
            || self.inner.write_at(key, offset, bytes),
        )
    }

    fn read_at(
        &self,
        key: &DownloadKey,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, SinkError> {
        self.call(CallKind::Look, "Sink::read_at", |inner| {
            inner.read_at(key, offset, buffer)
        })
    }

    fn truncate(&self, key: &DownloadKey, length: u64) -> Result<(), SinkError> {
        self.call(CallKind::Change, "Sink::truncate", |inner| {
            inner.truncate(key, length)
        })
    }

    fn sync(&self, key: &DownloadKey) -> Result<(), SinkError> {
        self.call(CallKind::Change, "Sink::sync", |inner| inner.sync(key))
    }

    fn finish(&self, key: &DownloadKey) -> Result<String, SinkError> {
        self.call(CallKind::Change, "Sink::finish", |inner| inner.finish(key))
    }

    fn location(&self, key: &DownloadKey) -> Result<Option<String>, SinkError> {
        self.call(CallKind::Look, "Sink::location", |inner| {
            inner.location(key)
        })
    }

    fn discard(&self, key: &DownloadKey) -> Result<(), SinkError> {
        self.call(CallKind::Change, "Sink::discard", |inner| {
            inner.discard(key)
        })
    }

    fn keys(&self) -> Result<Vec<DownloadKey>, SinkError> {
        self.call(CallKind::Look, "Sink::keys", |inner| inner.keys())
    }
}
