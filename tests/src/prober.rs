//! The fixture `prober`, which tries what a plugin must not do.

use serde_json::{Value, json};

use crate::{Home, Platform};

/// One action and how it ended: `allowed`, `allowed (then EINVAL)`, `denied (EACCES)`, `unavailable (ENOSYS)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub action: String,
    pub end: String,
}

impl Outcome {
    /// Whether the kernel did what was asked, or refused it for another reason than the permission.
    pub fn is_allowed(&self) -> bool {
        !self.end.starts_with("denied") && !self.end.starts_with("unavailable")
    }
}

/// The fixture's settings. It reaches for the gateway's own files, and for a folder and a file made here.
///
/// # Panics
/// Where the disk is full.
pub fn settings(home: &Home, platform: &Platform) -> Value {
    let others = home.root().join("others");
    crate::gateway::make_folder(&others);
    let victim = others.join("victim");
    crate::gateway::write_private(&victim, b"not for plugins");
    let state = home.miniclaw().join("state");
    json!({
        "platform": platform.address(),
        "paths": {
            "config": home.config(),
            "spool": state.join("spool.db"),
            "control": state.join("control.sock"),
            "cache": state.join("cache"),
            "home": others,
            "victim": victim,
            "library": home.root().join("plugins/libminiclaw_fixture_prober.so"),
        },
    })
}

/// Not answered but ended by the kernel where it is not allowed.
pub const FATAL: &str = "i386_getpid";

/// Has it try everything that it knows but [`FATAL`], one action a message, so that one that kills it is named.
///
/// # Panics
/// At the deadline.
pub fn try_everything(platform: &Platform) -> Vec<Outcome> {
    let mut count = platform.wait_for_sent(0).len();
    let mut ask = |text: &str| {
        platform.deliver("probe", &format!("probe-{count}"), "42", text);
        count += 1;
        platform.wait_for_sent(count).swap_remove(count - 1).1
    };
    let names = ask("list");
    names
        .split_whitespace()
        .filter(|action| *action != FATAL)
        .map(|action| {
            let answer = ask(action);
            let end = answer
                .strip_prefix(action)
                .and_then(|rest| rest.strip_prefix(": "));
            Outcome {
                action: action.to_owned(),
                end: end.unwrap_or(&answer).to_owned(),
            }
        })
        .collect()
}
