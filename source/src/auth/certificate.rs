//! The certificate credential: an assertion signed with the certificate's private key (reference §3.4).
//!
//! PS256 with the SHA-256 thumbprint, or RS256 with that of SHA-1. Keys: PKCS#8, PKCS#1, and encrypted PKCS#8, as PEM.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    rand::{SystemRandom, fill},
    rsa::KeyPair as RsaKeyPair,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use o365_core::{SensitiveString, config::Problem};
use serde_json::json;

use super::{Secret, der, pem};

/// How long an assertion is valid, and how far its start lies in the past for clocks that differ.
const VALID_FOR: TimeDelta = TimeDelta::minutes(8);
const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// Documented minimum, in bits.
const MIN_BITS: usize = 2_048;

/// How an assertion is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CertificateAlgorithm {
    /// RSASSA-PSS; the certificate is named by its SHA-256 thumbprint (`x5t#S256`).
    #[default]
    Ps256,
    /// RSASSA-PKCS1-v1_5; the certificate is named by its SHA-1 thumbprint (`x5t`).
    Rs256,
}

/// A certificate and its key, ready to sign.
pub(crate) struct Certificate {
    key: RsaKeyPair,
    /// Base64url of SHA-256 over the certificate.
    thumbprint: String,
    /// Base64url of SHA-1 over the certificate.
    legacy_thumbprint: String,
    not_after: DateTime<Utc>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("thumbprint", &self.thumbprint)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Where a certificate and its key are, with absolute paths.
#[derive(Debug, Clone)]
pub(crate) struct CertificateFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: Option<PathBuf>,
    pub(crate) passphrase: Option<Secret>,
    pub(crate) algorithm: CertificateAlgorithm,
}

impl CertificateFiles {
    /// Reads and checks both. An encrypted key takes a moment.
    pub(crate) fn load(
        &self,
        passphrase: Option<&SensitiveString>,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Problem> {
        let certificate = read("certificate", &self.certificate)?;
        let key = self.key.as_ref().map(|key| read("key", key)).transpose()?;
        let key = key.as_ref().unwrap_or(&certificate);
        Certificate::read(certificate.expose(), key.expose(), passphrase, now).map_err(|error| {
            let problem = Problem::new(error.field(), error.to_string());
            match error.hint() {
                Some(hint) => problem.hint(hint),
                None => problem,
            }
        })
    }
}

fn read(field: &str, path: &Path) -> Result<SensitiveString, Problem> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.into()),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(Problem::new(
            field,
            format!("{} is not PEM but binary", path.display()),
        )
        .hint("convert a PFX file: openssl pkcs12 -in old.pfx -nodes -out new.pem")),
        Err(error) => Err(Problem::new(
            field,
            format!("{} cannot be read: {error}", path.display()),
        )),
    }
}

/// Why a certificate and a key are no credential. Says nothing about the key's contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidCertificate {
    #[error("there is no certificate in the file")]
    NoCertificate,
    #[error("the certificate cannot be read")]
    Certificate,
    #[error("the certificate expired on {0}")]
    Expired(DateTime<Utc>),
    #[error("there is no private key in the file")]
    NoKey,
    #[error("the private key is encrypted")]
    NoPassphrase,
    #[error("the private key cannot be decrypted: the passphrase is wrong, or the cipher is not supported")]
    Passphrase,
    #[error("the private key is encrypted in a format of old OpenSSL versions")]
    LegacyEncryption,
    #[error("the private key is no RSA key that can be read")]
    Key,
    #[error("the RSA key has less than {MIN_BITS} bits")]
    Short,
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

impl InvalidCertificate {
    /// The option that is to be changed.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::NoCertificate | Self::Certificate | Self::Expired(_) => "certificate",
            Self::NoPassphrase | Self::Passphrase => "key_passphrase",
            Self::NoKey | Self::LegacyEncryption | Self::Key | Self::Short | Self::Mismatch => "key",
        }
    }

    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoCertificate => Some("the file must have a block `-----BEGIN CERTIFICATE-----`"),
            Self::Expired(_) => Some("create a new certificate and register it with the application"),
            Self::NoPassphrase => Some("configure key_passphrase"),
            Self::NoKey => Some("the file must have a block `-----BEGIN PRIVATE KEY-----`"),
            Self::LegacyEncryption => {
                Some("convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.pem -out new.pem")
            }
            Self::Certificate | Self::Passphrase | Self::Key | Self::Short | Self::Mismatch => None,
        }
    }
}

