//! The way to the Bot API: a proxy, and who is trusted on it.

use std::path::Path;

use miniclaw_plugin_api::{Error, Result};
use reqwest::{Certificate, Client, ClientBuilder, Proxy, Url};

/// Reads the address of a proxy.
///
/// # Errors
/// What it should be; the address is never shown, as it may hold a password.
pub(super) fn proxy(text: &str) -> Result<Proxy> {
    let refuse = |reason: &str| {
        Error::config(format!(
            "settings.proxy: {reason}; it looks like `http://user:password@proxy.example:3128`, with `http`, \
             `https`, `socks5` or `socks5h`"
        ))
    };
    let url = Url::parse(text.trim()).map_err(|_| refuse("this is not an address"))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
        return Err(refuse("the address is of no known kind of proxy"));
    }
    if !url.has_host() {
        return Err(refuse("the address has no host"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("the address can have no path, no query and no fragment"));
    }
    Proxy::all(url.as_str()).map_err(|_| refuse("this is not the address of a proxy"))
}

/// Reads a bundle of certificates.
///
/// # Errors
/// The path, and what is wrong with the file.
pub(super) fn authorities(path: &str) -> Result<Vec<Certificate>> {
    let refuse = |reason: &str| {
        Error::config(format!(
            "settings.ca_file: cannot take certificates from {path}: {reason}; name a PEM bundle"
        ))
    };
    if !Path::new(path).is_absolute() {
        return Err(refuse("the path is not absolute"));
    }
    let pem = std::fs::read(path).map_err(|error| refuse(&error.to_string()))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|_| refuse("what is in it is no certificate"))?;
    if certificates.is_empty() {
        return Err(refuse("it holds no certificate"));
    }
    // A throw-away client looks into the certificates: taking them out of their armour alone proves nothing.
    let builder = Client::builder().tls_built_in_root_certs(false).no_proxy();
    let client = certificates
        .iter()
        .cloned()
        .fold(builder, ClientBuilder::add_root_certificate)
        .build();
    client.map_err(|_| refuse("what is in it is no certificate"))?;
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniclaw_plugin_api::Cause;

    const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/tls/authority.pem");

    #[test]
    fn proxies_of_four_kinds_are_taken_with_a_user_and_a_password() {
        for text in [
            "http://127.0.0.1:3128",
            " https://proxy.example ",
            "socks5://user:pass@127.0.0.1:1080",
            "socks5h://user:pass@proxy.example:1080/",
        ] {
            proxy(text).unwrap();
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_being_shown() {
        for text in [
            "",
            "pass-word",
            "ftp://u:pass-word@h",
            "socks4://u:pass-word@h",
            "http://u:pass-word@",
            "http://u:pass-word@h/p",
            "http://h?pass-word",
        ] {
            let error = proxy(text).unwrap_err();
            assert_eq!(error.cause, Cause::Config, "{text}");
            assert!(
                error.message.starts_with("settings.proxy: ") && !error.message.contains("pass-word"),
                "{error}"
            );
        }
    }

    #[test]
    fn bundle_is_read_and_what_is_none_is_refused_with_its_path() {
        assert_eq!(authorities(AUTHORITY).unwrap().len(), 1);
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for (path, reason) in [
            ("roots.pem", "not absolute"),
            ("/nowhere/roots.pem", "No such file"),
            (manifest, "holds no certificate"),
        ] {
            let error = authorities(path).unwrap_err();
            assert!(
                error.message.contains(path) && error.message.contains(reason),
                "{error}"
            );
        }
    }
}
