//! Authorities that are trusted besides those of the system.

use std::path::Path;

use o365_core::config::Problem;
use reqwest::Certificate;

const FIELD: &str = "tls.ca_file";

/// All certificates of a PEM file, each of them usable.
pub(super) fn read(path: &Path) -> Result<Vec<Certificate>, Problem> {
    let shown = path.display();
    let pem = std::fs::read(path)
        .map_err(|error| Problem::new(FIELD, format!("{shown} cannot be read: {error}")))?;
    let certificates = Certificate::from_pem_bundle(&pem)
        .map_err(|_| Problem::new(FIELD, format!("{shown} is not PEM")).hint(HINT))?;
    if certificates.is_empty() {
        return Err(Problem::new(FIELD, format!("there is no certificate in {shown}")).hint(HINT));
    }
    // A client that trusted nothing else would fail.
    let unusable = certificates.iter().position(|certificate| {
        let builder = reqwest::Client::builder().tls_certs_only([certificate.clone()]);
        builder.build().is_err()
    });
    match unusable {
        Some(index) => Err(Problem::new(
            FIELD,
            format!("certificate {} of {shown} cannot be read", index + 1),
        )
        .hint(HINT)),
        None => Ok(certificates),
    }
}

const HINT: &str = "the file must have blocks `-----BEGIN CERTIFICATE-----`; convert a DER file: openssl x509 -inform der \
                    -in ca.cer -out ca.pem";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_usable_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let problem = || read(&path).unwrap_err();
        assert!(problem().message.contains("cannot be read: No such file"));
        for (text, expect) in [
            (&b""[..], "there is no certificate"),
            (b"hello\n", "there is no certificate"),
            (b"\x30\x82\x03\x00\xff", "there is no certificate"),
            (
                b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
                "is not PEM",
            ),
            (
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "certificate 1 of",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let problem = problem();
            assert!(problem.message.contains(expect), "{problem:?}");
            assert!(problem.message.contains("ca.pem") && problem.hint.is_some());
            assert_eq!(problem.field, "tls.ca_file");
        }
        let good = include_str!("../../tests/fixtures/certificate/certificate.pem");
        std::fs::write(&path, format!("# two\n{good}\n{good}")).unwrap();
        assert_eq!(read(&path).unwrap().len(), 2);
    }
}
