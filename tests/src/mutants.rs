//! A gateway whose plugin folder is full of damaged libraries, each configured as a channel.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::libraries::{Library, Original};
use crate::{Command, ConfigFile, FakeModel, Gateway, Home, Platform};

/// How long so many may take to come to an end each: one that hangs while it is tried takes 5 s, and they are tried one
/// after the other.
const PATIENCE: Duration = Duration::from_secs(300);
/// States in which an instance stays or is waited for.
const ENDS: [&str; 5] = ["running", "paused", "backoff", "failed", "quarantined"];

/// How they ended: so many in each state.
pub type Ends = BTreeMap<String, usize>;

/// Starts a gateway with the mutants `first..first + count` of a seed beside a healthy channel. Each mutant's bytes depend
/// on the seed and its number alone.
///
/// # Errors
/// In words: the gateway died, or a mutant came to no end.
///
/// # Panics
/// Where the healthy channel does not answer.
pub fn run(seed: u64, first: u64, count: u64) -> Result<Ends, String> {
    let (home, model) = (Home::empty(), FakeModel::start());
    let (healthy, sick) = (Platform::start(), Platform::start());
    let plugins = home.plugins(&["loopback"]);
    let entry = |plugin: &str, platform: &Platform| {
        let settings = json!({ "platform": platform.address() });
        json!({ "plugin": plugin, "isolation": "process", "allow_from": ["42"], "limits": { "memory": "96MiB" }, "settings": settings })
    };
    let mut config = ConfigFile::default()
        .model(&model)
        .with("/gateway/restart_backoff", json!("10ms"))
        .with("/gateway/shutdown_timeout", json!("2s"))
        .channel("healthy", entry("loopback", &healthy));
    let original = Original::of(Library::of("loopback"));
    for number in first..first + count {
        let name = format!("m{number:04}");
        let mut chance = Chance::seeded(seed ^ number << 20);
        original.mutant(&name, &mut chance).0.put(&plugins);
        config = config.channel(&name, entry(&name, &sick));
        sick.post(&name, &name, "hello");
    }
    home.write_config(&config.text());
    let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().expect("a path of ours")]);
    let ends = settle(&home, &gateway, &healthy);
    let finished = gateway.stop();
    // With replies left that a mutant did not send, which is what the next start is for.
    let ended = finished.exited() && matches!(finished.code(), 0 | 143);
    if !ended {
        return Err(format!("the gateway ended with {}", finished.status));
    }
    ends
}

fn settle(home: &Home, gateway: &Gateway, healthy: &Platform) -> Result<Ends, String> {
    let end = Instant::now() + PATIENCE;
    let mut asked = 0;
    loop {
        if !gateway.is_running() {
            return Err("the gateway died".into());
        }
        if healthy.calls("receive") > 0 {
            asked += 1;
            let text = format!("healthy {asked}");
            healthy.post("7", &text, &text);
            healthy.wait_for_answer(&text);
            let states = states(home);
            if let Some(ends) = counted(&states) {
                return (healthy.calls("create") == 1)
                    .then_some(ends)
                    .ok_or_else(|| "the healthy channel was restarted".into());
            }
        }
        if Instant::now() > end {
            return Err(format!("no end: {:?}", states(home)));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Of all mutants; `None` while one is on its way.
fn counted(states: &[(String, String)]) -> Option<Ends> {
    let mut ends = Ends::new();
    for (_, state) in states
        .iter()
        .filter(|(name, _)| name.starts_with('m') && name != "model")
    {
        ENDS.contains(&&**state).then_some(())?;
        *ends.entry(state.clone()).or_default() += 1;
    }
    Some(ends)
}

/// Instances with their states.
fn states(home: &Home) -> Vec<(String, String)> {
    let listed = Command::new(home, &["plugin", "list", "--json", "--plugins"])
        .arg(home.plugins(&[]))
        .run();
    let list: Value = serde_json::from_str(&listed.stdout).unwrap_or_default();
    let plugins = list.as_array().into_iter().flatten();
    let instances = plugins
        .filter_map(|plugin| plugin["instances"].as_array())
        .flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    instances
        .map(|instance| (text(&instance["instance"]), text(&instance["state"])))
        .collect()
}
