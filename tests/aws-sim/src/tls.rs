//! The certificate of the stand-in when it serves HTTPS.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A certificate for this machine's own names, and the authority that signed
/// it, made anew each time.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    ca_pem: String,
    ca_der: Vec<u8>,
}

/// The certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// By rcgen.
    #[error("cannot make the stand-in's certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// By rustls.
    #[error("cannot use the stand-in's certificate: {0}")]
    Config(#[from] tokio_rustls::rustls::Error),
}

impl Tls {
    /// For `localhost` and its subdomains (bucket names), 127.0.0.1 and `::1`.
    pub fn self_signed() -> Result<Self, TlsError> {
        Self::self_signed_also_for(Ipv4Addr::LOCALHOST.into())
    }

    /// The same, and for this address.
    pub fn self_signed_also_for(address: IpAddr) -> Result<Self, TlsError> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, "aws-sim authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate()?;
        let ca = authority.self_signed(&authority_key)?;
        let (ca_pem, ca_der) = (ca.pem(), ca.der().to_vec());
        let issuer = Issuer::new(authority, authority_key);

        let mut names = ["localhost", "*.localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
        if !address.is_loopback() {
            names.push(address.to_string());
        }
        let mut leaf = CertificateParams::new(names)?;
        leaf.distinguished_name.push(DnType::CommonName, "aws-sim");
        leaf.use_authority_key_identifier_extension = true;
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &issuer)?;

        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), ca_pem, ca_der })
    }

    /// What takes connections under it.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }

    /// The authority's certificate as it is: DER.
    pub fn ca_der(&self) -> Vec<u8> {
        self.ca_der.clone()
    }

    /// The authority's certificate, for `AWS_CA_BUNDLE`.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
}
