use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::body::{self, Bytes, Frame, SizeHint};
use tokio::{
    fs::File,
    io::{AsyncRead, ReadBuf},
};

use super::crowd::Busy;

/// Bytes of a file read at a time.
const CHUNK: usize = 64 << 10;

/// The body of an answer: some bytes, or a stretch of a file that is read as it is sent.
pub(super) enum Body {
    Bytes(Bytes),
    File { file: File, left: u64 },
}

impl Body {
    pub(super) const fn empty() -> Self {
        Self::Bytes(Bytes::new())
    }

    /// The next `length` bytes of a file.
    pub(super) fn file(file: std::fs::File, length: u64) -> Self {
        let mut file = File::from_std(file);
        file.set_max_buf_size(CHUNK);
        Self::File { file, left: length }
    }
}

impl body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::File { left: 0, .. } => Poll::Ready(None),
            Self::File { file, left } => {
                let most = usize::try_from(*left).unwrap_or(CHUNK).min(CHUNK);
                let mut space = vec![0; most];
                let mut buffer = ReadBuf::new(&mut space);
                ready!(Pin::new(file).poll_read(cx, &mut buffer))?;
                let length = buffer.filled().len();
                if length == 0 {
                    // The file has been cut meanwhile, and its length is promised already.
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                space.truncate(length);
                *left -= length as u64;
                Poll::Ready(Some(Ok(Frame::data(space.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::File { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { left, .. } => *left,
        })
    }
}

/// A body that keeps its connection busy until it is sent.
pub(super) struct Sent {
    body: Body,
    _busy: Busy,
}

impl Body {
    pub(super) fn while_sent(self, busy: Busy) -> Sent {
        Sent {
            body: self,
            _busy: busy,
        }
    }
}

impl body::Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why the body of a request is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoBody {
    TooLong,
    Broken,
}

/// The whole body of a request.
pub(super) async fn read(mut body: body::Incoming, limit: usize) -> Result<Vec<u8>, NoBody> {
    use hyper::body::Body as _;

    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(NoBody::TooLong);
    }
    let mut bytes = Vec::with_capacity(announced);
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| NoBody::Broken)?;
        let data = frame.into_data().unwrap_or_default();
        if data.len() > limit - bytes.len() {
            return Err(NoBody::TooLong);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}
