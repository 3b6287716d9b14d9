//! Authentication of both directions. [DM-Security]

mod credentials;
mod hmac;
mod nonce;
mod prover;
mod scheme;
mod verifier;

pub use credentials::{Credentials, Proof, TransportIdentity};
pub use hmac::{Hmac, InvalidHmac};
pub use nonce::{NoRandom, Nonce, NonceError, NoncePair, NonceTooLong, Nonces, RECORDS, Random};
pub use prover::{Heard, Prover};
pub use scheme::{Scheme, UnknownScheme};
pub use verifier::{Evidence, Verdict, Verifier};
