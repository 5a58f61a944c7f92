//! What an operator can do about a provider that does not answer.

use miniclaw_plugin_api::{Cause, Error, Model};

/// Most names that are offered instead of one that the server does not know.
const OFFERED: usize = 5;

/// One sentence; `None` where the error has said it all. `offered`: what the server has, where it was asked.
pub(super) fn advice(name: &str, model: Option<&str>, error: &Error, offered: &[Model]) -> Option<String> {
    let setting = |key: &str| format!("providers.{name}.settings.{key}");
    Some(match error.cause {
        Cause::Auth if error.meta.contains_key("unpaid") => {
            "the key is right and its account is empty: see to the account, or use another one".into()
        }
        Cause::Auth => format!(
            "the server refuses the key: set `{}` to one that it takes",
            setting("api_key")
        ),
        Cause::NotFound => unknown_model(name, model, offered),
        Cause::Config => format!("the settings cannot work: change `providers.{name}.settings`"),
        Cause::Network => format!(
            "nobody answers there: start the server, or set `{}` to where it is",
            setting("base_url")
        ),
        Cause::Timeout => format!(
            "the server takes too long: look at its load, or raise `agent.first_chunk_timeout` and `{}`",
            setting("http.first_byte_seconds")
        ),
        Cause::RateLimited => "the server asks for fewer requests: wait, or ask it for a higher limit".into(),
        Cause::Unavailable => {
            "the server is at fault or overloaded: look at its log, or try again later".into()
        }
        Cause::Protocol => format!(
            "that is no answer of a model's server: check that `{}` leads to an API that the plugin speaks",
            setting("base_url")
        ),
        Cause::Panicked => "the plugin has crashed: that is a fault of the plugin, tell its author".into(),
        _ => return None,
    })
}

fn unknown_model(name: &str, model: Option<&str>, offered: &[Model]) -> String {
    let Some(model) = model else {
        return format!("check the address and the model in `providers.{name}.settings`");
    };
    if offered.iter().any(|known| known.id == model) {
        return format!("the server lists `{model}` and does not answer with it: look at its log");
    }
    let names: Vec<String> = similar(model, offered)
        .iter()
        .map(|id| format!("`{id}`"))
        .collect();
    if names.is_empty() {
        return format!(
            "the server tells no models: check `{model}` and the address in `providers.{name}.settings`"
        );
    }
    format!(
        "the server does not know `{model}`, it has {}; `miniclaw models --provider {name}` lists all {}",
        names.join(", "),
        offered.len()
    )
}

/// The names nearest to the one that was asked for.
pub(super) fn similar<'a>(model: &str, offered: &'a [Model]) -> Vec<&'a str> {
    let wanted = model.to_lowercase();
    let far = |id: &str| {
        let id = id.to_lowercase();
        let related = id.contains(&wanted) || wanted.contains(&id);
        (!related, strsim::damerau_levenshtein(&wanted, &id))
    };
    let mut names: Vec<&str> = offered.iter().map(|known| known.id.as_str()).collect();
    names.sort_by_cached_key(|id| far(id));
    names.truncate(OFFERED);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_have_been_meant_come_first() {
        let offered: Vec<Model> = ["zeta", "gpt-4o-mini-2024", "gpt-4", "llama3.2:1b", "qwen", "x"]
            .map(Model::new)
            .into();
        assert_eq!(
            similar("gpt-4o-mini", &offered)[..2],
            ["gpt-4o-mini-2024", "gpt-4"]
        );
        assert_eq!(similar("lama3.2", &offered)[0], "llama3.2:1b");
        assert_eq!(similar("gpt", &offered).len(), OFFERED);
    }

    #[test]
    fn every_failure_of_a_server_has_its_advice() {
        for (cause, word) in [
            (Cause::Auth, "`providers.m.settings.api_key`"),
            (Cause::Network, "base_url"),
            (Cause::NotFound, "`a`"),
            (Cause::Timeout, "first_chunk_timeout"),
        ] {
            let error = Error::permanent("no").because(cause);
            let text = advice("m", Some("b"), &error, &[Model::new("a")]).unwrap();
            assert!(text.contains(word), "{text}");
        }
        let unpaid = Error::permanent("no").because(Cause::Auth).with("unpaid", true);
        assert!(
            advice("m", None, &unpaid, &[])
                .unwrap()
                .contains("account is empty")
        );
    }
}
