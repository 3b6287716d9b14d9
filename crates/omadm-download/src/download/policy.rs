use std::time::Duration;

use omadm_core::Backoff;

/// Limits and tolerances of a [`Download`](crate::Download).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Policy {
    /// The greatest length of a file in bytes; default 64 GiB.
    pub max_bytes: u64,
    /// Make what has come safe after this many bytes; default 8 MiB. Smaller loses less at a
    /// crash and costs more syncs.
    pub checkpoint_bytes: u64,
    /// Less than this is as bad as a lost connection; default 4 KiB a minute. A source that drips
    /// is given up by it.
    pub slowest: Rate,
    /// Retries after a transient failure; default 8 with waits of 2 s, 4 s … at most 5 min.
    ///
    /// The count starts again after each `checkpoint_bytes` of new bytes, so a long file over a
    /// bad line comes through and a peer that never gets anywhere does not.
    pub retry: Backoff,
    /// Retries of the report that a descriptor asks for; default 3 with waits of 2 s, 4 s and 8 s.
    pub report: Backoff,
    /// Take `application/octet-stream`, or no Content-Type, for any media type; default no.
    pub accept_octet_stream: bool,
    /// Take the end of the connection for the end of a file whose length the source never said;
    /// default no, as it proves nothing.
    pub accept_unproven_end: bool,
}

/// Bytes in a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many; none is always reached.
    pub bytes: u64,
    /// In how long, at a stretch.
    pub time: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 30,
            checkpoint_bytes: 8 << 20,
            slowest: Rate {
                bytes: 4 << 10,
                time: Duration::from_secs(60),
            },
            retry: Backoff {
                retries: 8,
                first: Duration::from_secs(2),
                longest: Duration::from_secs(300),
            },
            report: Backoff {
                retries: 3,
                first: Duration::from_secs(2),
                longest: Duration::from_secs(60),
            },
            accept_octet_stream: false,
            accept_unproven_end: false,
        }
    }
}
