//! How many tokens a model is to keep in sight.
//!
//! Ollama loads a model with a window of its own choice, 4,096 tokens on most machines, and cuts what is beyond without
//! a word. A change of the window loads the model anew, so that it only ever grows, in few steps.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::facts::Facts;
use crate::settings::Settings;

const SMALLEST: u64 = 8_192;
/// Memory grows with the window; whoever has more sets `num_ctx`.
const LARGEST: u64 = 32_768;
/// Models whose window is kept; with more all are forgotten.
const KEPT: usize = 64;

/// The widest windows that conversations needed, by model.
#[derive(Default)]
pub(crate) struct Windows(Mutex<HashMap<String, u64>>);

/// Who chooses the window.
enum Choice {
    /// The operator, or the model's author.
    Fixed(u64),
    /// The server.
    Server,
    /// The conversation, up to this.
    UpTo(u64),
}

impl Windows {
    /// The window to ask for; `None` leaves it as it is.
    pub(crate) fn of(
        &self,
        settings: &Settings,
        facts: Option<&Facts>,
        model: &str,
        needed: u64,
    ) -> Option<u64> {
        let largest = match choice(settings, facts) {
            Choice::Fixed(_) => return settings.num_ctx.map(u64::from),
            Choice::Server => return None,
            Choice::UpTo(largest) => largest,
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT && !kept.contains_key(model) {
            kept.clear();
        }
        let widest = kept.entry(model.to_owned()).or_insert(SMALLEST);
        *widest = needed
            .checked_next_power_of_two()
            .unwrap_or(largest)
            .max(*widest)
            .min(largest);
        Some(*widest)
    }

    /// A wider window than the one that was too narrow, where there is one to be had.
    pub(crate) fn widen(
        &self,
        settings: &Settings,
        facts: Option<&Facts>,
        model: &str,
        window: u64,
    ) -> Option<u64> {
        let Choice::UpTo(_) = choice(settings, facts) else {
            return None;
        };
        self.of(settings, facts, model, window.saturating_mul(2))
            .filter(|wider| *wider > window)
    }
}

/// The widest window that a model gets; `None` where only the server knows.
pub(crate) fn largest(settings: &Settings, facts: Option<&Facts>) -> Option<u64> {
    match choice(settings, facts) {
        Choice::Fixed(window) | Choice::UpTo(window) => Some(window),
        Choice::Server => facts.filter(|facts| facts.is_remote)?.context,
    }
}

fn choice(settings: &Settings, facts: Option<&Facts>) -> Choice {
    let context = facts.and_then(|facts| facts.context);
    let within = |window: u64| context.map_or(window, |context| window.min(context));
    let option = settings.options.get("num_ctx").and_then(|value| value.as_u64());
    match settings.num_ctx.map(u64::from) {
        Some(0) => return Choice::Server,
        Some(window) => return Choice::Fixed(within(window)),
        None => {}
    }
    match (option, facts) {
        (Some(window), _) => Choice::Fixed(within(window)),
        (None, Some(facts)) if facts.is_remote => Choice::Server,
        (
            None,
            Some(Facts {
                num_ctx: Some(window),
                ..
            }),
        ) => Choice::Fixed(*window),
        _ => Choice::UpTo(within(LARGEST)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(context: u64) -> Facts {
        Facts {
            context: Some(context),
            ..Facts::default()
        }
    }

    #[test]
    fn window_grows_in_steps_and_never_shrinks() {
        let (windows, settings, facts) = (Windows::default(), Settings::default(), facts(131_072));
        let of = |needed| windows.of(&settings, Some(&facts), "m", needed);
        assert_eq!(of(100), Some(8_192));
        assert_eq!(of(9_000), Some(16_384));
        assert_eq!(of(100), Some(16_384));
        assert_eq!(windows.widen(&settings, Some(&facts), "m", 16_384), Some(32_768));
        assert_eq!(windows.widen(&settings, Some(&facts), "m", 32_768), None);
        assert_eq!(of(u64::MAX), Some(32_768));
    }

    #[test]
    fn window_is_no_wider_than_the_model() {
        let (windows, settings) = (Windows::default(), Settings::default());
        assert_eq!(windows.of(&settings, Some(&facts(2_048)), "m", 100), Some(2_048));
        assert_eq!(windows.of(&settings, None, "other", 100), Some(8_192));
        assert_eq!(largest(&settings, Some(&facts(131_072))), Some(LARGEST));
    }

    #[test]
    fn whoever_has_chosen_is_not_overruled() {
        let windows = Windows::default();
        let mut settings = Settings::default();
        let modelfile = Facts {
            num_ctx: Some(20_000),
            ..facts(131_072)
        };
        assert_eq!(windows.of(&settings, Some(&modelfile), "m", 100), None);
        assert_eq!(largest(&settings, Some(&modelfile)), Some(20_000));
        let remote = Facts {
            is_remote: true,
            ..facts(131_072)
        };
        assert_eq!(windows.of(&settings, Some(&remote), "m", 100), None);
        assert_eq!(largest(&settings, Some(&remote)), Some(131_072));
        settings.options.insert("num_ctx".into(), 1_000.into());
        assert_eq!(windows.of(&settings, None, "m", 100), None);
        assert_eq!(largest(&settings, None), Some(1_000));
        settings.num_ctx = Some(4_096);
        assert_eq!(windows.of(&settings, Some(&modelfile), "m", 100), Some(4_096));
        settings.num_ctx = Some(0);
        assert_eq!(windows.of(&settings, None, "m", 100), None);
        assert_eq!(largest(&settings, None), None);
    }
}
