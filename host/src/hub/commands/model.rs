use std::time::Duration;

use miniclaw_plugin_api::Model;

use crate::agent::{AgentLoop, Answer};
use crate::config::BUILT_IN_PROVIDERS;
use crate::hub::{ChatHub, Policy};
use crate::sessions::Snapshot;
use crate::spool::{Choice, InboundRow};

/// Longer lists are cut: a person reads them in a chat.
const SHOWN: usize = 30;
/// Longer names are not models'.
const NAME_BYTES: usize = 200;
/// A person waits no longer for the list.
const PATIENCE: Duration = Duration::from_secs(5);

impl ChatHub {
    /// `/model` shows, `/model NAME` chooses, `/model default` takes that back.
    pub(super) async fn model(&self, row: &InboundRow, policy: &Policy, snapshot: &Snapshot) -> Answer {
        let agent = &policy.agent;
        let wanted = row
            .message
            .command
            .as_ref()
            .map_or("", |command| command.args.trim());
        if wanted.is_empty() {
            return Answer::note(models(agent, row, snapshot).await);
        }
        if !self.is_admin(row) {
            return Answer::note("Only an admin can choose the model here.");
        }
        if wanted.len() > NAME_BYTES || wanted.contains(char::is_whitespace) {
            return Answer::note("That is not the name of a model; send /model to see those that there are.");
        }
        if let Some(missing) = missing_provider(agent, row, wanted, snapshot).await {
            return Answer::note(format!(
                "No provider `{missing}` is configured; send /model to see those that there are."
            ));
        }
        let choice = choice(agent, wanted, &snapshot.choice);
        let route = agent.route(row, &row.message, &choice);
        let provider = route.provider.as_deref().unwrap_or("none");
        let model = agent.model_of(&route).unwrap_or("its own choice").to_owned();
        let mut text = match choice.is_empty() {
            true => format!("This conversation has the default model again: {model} (provider {provider})."),
            false => format!("This conversation's model is {model} (provider {provider}) from now on."),
        };
        let listed = listed(agent, provider).await;
        if choice.model.is_some() && !listed.is_empty() && listed.iter().all(|known| known.id != model) {
            text += " It is not among those that the provider lists; send /model to see them, or /model default to go back.";
        }
        Answer {
            choice: Some(choice),
            ..Answer::note(text)
        }
    }
}

async fn models(agent: &AgentLoop, row: &InboundRow, snapshot: &Snapshot) -> String {
    let route = agent.route(row, &row.message, &snapshot.choice);
    let provider = route.provider.as_deref().unwrap_or("none");
    let model = agent.model_of(&route).unwrap_or("its own choice");
    let mut text = format!("Model: {model} (provider {provider})\n\n");
    let listed = listed(agent, provider).await;
    for model in listed.iter().take(SHOWN) {
        text += &format!("- {}\n", model.id);
    }
    if listed.len() > SHOWN {
        text += &format!("- and {} more\n", listed.len() - SHOWN);
    }
    let mut others: Vec<_> = agent
        .providers
        .keys()
        .filter(|name| *name != provider)
        .cloned()
        .collect();
    if !others.is_empty() {
        others.sort();
        text += &format!("\nOther providers: {}\n", others.join(", "));
    }
    text + "\n/model NAME or /model PROVIDER/NAME chooses for this conversation, /model default takes it back."
}

/// The provider that is asked for and that nobody configured. Models have slashes in their names, too, even those that
/// begin like a provider's: what the conversation's provider lists is one.
async fn missing_provider<'a>(
    agent: &AgentLoop,
    row: &InboundRow,
    wanted: &'a str,
    snapshot: &Snapshot,
) -> Option<&'a str> {
    let (named, _) = wanted.split_once('/')?;
    if agent.providers.contains_key(named) || !BUILT_IN_PROVIDERS.contains(&named) {
        return None;
    }
    let route = agent.route(row, &row.message, &snapshot.choice);
    let listed = listed(agent, route.provider.as_deref().unwrap_or("none")).await;
    listed.iter().all(|known| known.id != wanted).then_some(named)
}

/// A provider's name alone chooses its own model; what is before a slash is a provider where there is one of that name.
fn choice(agent: &AgentLoop, wanted: &str, now: &Choice) -> Choice {
    let known = |name: &str| agent.providers.contains_key(name);
    let (provider, model) = match wanted.split_once('/') {
        _ if wanted.eq_ignore_ascii_case("default") => (None, None),
        _ if known(wanted) => (Some(wanted), None),
        Some((provider, model)) if known(provider) && !model.is_empty() => (Some(provider), Some(model)),
        _ => (now.provider.as_deref(), Some(wanted)),
    };
    Choice {
        provider: provider.map(str::to_owned),
        model: model.map(str::to_owned),
    }
}

async fn listed(agent: &AgentLoop, provider: &str) -> std::sync::Arc<[Model]> {
    let Some(instance) = agent.instance(provider) else {
        return std::sync::Arc::new([]);
    };
    let list = agent.models.list(provider, &instance);
    let listed = tokio::time::timeout(PATIENCE, list).await;
    listed.unwrap_or_else(|_| std::sync::Arc::new([]))
}
