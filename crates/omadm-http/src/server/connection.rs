use std::{
    borrow::Cow,
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming as RequestBody},
    header::{
        ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    },
    http::{request::Parts, uri::PathAndQuery},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use omadm_core::Secret;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::spawn_blocking,
    time::{Instant, timeout},
};

use super::{
    Handler, Incoming, Outgoing, Refused, ServerConfig,
    body::{self, Body, NoBody},
    crowd::{Crowd, Seat},
    described::Descriptors,
    stall::Stalling,
};
use crate::hmac;

/// The greatest head of a request in bytes.
const MAX_HEAD: usize = 32 << 10;

/// Who is at the other end of a connection.
#[derive(Clone)]
struct Peer {
    remote: SocketAddr,
    certificate: Option<Arc<[u8]>>,
}

/// Answers the requests of all connections.
pub(super) struct Service {
    handler: Arc<dyn Handler>,
    pub(super) config: ServerConfig,
    /// One for each connection that may be open.
    pub(super) slots: Arc<Semaphore>,
    crowd: Arc<Crowd>,
}

/// How often a connection that waits looks whether another gives way.
const LOOK: Duration = Duration::from_millis(50);
/// How long a connection that gives way may take to end in order.
const LAST_WORDS: Duration = Duration::from_millis(100);

