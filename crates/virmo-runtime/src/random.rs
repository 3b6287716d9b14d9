//! The only random numbers: names of sessions, prefixes of Correlators, nonces.

use omadm_session::NoRandom;

/// A SessionID of a session or a notification, never 0; two of them differ almost certainly.
#[must_use]
pub fn session_id() -> u16 {
    let mut octets = [0; 2];
    fill(&mut octets);
    u16::from_be_bytes(octets).max(1)
}

/// A text that differs from run to run, for [`omadm_server::Config::correlator_prefix`].
#[cfg(feature = "server")]
#[must_use]
pub fn correlator_prefix() -> String {
    let mut octets = [0; 8];
    fill(&mut octets);
    format!("{:016x}", u64::from_be_bytes(octets))
}

/// What nonces are made of.
pub(crate) fn octets(octets: &mut [u8]) -> Result<(), NoRandom> {
    getrandom::fill(octets).map_err(|_| NoRandom)
}

fn fill(octets: &mut [u8]) {
    if getrandom::fill(octets).is_err() {
        // No entropy at all: the time is still different from run to run.
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = time.map(|time| time.as_nanos()).unwrap_or_default();
        for (octet, value) in octets.iter_mut().zip(nanos.to_le_bytes()) {
            *octet = value;
        }
    }
}
