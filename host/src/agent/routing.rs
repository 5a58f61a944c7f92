//! Who answers which message, and what is known of the model.

use std::sync::Arc;
use std::time::Duration;

use miniclaw_plugin_api::{ChatRef, Error, InboundMessage, Model};

use super::prompt::fit::Window;
use super::{AgentLoop, Request};
use crate::config::Route;
use crate::plugins::instance::Instance;
use crate::sessions::SessionKey;
use crate::spool::{Choice, InboundRow};

/// How long a turn waits for a provider to tell its window, where that matters.
const TELLS_WITHIN: Duration = Duration::from_secs(3);

/// A fallback's provider, and its model where one is named.
pub(super) fn target(fallback: &str) -> (&str, Option<&str>) {
    match fallback.split_once('/') {
        Some((provider, model)) => (provider, Some(model)),
        None => (fallback, None),
    }
}

impl AgentLoop {
    /// The first route that matches; what it leaves open is the default's, and what was chosen for the conversation comes
    /// before both.
    pub(crate) fn route(&self, row: &InboundRow, message: &InboundMessage, choice: &Choice) -> Route {
        let found = self.routes.iter().find(|route| matches(route, row, message));
        let mut route = found.unwrap_or(&self.default).clone();
        if route.provider.is_none() {
            route.provider.clone_from(&self.default.provider);
            route.model = route.model.or_else(|| self.default.model.clone());
        }
        match &choice.provider {
            // One that is no longer configured is no choice.
            Some(provider) if !self.providers.contains_key(provider) => {}
            Some(provider) => {
                let same = route.provider.as_ref() == Some(provider);
                let model = route.model.filter(|_| same);
                route.model = choice.model.clone().or(model);
                route.provider = Some(provider.clone());
            }
            None => route.model = choice.model.clone().or(route.model),
        }
        route
    }

    /// The window of a provider's model: as configured, else as the provider says, else a guess.
    pub(crate) fn window(&self, name: &str, model: Option<&str>) -> Window {
        let terms = self.terms.get(name);
        let said = |tokens| Window { tokens, known: true };
        if let Some(tokens) = terms.and_then(|terms| terms.context_tokens) {
            return said(tokens);
        }
        let guess = || {
            self.models
                .learned(name, model)
                .map_or(Window::DEFAULT, Window::of_room)
        };
        let Some(instance) = self.instance(name) else {
            return guess();
        };
        let models = self.models.known(name, &instance);
        let named = model.or_else(|| terms?.model.as_deref());
        // A smaller number is no window of a model for chats.
        let tokens = one_of(&models, named)
            .and_then(|model| model.context_tokens)
            .filter(|tokens| *tokens >= 256);
        tokens.map_or_else(guess, said)
    }

    /// A request cut to the window of a provider's model. Before it is cut for the sake of a guess, a provider that has just
    /// come up has a little time to tell.
    pub(super) async fn fitted<'a>(
        &self,
        request: &Request<'a>,
        name: &str,
        model: Option<&str>,
    ) -> Result<Request<'a>, Error> {
        let window = self.window(name, model);
        let fitted = request.fit(window)?;
        if window.known || !fitted.is_shorter_than(request) {
            return Ok(fitted);
        }
        let told = async {
            if let Some(provider) = self.providers.get(name) {
                let _ = provider.running.clone().wait_for(Option::is_some).await;
            }
            // It is asked by that.
            self.window(name, model);
            self.models.asked(name).await;
        };
        let _ = tokio::time::timeout(TELLS_WITHIN, told).await;
        request.fit(self.window(name, model))
    }

    /// The model that a route asks for, as far as that is known.
    pub(crate) fn model_of<'a>(&'a self, route: &'a Route) -> Option<&'a str> {
        let own = || self.terms.get(route.provider.as_deref()?)?.model.as_deref();
        route.model.as_deref().or_else(own)
    }

    /// The provider as it runs now.
    pub(crate) fn instance(&self, name: &str) -> Option<Arc<Instance>> {
        self.providers.get(name)?.running.borrow().clone()
    }
}

fn matches(route: &Route, row: &InboundRow, message: &InboundMessage) -> bool {
    let channel = route
        .channel
        .as_deref()
        .is_none_or(|wanted| *wanted == *row.channel);
    let command = route.command.as_deref().is_none_or(|wanted| {
        let given = message.command.as_ref();
        given.is_some_and(|given| given.name.eq_ignore_ascii_case(wanted))
    });
    // The conversation keeps the key of its chat's first id.
    let chat = route.chat.as_deref().is_none_or(|wanted| {
        let first = ChatRef {
            id: wanted.to_owned(),
            thread: message.chat.thread.clone(),
        };
        message.chat.id == *wanted || row.session == SessionKey::new(&row.channel, &first)
    });
    channel && command && chat
}

/// The model of that name; without a name the only one.
fn one_of<'a>(models: &'a [Model], name: Option<&str>) -> Option<&'a Model> {
    match (name, models) {
        (Some(name), _) => models.iter().find(|model| model.id == name),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use miniclaw_plugin_api::Command;

    use super::*;

    fn row(session: &str, chat: &str) -> InboundRow {
        InboundRow {
            seq: 1,
            channel: "t".into(),
            session: SessionKey(session.into()),
            message: Arc::new(InboundMessage::new(chat, "1", "42", "hi")),
            attempts: 0,
            suspect: false,
            received_ms: 0,
            draft: None,
        }
    }

    #[test]
    fn a_route_follows_a_group_to_its_new_id_and_knows_both() {
        let row = row("t_-7", "-1007");
        let route = |chat: &str| Route {
            chat: Some(chat.into()),
            ..Route::default()
        };
        for (chat, expected) in [("-7", true), ("-1007", true), ("-8", false)] {
            assert_eq!(matches(&route(chat), &row, &row.message), expected, "{chat}");
        }
    }

    #[test]
    fn a_route_by_command_takes_messages_with_that_command_alone() {
        let row = row("t_7", "7");
        let route = Route {
            command: Some("draw".into()),
            ..Route::default()
        };
        let mut message = (*row.message).clone();
        assert!(!matches(&route, &row, &message));
        message.command = Some(Command {
            name: "Draw".into(),
            args: "a cat".into(),
        });
        assert!(matches(&route, &row, &message));
    }

    #[test]
    fn a_fallback_may_name_a_model_that_has_a_slash() {
        assert_eq!(target("cloud"), ("cloud", None));
        assert_eq!(target("cloud/meta/llama"), ("cloud", Some("meta/llama")));
    }
}
