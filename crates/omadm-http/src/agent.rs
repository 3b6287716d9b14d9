use std::{io, time::Duration};

use ureq::{Agent, Error, Timeout};

/// The greatest head of an answer in bytes.
const MAX_HEAD: usize = 32 << 10;

/// What an agent is made from.
pub(crate) struct Settings {
    /// For the host name and for the connection.
    pub(crate) connect_timeout: Duration,
    /// For all of one exchange; absent: no limit.
    pub(crate) total_timeout: Option<Duration>,
    /// For the head of the answer, and for each piece of it and of the body.
    pub(crate) silence_timeout: Duration,
    /// How many connections stay open for the next request.
    pub(crate) idle_connections: usize,
    #[cfg(feature = "tls")]
    pub(crate) tls: crate::Tls,
}

/// An agent that follows no redirect, takes no proxy from the environment and leaves judging the
/// status to us.
pub(crate) fn agent(settings: Settings) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .max_response_header_size(MAX_HEAD)
        .max_idle_connections(settings.idle_connections)
        .timeout_global(settings.total_timeout)
        .timeout_resolve(Some(settings.connect_timeout))
        .timeout_connect(Some(settings.connect_timeout))
        .timeout_recv_response(Some(settings.silence_timeout))
        .timeout_per_read(Some(settings.silence_timeout))
        .timeout_per_write(Some(settings.silence_timeout));
    #[cfg(feature = "tls")]
    let config = config.tls_config(settings.tls.config());
    config.build().new_agent()
}

/// What a failed exchange means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// The request cannot be sent as it is.
    Request,
    UnknownHost,
    Refused,
    Unreachable,
    NoConnection,
    TimedOut,
    Interrupted,
    Tls,
    Protocol,
    /// Too many files are open here.
    Local,
}

pub(crate) fn trouble(error: &Error) -> Trouble {
    match error {
        Error::Http(_) | Error::BadUri(_) => Trouble::Request,
        Error::Timeout(Timeout::Resolve) | Error::HostNotFound => Trouble::UnknownHost,
        Error::Timeout(Timeout::Connect) => Trouble::NoConnection,
        Error::ConnectionFailed => Trouble::Unreachable,
        Error::Timeout(_) => Trouble::TimedOut,
        Error::Io(error) if is_shortage(error) => Trouble::Local,
        Error::Io(error) if is_lookup(error) => Trouble::UnknownHost,
        Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Trouble::Refused,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => Trouble::Unreachable,
            // rustls reports a failed handshake this way.
            io::ErrorKind::InvalidData => Trouble::Tls,
            _ => Trouble::Interrupted,
        },
        Error::Tls(_) | Error::TlsRequired => Trouble::Tls,
        #[cfg(feature = "tls")]
        Error::Pem(_) | Error::Rustls(_) => Trouble::Tls,
        _ => Trouble::Protocol,
    }
}

/// Whether a host name has no address, for which the standard library has no kind of its own.
fn is_lookup(error: &io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address")
}

/// Whether the process, or the system, may open no more files, for which the standard library has no
/// kind either: ENFILE and EMFILE, which are the same on every Unix.
fn is_shortage(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_not_there_is_told_from_one_that_is_silent() {
        let io = |kind: io::ErrorKind| Error::Io(kind.into());
        let lookup = "failed to lookup address information: Name or service not known";
        for (error, due) in [
            (Error::Io(io::Error::other(lookup)), Trouble::UnknownHost),
            (Error::HostNotFound, Trouble::UnknownHost),
            (Error::Timeout(Timeout::Resolve), Trouble::UnknownHost),
            (io(io::ErrorKind::ConnectionRefused), Trouble::Refused),
            (io(io::ErrorKind::NetworkUnreachable), Trouble::Unreachable),
            (Error::Timeout(Timeout::Connect), Trouble::NoConnection),
            (Error::Timeout(Timeout::RecvResponse), Trouble::TimedOut),
            (Error::Timeout(Timeout::Global), Trouble::TimedOut),
        ] {
            assert_eq!(trouble(&error), due, "{error}");
        }
    }

    #[test]
    fn too_many_open_files_are_no_fault_of_the_server() {
        for code in [23, 24] {
            let error = Error::Io(io::Error::from_raw_os_error(code));
            assert_eq!(trouble(&error), Trouble::Local, "{error}");
        }
        let broken = Error::Io(io::ErrorKind::ConnectionReset.into());
        assert_eq!(trouble(&broken), Trouble::Interrupted);
    }
}
