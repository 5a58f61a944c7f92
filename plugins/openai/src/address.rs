//! Where a server is and how it is told the key.

use miniclaw_plugin_api::http::Client;
use miniclaw_plugin_api::{Error, Result};

use crate::settings::Settings;

pub(crate) const CHAT: &str = "chat/completions";

/// The client for the server that the settings describe.
///
/// # Errors
/// [`Cause::Config`](miniclaw_plugin_api::Cause::Config) with the setting that cannot work.
pub(crate) fn client(settings: &Settings) -> Result<Client> {
    let mut http = settings.http.clone();
    if !settings.stream {
        http = http.for_whole_answers();
    }
    let mut client = Client::new(&base(&settings.base_url), &http)?;
    for (name, value) in &settings.query {
        client = client.query(name, value);
    }
    if is_azure(&client) && is_deployment(&client) && !client.has_parameter("api-version") {
        return Err(Error::config(
            "settings.query: a deployment at Azure is asked with a version; set `api-version`, for example to `2024-10-21`",
        ));
    }
    let key = settings.api_key.as_deref().unwrap_or_default();
    let header = match &settings.api_key_header {
        Some(header) => header.as_str(),
        None if is_azure(&client) => "api-key",
        None => "authorization",
    };
    client = if header.eq_ignore_ascii_case("authorization") {
        client.bearer(key)?
    } else {
        client.key(header, key)?
    };
    client.headers(&settings.headers)
}

/// Whether the address is that of one deployment at Azure.
pub(crate) fn is_deployment(client: &Client) -> bool {
    client.path().contains("/deployments/")
}

fn is_azure(client: &Client) -> bool {
    [".azure.com", ".azure.us", ".azure.cn"]
        .iter()
        .any(|cloud| client.host().ends_with(cloud))
}

/// The address that all paths are below: portals show the whole one of the chat.
fn base(address: &str) -> String {
    let (path, query) = match address.trim().split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (address.trim(), String::new()),
    };
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(CHAT).unwrap_or(path).trim_end_matches('/');
    format!("{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_address_of_the_chat_will_do() {
        for (address, expected) in [
            ("http://h/v1", "http://h/v1"),
            (" http://h/v1/chat/completions/ ", "http://h/v1"),
            (
                "https://h/d/x/chat/completions?api-version=1",
                "https://h/d/x?api-version=1",
            ),
        ] {
            assert_eq!(base(address), expected);
        }
    }

    #[test]
    fn azure_is_asked_with_its_version() {
        let settings = |base_url: &str| Settings {
            base_url: base_url.into(),
            ..Settings::default()
        };
        let deployment = "https://x.openai.azure.com/openai/deployments/d/chat/completions";
        let error = client(&settings(deployment)).unwrap_err();
        assert!(error.message.contains("`api-version`"), "{error}");
        assert!(client(&settings(&format!("{deployment}?api-version=2024-10-21"))).is_ok());
        assert!(client(&settings("https://x.openai.azure.com/openai/v1")).is_ok());
        // The clouds for the government and for China.
        for host in ["x.openai.azure.us", "x.openai.azure.cn"] {
            assert!(client(&settings(&format!("https://{host}/openai/deployments/d"))).is_err());
        }
    }
}
