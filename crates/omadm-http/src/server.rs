use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::Builder,
    sync::watch,
    time::{sleep, timeout},
};

mod body;
mod connection;
mod crowd;
mod described;
mod files;
mod handler;
mod names;
mod notifications;
mod range;
mod stall;
#[cfg(feature = "server-tls")]
mod tls;

use connection::{Service, unless_stopped};
pub use described::InstallReport;
pub use files::Files;
pub use handler::{Handler, Incoming, Outgoing, Refused};
pub use notifications::Notifications;
#[cfg(feature = "server-tls")]
pub use tls::ServerTls;

/// An HTTP server for DM messages and for files. [DM-HTTP]
///
/// | request | answer |
/// |---|---|
/// | `POST`, any path outside `/images/` | what the [`Handler`] says |
/// | … with a Content-Type the handler does not take | 415 |
/// | … with a longer body than allowed | 413 |
/// | … whose body does not come in time | 408 |
/// | `GET` and `HEAD` below `/images/` | the file, or the part of it asked for; 404 |
/// | `POST` to a descriptor below `/images/` | 200 to a report; see [`Files::with_descriptors`] |
/// | a path the handler does not serve | 404 |
/// | any other method | 405 |
///
/// A failure comes with a line of text that names its status, or says more.
///
/// That a body of another type gets 415, and an unreadable one 400, is usage (unverified).
///
/// A handler that panics, whatever it is asked about a request, answers 500, and the server lives
/// on. It takes no more than [`ServerConfig::max_connections`] at a time; further ones wait. A
/// connection that dawdles is closed, and one that does nothing gives way where its address has more
/// than its [share](ServerConfig::share).
///
/// The server runs on one thread of its own, and so do handlers that [are
/// quick](Handler::is_quick); others and file access run on a pool beside it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    running: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Settings of a [`Server`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The greatest body of a request in bytes; default 1 MiB.
    pub max_body_bytes: usize,
    /// For the TLS handshake and for the head of a request, from the opening of the connection or
    /// from the answer before; default 15 s.
    pub head_timeout: Duration,
    /// For the whole body of a request; default 30 s.
    pub body_timeout: Duration,
    /// The same while [`max_connections`](Self::max_connections) are open, looked at each time it
    /// has passed: bodies that do not come keep nobody else waiting for longer; default 2 s.
    pub crowded_body_timeout: Duration,
    /// How long a peer may take nothing of an answer; default 30 s.
    pub stall_timeout: Duration,
    /// Connections at a time; default 256.
    pub max_connections: usize,
    /// How many of [`max_connections`](Self::max_connections) one address keeps when they run out;
    /// beyond, its connections without a request under way are closed, the oldest first. In IPv6 a
    /// network of 64 bits is one address. Default 32, and never more than half of them.
    pub share: usize,
    /// Handlers and file accesses at a time; default 16.
    pub workers: usize,
    /// How long [`Server::stop`] waits for requests under way; default 5 s.
    pub grace: Duration,
    /// Files to serve below `/images/`; default none.
    pub files: Option<Files>,
    /// Serve `https`; default plain `http`.
    #[cfg(feature = "server-tls")]
    pub tls: Option<ServerTls>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_body_bytes: 1 << 20,
            head_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            crowded_body_timeout: Duration::from_secs(2),
            stall_timeout: Duration::from_secs(30),
            max_connections: 256,
            share: 32,
            workers: 16,
            grace: Duration::from_secs(5),
            files: None,
            #[cfg(feature = "server-tls")]
            tls: None,
        }
    }
}

impl Server {
    /// Serves on a listener until it is [stopped](Self::stop) or dropped.
    ///
    /// # Errors
    /// An [`io::Error`] if the listener or a thread cannot be had.
    pub fn start(
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        config: ServerConfig,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(config.workers.max(1))
            .thread_name("omadm-http-worker")
            .build()?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (running, stopped) = watch::channel(true);
        let thread = thread::Builder::new()
            .name("omadm-http".to_owned())
            .spawn(move || {
                runtime.block_on(serve(listener, Service::new(handler, config), stopped));
                // A handler that never returns must not keep us.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            address,
            running,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, lets those under way finish within [`ServerConfig::grace`], and
    /// returns when that is done. Dropping the server does the same. Where a handler that [is
    /// quick](Handler::is_quick) does so, it is on the thread that is to finish, and goes on at once.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.send_replace(false);
        if let Some(thread) = self.thread.take()
            // A handler that is quick may drop it: who is waited for does not wait for itself.
            && thread.thread().id() != thread::current().id()
        {
            // The thread panics only if we are wrong, and then its message has been printed.
            _ = thread.join();
        }
    }
}

/// Accepts connections until told to stop, then waits for those that are open.
async fn serve(
    listener: tokio::net::TcpListener,
    service: Service,
    mut running: watch::Receiver<bool>,
) {
    let service = Arc::new(service);
    let slots = Arc::clone(&service.slots);
    let limit = u32::try_from(slots.available_permits()).unwrap_or(u32::MAX);
    loop {
        let accepted = async {
            let (stream, remote) = listener.accept().await?;
            Ok::<_, io::Error>((service.slot().await, stream, remote))
        };
        let (slot, stream, remote) = match unless_stopped(accepted, &mut running).await {
            Some(Ok((Some(slot), stream, remote))) => (slot, stream, remote),
            // Out of file descriptors, most likely: others have to close first.
            Some(_) => {
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            None => break,
        };
        let (service, running) = (Arc::clone(&service), running.clone());
        tokio::spawn(async move {
            service.connection(stream, remote, running).await;
            drop(slot);
        });
    }
    drop(listener);
    // All slots are free when no connection is open.
    _ = timeout(service.config.grace, slots.acquire_many(limit)).await;
}
