use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread,
};

use omadm_client::{Request, TransportFailure};
use omadm_download::Cancel;
use omadm_http::{HttpTransport, Post};
use omadm_markup::Encoding;

/// How a message reaches the server and its answer comes back; blocking, one try.
///
/// The HTTP transport of `omadm-http` is the default; a device with a link of its own (OBEX, a
/// message bus) brings another.
pub trait Transport: Send + Sync {
    /// Sends a message and waits for the answer.
    ///
    /// # Errors
    /// Whether no answer came, or one that is no message.
    fn exchange(&self, request: &Request) -> Result<Reply, TransportFailure>;
}

impl Transport for HttpTransport {
    fn exchange(&self, request: &Request) -> Result<Reply, TransportFailure> {
        let post = Post::new(&request.url, request.encoding, &request.body);
        match self.post(&post, &Cancel::new()) {
            Ok(reply) => Ok(Reply {
                encoding: reply.encoding,
                body: reply.body,
            }),
            Err(error) if error.kind().is_transient() => Err(TransportFailure::Lost),
            Err(_) => Err(TransportFailure::Refused),
        }
    }
}

/// The server's answer to one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The encoding its content type names.
    pub encoding: Encoding,
    /// The message.
    pub body: Vec<u8>,
}

/// Exchanges messages on a thread of its own, so that jobs can end meanwhile.
pub(crate) struct Exchanger {
    requests: Sender<Request>,
}

impl Exchanger {
    /// `report` is called on the thread with each answer. The thread ends with the exchanger.
    pub(crate) fn start(
        transport: Arc<dyn Transport>,
        report: impl Fn(Result<Reply, TransportFailure>) + Send + 'static,
    ) -> io::Result<Self> {
        let (requests, incoming) = mpsc::channel::<Request>();
        thread::Builder::new()
            .name("dm exchange".to_owned())
            .spawn(move || {
                for request in incoming {
                    let answer = catch_unwind(AssertUnwindSafe(|| transport.exchange(&request)));
                    // A transport that panics must not leave the session without an end.
                    report(answer.unwrap_or(Err(TransportFailure::Refused)));
                }
            })?;
        Ok(Self { requests })
    }

    /// Sends a message; its answer is reported.
    pub(crate) fn send(&self, request: Request) {
        // The thread lives as long as `self`, so somebody receives.
        drop(self.requests.send(request));
    }
}