impl Service {
    pub(super) fn new(handler: Arc<dyn Handler>, config: ServerConfig) -> Self {
        let limit = config.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            handler,
            slots: Arc::new(Semaphore::new(limit)),
            crowd: Crowd::new(config.share.min(limit / 2)),
            config,
        }
    }

    /// Waits for a slot, and takes one from who has too many and does nothing with them.
    pub(super) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let slot = Arc::clone(&self.slots).acquire_owned();
            if let Ok(slot) = timeout(LOOK, slot).await {
                return slot.ok();
            }
            self.crowd.make_room();
        }
    }

    /// Serves one connection to its end.
    pub(super) async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        remote: SocketAddr,
        running: watch::Receiver<bool>,
    ) {
        // Without it answers are only later.
        _ = stream.set_nodelay(true);
        let seat = self.crowd.seat(remote);
        let stream = Stalling::new(stream, self.config.stall_timeout);
        #[cfg(feature = "server-tls")]
        if let Some(tls) = &self.config.tls {
            let handshake = timeout(self.config.head_timeout, tls.acceptor().accept(stream));
            let stream = match unless(seat.wanted(), handshake).await {
                Some(Ok(Ok(stream))) => stream,
                // Who cannot shake hands cannot be told either.
                Some(Ok(Err(error))) => {
                    _ = self.asked(|handler| handler.handshake_failed(remote, &error));
                    return;
                }
                Some(Err(_)) | None => return,
            };
            let (_, tls) = stream.get_ref();
            let certificate = tls.peer_certificates().and_then(<[_]>::first);
            let certificate = certificate.map(|certificate| Arc::from(certificate.as_ref()));
            let peer = Peer {
                remote,
                certificate,
            };
            self.serve(stream, peer, seat, running).await;
            return;
        }
        let certificate = None;
        let peer = Peer {
            remote,
            certificate,
        };
        self.serve(stream, peer, seat, running).await;
    }

    async fn serve(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        seat: Arc<Seat>,
        mut running: watch::Receiver<bool>,
    ) {
        let head_timeout = self.config.head_timeout;
        let place = Arc::clone(&seat);
        let answer = service_fn(move |request| {
            let service = Arc::clone(&self);
            let (peer, busy) = (peer.clone(), place.busy());
            async move {
                let response = service.answer(request, peer).await;
                Ok::<_, Infallible>(response.map(|body| body.while_sent(busy)))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), answer);
        let mut connection = pin!(connection);
        let served = unless(seat.wanted(), connection.as_mut());
        match unless_stopped(served, &mut running).await {
            Some(Some(_)) => {}
            Some(None) => {
                connection.as_mut().graceful_shutdown();
                let end = timeout(LAST_WORDS, connection.as_mut()).await;
                // A request may have come when it was asked to leave.
                if end.is_err() && seat.is_busy() {
                    _ = connection.await;
                }
            }
            None => {
                connection.as_mut().graceful_shutdown();
                // An error here is the peer's: there is nobody left to tell it to.
                _ = connection.await;
            }
        }
    }

    /// Answers a request; whoever is refused is told why, and the handler of it.
    async fn answer(&self, request: Request<RequestBody>, peer: Peer) -> Response<Body> {
        let (head, body) = request.into_parts();
        let response = self.respond(&head, body, &peer).await;
        let status = response.status();
        if status.as_u16() >= 400 {
            let refused = Refused {
                remote: peer.remote,
                method: head.method.as_str(),
                target: target(&head),
                status: status.as_u16(),
            };
            // What it panics about is no matter of the peer.
            _ = self.asked(|handler| handler.refused(&refused));
        }
        response
    }

    async fn respond(&self, head: &Parts, body: RequestBody, peer: &Peer) -> Response<Body> {
        if let Some(files) = &self.config.files
            && let Some(name) = head.uri.path().strip_prefix("/images/")
        {
            if head.method == Method::POST && files.takes_reports(name) {
                return match self.read(body, Descriptors::MAX_REPORT).await {
                    Ok(body) => files.report(peer.remote, name, body).await,
                    Err(status) => plain(status),
                };
            }
            return files.answer(head, name).await;
        }
        match self.asked(|handler| handler.serves(head.uri.path())) {
            Ok(true) => {}
            Ok(false) => return plain(StatusCode::NOT_FOUND),
            Err(status) => return plain(status),
        }
        if head.method != Method::POST {
            return not_allowed("POST");
        }
        match self.receive(head, body, peer).await {
            Ok(incoming) => self.handle(incoming).await,
            Err(status) => plain(status),
        }
    }

    async fn receive(
        &self,
        head: &Parts,
        body: RequestBody,
        peer: &Peer,
    ) -> Result<Incoming, StatusCode> {
        let content_type = text(&head.headers, CONTENT_TYPE).unwrap_or_default();
        if !self.asked(|handler| handler.accepts(content_type))? {
            return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let body = self.read(body, self.config.max_body_bytes).await?;
        let hmacs = head.headers.get_all(hmac::NAME);
        Ok(Incoming {
            remote: peer.remote,
            certificate: peer.certificate.as_ref().map(|octets| octets.to_vec()),
            target: target(head).to_owned(),
            content_type: content_type.to_owned(),
            hmac: hmac::joined(hmacs.iter().map(|line| line.to_str().ok())),
            authorization: text(&head.headers, AUTHORIZATION).map(Secret::from),
            body,
        })
    }

    /// The whole body of a request, or what is answered if it does not come.
    async fn read(&self, body: RequestBody, limit: usize) -> Result<Vec<u8>, StatusCode> {
        match self.in_time(body::read(body, limit)).await {
            Some(Ok(body)) => Ok(body),
            Some(Err(NoBody::TooLong)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
            Some(Err(NoBody::Broken)) => Err(StatusCode::BAD_REQUEST),
            None => Err(StatusCode::REQUEST_TIMEOUT),
        }
    }

    /// What a body comes to; none if it takes too long, for now.
    async fn in_time<F: Future>(&self, body: F) -> Option<F::Output> {
        let mut body = pin!(body);
        // Mostly it came with the head, and no time is taken.
        let come = poll_fn(|cx| match body.as_mut().poll(cx) {
            Poll::Ready(body) => Poll::Ready(Some(body)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(body) = come.await {
            return Some(body);
        }
        let began = Instant::now();
        // The runtime counts milliseconds.
        let glance = self
            .config
            .crowded_body_timeout
            .max(Duration::from_millis(1));
        loop {
            let left = self.config.body_timeout.saturating_sub(began.elapsed());
            if let Ok(body) = timeout(left.min(glance), body.as_mut()).await {
                return Some(body);
            }
            if left <= glance || self.slots.available_permits() == 0 {
                return None;
            }
        }
    }

    /// What the handler says on this thread; if it panics, what is answered.
    fn asked<T>(&self, ask: impl FnOnce(&dyn Handler) -> T) -> Result<T, StatusCode> {
        let said = catch_unwind(AssertUnwindSafe(|| ask(&*self.handler)));
        said.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }

    async fn handle(&self, incoming: Incoming) -> Response<Body> {
        let quick = |handler: &dyn Handler| {
            let is_quick = handler.is_quick(&incoming);
            is_quick.then(|| handler.handle(&incoming))
        };
        let outgoing = match self.asked(quick) {
            Ok(Some(outgoing)) => Some(outgoing),
            Ok(None) => {
                let handler = Arc::clone(&self.handler);
                let outgoing = spawn_blocking(move || handler.handle(&incoming)).await;
                outgoing.ok()
            }
            Err(_) => None,
        };
        outgoing
            .and_then(into_response)
            .unwrap_or_else(|| plain(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

/// The answer as hyper has it; `None` if it has no valid status or header.
fn into_response(outgoing: Outgoing) -> Option<Response<Body>> {
    let status = StatusCode::from_u16(outgoing.status).ok()?;
    let mut response = if outgoing.body.is_empty() {
        plain(status)
    } else {
        Response::new(Body::Bytes(outgoing.body.into()))
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, private"));
    if let Some(content_type) = outgoing.content_type {
        let content_type = match content_type {
            Cow::Borrowed(text) => {
                HeaderValue::from_maybe_shared(Bytes::from_static(text.as_bytes()))
            }
            Cow::Owned(text) => text.try_into(),
        };
        headers.insert(CONTENT_TYPE, content_type.ok()?);
    }
    if let Some(hmac) = outgoing.hmac {
        headers.insert(hmac::NAME, hmac.try_into().ok()?);
    }
    Some(response)
}

/// Path and query of a request.
fn target(head: &Parts) -> &str {
    head.uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

/// The value of a header, if it is there and is text.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// An answer that says no more than its status: in a line of text if it is a failure.
pub(super) fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if status.as_u16() >= 400 {
        *response.body_mut() = Body::Bytes(format!("{status}\n").into());
        let text = HeaderValue::from_static("text/plain");
        response.headers_mut().insert(CONTENT_TYPE, text);
    }
    response
}

/// The answer to a method that is none of these.
pub(super) fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
    let methods = HeaderValue::from_static(methods);
    response.headers_mut().insert(ALLOW, methods);
    response
}

/// What `future` yields; `None` if the server stops before.
pub(super) async fn unless_stopped<F: Future>(
    future: F,
    running: &mut watch::Receiver<bool>,
) -> Option<F::Output> {
    unless(running.wait_for(|running| !running), future).await
}

/// What `future` yields; `None` if `other` comes before.
async fn unless<F: Future>(other: impl Future, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut other = pin!(other);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        other.as_mut().poll(cx).map(|_| None)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        runtime::Builder,
    };

    use super::*;

    struct Slow;

    impl Handler for Slow {
        fn handle(&self, _: &Incoming) -> Outgoing {
            thread::sleep(2 * LAST_WORDS);
            Outgoing::status(202)
        }
    }

    /// The request is there, unread, when the connection is asked to leave.
    #[test]
    fn who_leaves_answers_the_request_that_has_come() {
        let request = b"POST / HTTP/1.1\r\nhost: x\r\n\
            content-type: application/vnd.syncml.dm+xml\r\ncontent-length: 1\r\n\r\nx";
        let config = ServerConfig {
            share: 0,
            ..ServerConfig::default()
        };
        let service = Arc::new(Service::new(Arc::new(Slow), config));
        let remote = "192.0.2.1:1".parse().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(async {
            let (mut client, server) = duplex(1 << 10);
            client.write_all(request).await.unwrap();
            let (seat, certificate) = (service.crowd.seat(remote), None);
            service.crowd.make_room();
            let (_stop, running) = watch::channel(true);
            let peer = Peer {
                remote,
                certificate,
            };
            Arc::clone(&service)
                .serve(server, peer, seat, running)
                .await;
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        });
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }
}
