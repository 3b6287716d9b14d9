use std::fmt;

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::InvalidPem;

/// Whom a client trusts over `https`, and who it is itself.
///
/// The default trusts the public authorities of the web, as compiled in, and shows no certificate.
#[derive(Clone, Default)]
pub struct Tls {
    authorities: Option<RootCerts>,
    identity: Option<ClientCert>,
}

impl Tls {
    /// Trusts the authorities in this PEM text, and no other.
    ///
    /// # Errors
    /// [`InvalidPem`] if there is no certificate in it.
    pub fn with_authorities(mut self, pem: &[u8]) -> Result<Self, InvalidPem> {
        self.authorities = Some(RootCerts::new_with_certs(&certificates(pem)?));
        Ok(self)
    }

    /// Shows the certificate chain in this PEM text, the own one first, and proves it by the key
    /// in the other.
    ///
    /// # Errors
    /// [`InvalidPem`] if there is no certificate or no key, or if they do not belong together.
    pub fn with_identity(mut self, chain: &[u8], key: &[u8]) -> Result<Self, InvalidPem> {
        let chain = certificates(chain)?;
        check(&chain, key)?;
        let key = PrivateKey::from_pem(key).map_err(|_| InvalidPem::NoKey)?;
        self.identity = Some(ClientCert::new_with_certs(&chain, key));
        Ok(self)
    }

    pub(crate) fn config(&self) -> TlsConfig {
        let mut config = TlsConfig::builder().client_cert(self.identity.clone());
        if let Some(authorities) = &self.authorities {
            config = config.root_certs(authorities.clone());
        }
        config.build()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("own_authorities", &self.authorities.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

/// Whether a chain can be used with a key; ureq panics at the first connection where it cannot.
fn check(chain: &[Certificate<'static>], key: &[u8]) -> Result<(), InvalidPem> {
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| InvalidPem::NoKey)?;
    let chain = chain
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der().to_vec()))
        .collect();
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map(drop)
        .map_err(|_| InvalidPem::Unusable)
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, InvalidPem> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| InvalidPem::Syntax)? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(InvalidPem::NoCertificate);
    }
    Ok(certificates)
}
