//! Certificates that an operator trusts beside the built-in ones.

use std::ffi::OsString;
use std::path::Path;

use reqwest::Certificate;

use crate::error::{Error, Result};

/// The variable that names a file of further certificates, as OpenSSL and curl know it.
const VARIABLE: &str = "SSL_CERT_FILE";

/// The certificates of authorities to trust beside those that are built in: the content of the file that
/// `SSL_CERT_FILE` names, a bundle in PEM; empty where the variable is unset or empty.
///
/// [`Client`](super::Client) trusts them by itself. This is for plugins with an HTTP client of their own; they read the
/// file where they make the client. A plugin in a sandbox can read it.
///
/// # Errors
/// [`Cause::Config`](crate::Cause::Config), with the path: the file cannot be read, or something in it is no certificate,
/// or nothing is one.
pub fn extra_roots() -> Result<Vec<u8>> {
    read(std::env::var_os(VARIABLE))
}

/// The same for [`reqwest`].
pub(super) fn certificates() -> Result<Vec<Certificate>> {
    let pem = extra_roots()?;
    Certificate::from_pem_bundle(&pem).map_err(|error| Error::config(innermost(&error)))
}

fn read(path: Option<OsString>) -> Result<Vec<u8>> {
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        return Ok(Vec::new());
    };
    let path = Path::new(&path);
    let checked = std::fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|pem| check(&pem).map(|()| pem));
    checked.map_err(|reason| {
        Error::config(format!(
            "cannot take certificates from {}, which {VARIABLE} names: {reason}; name a PEM bundle or unset the variable",
            path.display()
        ))
    })
}

/// A throw-away client looks into the certificates: taking them out of their armour alone proves nothing.
fn check(pem: &[u8]) -> Result<(), String> {
    let certificates = Certificate::from_pem_bundle(pem).map_err(|error| innermost(&error))?;
    if certificates.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    let builder = reqwest::Client::builder()
        .tls_built_in_root_certs(false)
        .no_proxy();
    certificates
        .into_iter()
        .fold(builder, reqwest::ClientBuilder::add_root_certificate)
        .build()
        .map(drop)
        .map_err(|error| innermost(&error))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Cause;

    const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tls/authority.pem");

    fn refusal(path: &str) -> String {
        let error = read(Some(path.into())).unwrap_err();
        assert_eq!(error.cause, Cause::Config);
        assert!(error.message.contains(path), "{error}");
        error.message
    }

    #[test]
    fn an_unset_or_empty_variable_adds_no_certificate() {
        assert!(read(None).unwrap().is_empty());
        assert!(read(Some(OsString::new())).unwrap().is_empty());
    }

    #[test]
    fn a_bundle_is_taken_with_all_its_certificates() {
        let pem = read(Some(AUTHORITY.into())).unwrap();
        let two = [&pem[..], b"# between\n", &pem].concat();
        check(&two).unwrap();
        assert_eq!(Certificate::from_pem_bundle(&two).unwrap().len(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused_with_its_path() {
        assert!(refusal("/nowhere/roots.pem").contains("No such file"));
    }

    #[test]
    fn a_file_without_a_certificate_is_refused_with_its_path() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(refusal(manifest).contains("it holds no certificate"));
    }

    #[test]
    fn what_only_looks_like_a_certificate_is_refused() {
        for body in ["bm8gY2VydGlmaWNhdGU=", "%%%"] {
            let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
            check(pem.as_bytes()).unwrap_err();
        }
    }
}
