/// A text that is no PEM of the wanted kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPem {
    /// It cannot be read as PEM.
    #[error("it is not PEM")]
    Syntax,
    /// There is no certificate in it.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// There is no private key in it.
    #[error("there is no private key in it")]
    NoKey,
    /// A certificate in it cannot be used, or not with this key.
    #[error("the certificate cannot be used with the key")]
    Unusable,
}
