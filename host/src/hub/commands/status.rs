use crate::agent::{Left, Sums, grouped, history_tokens};
use crate::hub::{ChatHub, Policy};
use crate::sessions::Snapshot;
use crate::spool::{InboundRow, day_of, wall_ms};

impl ChatHub {
    /// Plain lines in Markdown.
    pub(super) async fn status(&self, row: &InboundRow, policy: &Policy, snapshot: &Snapshot) -> String {
        let agent = &policy.agent;
        let route = agent.route(row, &row.message, &snapshot.choice);
        let provider = route.provider.as_deref().unwrap_or("none");
        let model = agent.model_of(&route).unwrap_or("its own choice");
        let chosen = match snapshot.choice.is_empty() {
            true => "",
            false => ", chosen here",
        };
        let mut lines = vec![format!("Model: {model} (provider {provider}{chosen})")];
        lines.push(self.conversation(snapshot, agent.window(provider, route.model.as_deref())));
        match self.parts.spool.spent(Some(row.session.clone()), 0).await {
            Ok(spent) => {
                let told = |since| Sums::since(since, &spent).told(&policy.currency).to_string();
                lines.push(format!("Today: {}", told(day_of(wall_ms()))));
                lines.push(format!("In total: {}", told(0)));
            }
            Err(error) => tracing::warn!(%error, "Usage cannot be read"),
        }
        let (conversation, all) = agent.budget.left(&row.session).await;
        let left = |whose: &str, left: Option<Left>| {
            left.map(|Left { left, of }| {
                let (left, of) = (grouped(left), grouped(of));
                format!("Left today for {whose}: {left} of {of} tokens; it begins anew at 00:00 UTC")
            })
        };
        lines.extend(left("this conversation", conversation));
        lines.extend(left("all conversations", all));
        format!("- {}", lines.join("\n- "))
    }

    fn conversation(&self, snapshot: &Snapshot, window: crate::agent::Window) -> String {
        let messages = snapshot
            .entries
            .iter()
            .filter(|entry| entry.summary.is_none())
            .count();
        let summary = snapshot.entries.iter().find_map(|entry| entry.summary);
        let tokens = grouped(history_tokens(&snapshot.entries));
        let mut line = match messages {
            1 => "Conversation: 1 message".to_owned(),
            count => format!("Conversation: {count} messages"),
        };
        if let Some(summary) = summary {
            line += &format!(" and a summary of {} older ones", summary.stands_for);
        }
        let guess = if window.known { "" } else { "what I take to be " };
        line + &format!(", about {tokens} of {guess}{} tokens", grouped(window.tokens))
    }
}