impl Certificate {
    /// Reads the first certificate and the first private key of two PEM texts.
    pub(crate) fn read(
        certificate: &str,
        key: &str,
        passphrase: Option<&SensitiveString>,
        now: DateTime<Utc>,
    ) -> Result<Self, InvalidCertificate> {
        let blocks = pem::blocks(certificate);
        let certificate = blocks
            .iter()
            .find(|block| block.label == "CERTIFICATE")
            .ok_or(InvalidCertificate::NoCertificate)?;
        let parts = der::certificate(&certificate.der).ok_or(InvalidCertificate::Certificate)?;
        if parts.not_after <= now {
            return Err(InvalidCertificate::Expired(parts.not_after));
        }
        let key = private_key(key, passphrase)?;
        if key.public_key().as_ref() != parts.public_key {
            return Err(InvalidCertificate::Mismatch);
        }
        if key.public_modulus_len() * 8 < MIN_BITS {
            return Err(InvalidCertificate::Short);
        }
        Ok(Self {
            key,
            thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate.der)),
            legacy_thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate.der)),
            not_after: parts.not_after,
        })
    }

    pub(crate) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    pub(crate) fn not_after(&self) -> DateTime<Utc> {
        self.not_after
    }

    /// A fresh assertion for one request. Nothing if the machine has no randomness.
    pub(crate) fn assertion(
        &self,
        algorithm: CertificateAlgorithm,
        audience: &str,
        application_id: &str,
        now: DateTime<Utc>,
    ) -> Option<SensitiveString> {
        let mut random = [0; 16];
        fill(&mut random).ok()?;
        let (header, padding): (_, &dyn RsaEncoding) = match algorithm {
            CertificateAlgorithm::Ps256 => (
                json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint}),
                &RSA_PSS_SHA256,
            ),
            CertificateAlgorithm::Rs256 => (
                json!({"alg": "RS256", "typ": "JWT", "x5t": self.legacy_thumbprint}),
                &RSA_PKCS1_SHA256,
            ),
        };
        let not_before = now - LEEWAY;
        let claims = json!({
            "aud": audience,
            "iss": application_id,
            "sub": application_id,
            "jti": guid(random),
            "nbf": not_before.timestamp(),
            "iat": now.timestamp(),
            "exp": (not_before + VALID_FOR).timestamp(),
        });
        let encode = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

fn private_key(text: &str, passphrase: Option<&SensitiveString>) -> Result<RsaKeyPair, InvalidCertificate> {
    let blocks = pem::blocks(text);
    let block = blocks
        .iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"))
        .ok_or(InvalidCertificate::NoKey)?;
    if block.legacy_encryption {
        return Err(InvalidCertificate::LegacyEncryption);
    }
    match block.label.as_str() {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&block.der).map_err(|_| InvalidCertificate::Key),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&block.der).map_err(|_| InvalidCertificate::Key),
        "ENCRYPTED PRIVATE KEY" => {
            let passphrase = passphrase.ok_or(InvalidCertificate::NoPassphrase)?;
            let plain = pkcs8::EncryptedPrivateKeyInfoRef::try_from(block.der.as_slice())
                .map_err(|_| InvalidCertificate::Key)?
                .decrypt(passphrase.expose())
                .map_err(|_| InvalidCertificate::Passphrase)?;
            RsaKeyPair::from_pkcs8(plain.as_bytes()).map_err(|_| InvalidCertificate::Key)
        }
        _ => Err(InvalidCertificate::Key),
    }
}

