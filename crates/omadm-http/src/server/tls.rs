use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

use crate::InvalidPem;

/// Who a server is over `https`, and which clients it lets in. TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<rustls::ServerConfig>,
}

impl ServerTls {
    /// Shows the certificate chain in this PEM text, the own one first, and proves it by the key
    /// in the other. Lets every client in.
    ///
    /// # Errors
    /// [`InvalidPem`] if there is no certificate or no key, or if they do not belong together.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Self, InvalidPem> {
        Self::build(chain, key, None)
    }

    /// The same, but lets in only clients that show a certificate of one of the authorities in
    /// this PEM text.
    ///
    /// # Errors
    /// [`InvalidPem`] as for [`new`](Self::new), or if there is no usable authority.
    pub fn with_client_authorities(
        chain: &[u8],
        key: &[u8],
        authorities: &[u8],
    ) -> Result<Self, InvalidPem> {
        Self::build(chain, key, Some(authorities))
    }

    fn build(chain: &[u8], key: &[u8], authorities: Option<&[u8]>) -> Result<Self, InvalidPem> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| InvalidPem::NoKey)?;
        let provider = Arc::new(ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|_| InvalidPem::Unusable)?;
        let builder = match authorities {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(authorities)? {
                    roots.add(authority).map_err(|_| InvalidPem::Unusable)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|_| InvalidPem::Unusable)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder.with_single_cert(chain, key);
        Ok(Self {
            config: Arc::new(config.map_err(|_| InvalidPem::Unusable)?),
        })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidPem> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| InvalidPem::Syntax)?;
    if certificates.is_empty() {
        return Err(InvalidPem::NoCertificate);
    }
    Ok(certificates)
}
