//! Settings of the `webchat` plugin.

use std::net::SocketAddr;

use miniclaw_plugin_api::{Error, Result};
use serde::Deserialize;

/// Where the page is where nothing else is said.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8470);

/// Settings of the `webchat` plugin.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address and port of the page; by default `127.0.0.1:8470`, or another port where that one is taken.
    #[serde(default)]
    listen: Option<String>,
    /// Further names under which the page is asked for, as they stand in the Host header, for example `chat.example.org`.
    #[serde(default)]
    hosts: Vec<String>,
    /// Address of the page for people, where a reverse proxy stands before it, for example `https://chat.example.org`.
    #[serde(default)]
    public_url: Option<String>,
    /// Days for which messages are kept.
    #[serde(default = "default_history_days")]
    #[cfg_attr(test, schemars(range(min = 1, max = 36500)))]
    history_days: u32,
}

fn default_history_days() -> u32 {
    90
}

/// Settings that hold.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) listen: SocketAddr,
    /// The port was not chosen by the operator, so that any other one will do.
    pub(crate) any_port: bool,
    pub(crate) hosts: Vec<String>,
    pub(crate) public: Option<Public>,
    pub(crate) history_days: u32,
}

/// Where people find the page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Public {
    /// Scheme and host, as a browser writes them.
    pub(crate) origin: String,
    pub(crate) host: String,
    pub(crate) secure: bool,
}

impl Settings {
    /// # Errors
    /// The key and what it should be.
    pub(crate) fn check(self) -> Result<Site> {
        let listen = match &self.listen {
            None => LISTEN,
            Some(text) => text.trim().parse().map_err(|_| {
                Error::config(
                    "settings.listen: this is not an address with a port; it looks like `127.0.0.1:8470`",
                )
            })?,
        };
        let hosts = self.hosts.iter().map(|host| {
            let host = host.trim().to_ascii_lowercase();
            if is_host(&host) {
                Ok(host)
            } else {
                Err(no_host(&host))
            }
        });
        if !(1..=36500).contains(&self.history_days) {
            return Err(Error::config(
                "settings.history_days: this is not between 1 and 36500",
            ));
        }
        Ok(Site {
            listen,
            any_port: self.listen.is_none(),
            hosts: hosts.collect::<Result<_>>()?,
            public: self.public_url.as_deref().map(public).transpose()?,
            history_days: self.history_days,
        })
    }
}

fn no_host(text: &str) -> Error {
    Error::config(format!(
        "settings.hosts: `{text}` is not a host name with or without a port; it looks like `chat.example.org`"
    ))
}

fn public(text: &str) -> Result<Public> {
    let text = text.trim().trim_end_matches('/').to_ascii_lowercase();
    let parts = text
        .split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    match parts {
        Some((scheme, host)) if is_host(host) => {
            let standard = if scheme == "https" { ":443" } else { ":80" };
            let host = host.strip_suffix(standard).unwrap_or(host);
            Ok(Public {
                origin: format!("{scheme}://{host}"),
                host: host.to_owned(),
                secure: scheme == "https",
            })
        }
        _ => Err(Error::config(
            "settings.public_url: this is not an address without a path; it looks like `https://chat.example.org`",
        )),
    }
}

/// A name or an address, and perhaps a port.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", rest),
        Some(_) => return false,
        None => match text.find(':') {
            Some(colon) => text.split_at(colon),
            None => (text, ""),
        },
    };
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let port_fits = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok());
    !name.is_empty() && letters && port_fits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(settings: serde_json::Value) -> Result<Site> {
        serde_json::from_value::<Settings>(settings).unwrap().check()
    }

    #[test]
    fn address_of_the_page_is_read_as_browsers_write_it() {
        for (text, origin, secure) in [
            ("https://Chat.Example.org/", "https://chat.example.org", true),
            ("https://chat.example.org:443", "https://chat.example.org", true),
            ("http://10.0.0.1:8080", "http://10.0.0.1:8080", false),
            ("https://[fd00::1]:8443", "https://[fd00::1]:8443", true),
        ] {
            let public = checked(json!({ "public_url": text })).unwrap().public.unwrap();
            assert_eq!(
                (public.origin.as_str(), public.secure),
                (origin, secure),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_settings_name_their_key() {
        for (settings, key) in [
            (json!({ "listen": "localhost" }), "settings.listen"),
            (json!({ "listen": "127.0.0.1" }), "settings.listen"),
            (json!({ "hosts": ["https://chat.example.org"] }), "settings.hosts"),
            (json!({ "hosts": [""] }), "settings.hosts"),
            (json!({ "hosts": ["*.example.org"] }), "settings.hosts"),
            (json!({ "hosts": ["chat.example.org:http"] }), "settings.hosts"),
            (json!({ "hosts": ["[fd00::1"] }), "settings.hosts"),
            (json!({ "public_url": "chat.example.org" }), "settings.public_url"),
            (
                json!({ "public_url": "ftp://chat.example.org" }),
                "settings.public_url",
            ),
            (
                json!({ "public_url": "https://chat.example.org/chat" }),
                "settings.public_url",
            ),
            (
                json!({ "public_url": "https://user@chat.example.org" }),
                "settings.public_url",
            ),
            (json!({ "history_days": 0 }), "settings.history_days"),
        ] {
            let error = checked(settings.clone()).err().unwrap();
            assert!(error.message.starts_with(key), "{settings}: {error}");
        }
    }
}
