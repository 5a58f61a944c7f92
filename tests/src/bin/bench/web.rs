//! The memory of a gateway with the web chat on.

use std::thread::sleep;
use std::time::Duration;

use miniclaw_tests::{Browser, procfs};
use serde_json::{Value, json};

use miniclaw_tests::measure::figure::{Figure, median, megabytes};
use miniclaw_tests::measure::rig::{Bench, Rig};

/// After the start, and after the last message, as without the web chat.
const REST: Duration = Duration::from_secs(5);
const MESSAGES: usize = 50;
const RUNS: usize = 3;

/// Beside Telegram: before anybody has opened the page, and with a page that has said fifty messages.
pub(crate) fn memory(bench: &Bench) -> Vec<Figure> {
    let (mut idle, mut used): (Vec<u64>, Vec<u64>) = (0..RUNS).map(|_| run(bench)).unzip();
    let figure = |what: &str, pss: &mut [u64]| {
        Figure::new(
            format!("PSS with Telegram polling and the web chat on, {what}"),
            megabytes(median(pss)),
            "<= 14 MB",
        )
    };
    vec![
        figure("idle", &mut idle),
        figure("after 50 messages, the page open", &mut used),
    ]
}

fn run(bench: &Bench) -> (u64, u64) {
    let entry = json!({ "plugin": "webchat", "settings": { "listen": "127.0.0.1:0" } });
    let rig = bench.rig_with(|config| config.channel("web", entry));
    let gateway = rig.start_polling();
    let pss = || {
        sleep(REST);
        procfs::pss_kb(gateway.pid()) * 1024
    };
    let idle = pss();
    let browser = log_in(&rig);
    let mut events = browser.events(0);
    for number in 0..MESSAGES {
        let said = json!({ "id": format!("a-{number}"), "text": format!("m{number}") });
        assert_eq!(browser.post("/api/chats/c-1/messages", &said).0, 202);
        let answer = format!("re: m{number} [");
        while !events.message()["text"]
            .as_str()
            .is_some_and(|text| text.starts_with(&answer))
        {}
    }
    let used = pss();
    drop(events);
    gateway.stop();
    (idle, used)
}

fn log_in(rig: &Rig) -> Browser {
    let link: Value = serde_json::from_str(&rig.run(&["web", "--json"]).stdout).unwrap_or_default();
    let url = link["url"].as_str().unwrap_or_default();
    let (base, token) = url.split_once("/login?token=").unwrap_or((url, ""));
    Browser::log_in(base, token)
}