/// A random GUID (version 4).
fn guid(mut random: [u8; 16]) -> String {
    random[6] = (random[6] & 0x0F) | 0x40;
    random[8] = (random[8] & 0x3F) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(random));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
    };

    use super::*;

    macro_rules! file {
        ($name:literal) => {
            include_str!(concat!("../../tests/fixtures/certificate/", $name))
        };
    }

    fn now() -> DateTime<Utc> {
        "2026-12-01T00:00:00Z".parse().unwrap()
    }

    fn read(
        certificate: &str,
        key: &str,
        passphrase: Option<&str>,
    ) -> Result<Certificate, InvalidCertificate> {
        Certificate::read(certificate, key, passphrase.map(Into::into).as_ref(), now())
    }

    #[test]
    fn keys_of_every_form_are_read() {
        let certificate = file!("certificate.pem");
        for (key, passphrase) in [
            (file!("key.pem"), None),
            (file!("key-pkcs1.pem"), None),
            (file!("both.pem"), None),
            (file!("key-encrypted.pem"), Some("correct-horse")),
        ] {
            let read = read(certificate, key, passphrase).unwrap();
            assert_eq!(read.thumbprint(), file!("thumbprint.txt").trim());
        }
        assert!(read(file!("both.pem"), file!("both.pem"), None).is_ok());
    }

    #[track_caller]
    fn check(result: Result<Certificate, InvalidCertificate>, field: &str, expect: &InvalidCertificate) {
        let error = result.unwrap_err();
        assert_eq!((error.field(), &error), (field, expect));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_option_to_change() {
        let certificate = file!("certificate.pem");
        check(
            read("", file!("key.pem"), None),
            "certificate",
            &InvalidCertificate::NoCertificate,
        );
        check(read(certificate, "", None), "key", &InvalidCertificate::NoKey);
        check(
            read(certificate, file!("other-key.pem"), None),
            "key",
            &InvalidCertificate::Mismatch,
        );
        let encrypted = file!("key-encrypted.pem");
        check(
            read(certificate, encrypted, None),
            "key_passphrase",
            &InvalidCertificate::NoPassphrase,
        );
        check(
            read(certificate, encrypted, Some("x")),
            "key_passphrase",
            &InvalidCertificate::Passphrase,
        );
        let legacy = file!("key-legacy.pem");
        check(
            read(certificate, legacy, Some("correct-horse")),
            "key",
            &InvalidCertificate::LegacyEncryption,
        );
        let late = Certificate::read(
            certificate,
            file!("key.pem"),
            None,
            now() + TimeDelta::days(40_000),
        );
        assert!(matches!(late, Err(InvalidCertificate::Expired(_))));
    }

    /// Header and claims of an assertion whose signature fits.
    fn assertion(
        algorithm: CertificateAlgorithm,
        parameters: &'static RsaParameters,
    ) -> [serde_json::Value; 2] {
        let certificate = read(file!("both.pem"), file!("both.pem"), None).unwrap();
        let sign = || {
            certificate
                .assertion(algorithm, "https://login/t/oauth2/v2.0/token", "app", now())
                .unwrap()
        };
        let (first, second) = (sign(), sign());
        assert_ne!(first.expose(), second.expose());
        let (signed, signature) = first.expose().rsplit_once('.').unwrap();
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        UnparsedPublicKey::new(parameters, certificate.key.public_key().as_ref())
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
        assert!(!format!("{certificate:?}").contains("key:"));
        let (header, claims) = signed.split_once('.').unwrap();
        [header, claims].map(|part| serde_json::from_slice(&decode(part)).unwrap())
    }

    #[test]
    fn an_assertion_is_signed_fresh_and_short() {
        let [header, claims] = assertion(CertificateAlgorithm::Ps256, &RSA_PSS_2048_8192_SHA256);
        let thumbprint = file!("thumbprint.txt").trim();
        assert_eq!(
            header,
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint})
        );
        assert_eq!(
            (&claims["aud"], &claims["iss"]),
            (&json!("https://login/t/oauth2/v2.0/token"), &json!("app"))
        );
        assert!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap() <= 600);
    }

    #[test]
    fn the_older_algorithm_comes_with_the_older_thumbprint() {
        let [header, _] = assertion(CertificateAlgorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256);
        let thumbprint = file!("thumbprint-sha1.txt").trim();
        assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "x5t": thumbprint}));
    }
}
