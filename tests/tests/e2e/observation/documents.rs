//! Dashboard, rules and handbook against what the gateway really tells.

use std::collections::BTreeSet;

use miniclaw_tests::prometheus::Page;
use serde_json::Value;

use super::{address, metrics, observed};

const DASHBOARD: &str = include_str!("../../../../deploy/grafana-dashboard.json");
const RULES: &str = include_str!("../../../../deploy/prometheus-alerts.yaml");
const HANDBOOK: &str = include_str!("../../../../docs/operations.md");

/// Every word that is a metric by its beginning.
fn metrics_of(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let of_ours = |word: &&str| {
        ["miniclaw_", "process_"]
            .iter()
            .any(|start| word.starts_with(start))
    };
    words.filter(of_ours).collect()
}

/// All values of one key, wherever they stand.
fn values<'a>(of: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match of {
        Value::Object(map) => {
            found.extend(map.get(key).and_then(Value::as_str));
            map.values().for_each(|value| values(value, key, found));
        }
        Value::Array(list) => list.iter().for_each(|value| values(value, key, found)),
        _ => {}
    }
}

/// What a gateway tells that has been asked and has answered.
fn page() -> Page {
    let world = observed();
    let gateway = world.start();
    let address = address(&gateway);
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let page = metrics(&address);
    gateway.stop().expect_code(0);
    page
}

#[test]
fn every_metric_of_dashboard_and_rules_is_told_and_every_one_is_in_the_handbook() {
    let page = page();
    let told = page.names();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut expressions = Vec::new();
    values(&dashboard, "expr", &mut expressions);
    assert!(expressions.len() > 30, "{expressions:?}");
    let expressions = expressions.join("\n");
    for (what, text) in [("the dashboard", expressions.as_str()), ("the rules", RULES)] {
        let used = metrics_of(text);
        let unknown: Vec<_> = used.iter().filter(|name| !told.contains(*name)).collect();
        assert!(unknown.is_empty() && used.len() > 8, "{what} uses {unknown:?}");
    }
    let families: BTreeSet<&str> = page.0.keys().map(String::as_str).collect();
    let documented: BTreeSet<&str> = metrics_of(HANDBOOK);
    assert_eq!(documented, families);
    let own: BTreeSet<&str> = metrics_of(&expressions);
    let unused: Vec<_> = families
        .iter()
        .filter(|family| !own.iter().any(|used| used.starts_with(*family)))
        .collect();
    assert!(unused.is_empty(), "the dashboard shows nothing of {unused:?}");
}

#[test]
fn labels_in_expressions_are_told_with_their_metric() {
    let page = page();
    for (label, metric) in [
        ("channel", "miniclaw_replies_waiting"),
        ("channel", "miniclaw_channel_receiving"),
        ("name", "miniclaw_plugin_restarts_total"),
        ("kind", "miniclaw_instance_up"),
        ("state", "miniclaw_instance_state"),
        ("synced", "miniclaw_spool_commit_seconds"),
        ("version", "miniclaw_build_info"),
    ] {
        assert!(
            page.0[metric]
                .samples
                .iter()
                .all(|sample| !sample.label(label).is_empty()),
            "{metric}"
        );
    }
    // Prometheus calls its targets so, and would rename ours.
    let clash = |family: &miniclaw_tests::prometheus::Family| {
        family.samples.iter().any(|sample| {
            ["instance", "job"]
                .iter()
                .any(|label| !sample.label(label).is_empty())
        })
    };
    assert!(!page.0.values().any(clash));
}

#[test]
fn panels_have_their_own_places_and_the_rules_their_parts() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for (x, y) in
            (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(taken.insert((x, y)), "{} stands on another panel", panel["title"]);
        }
    }
    let rules: Vec<&str> = RULES.split("- alert: ").skip(1).collect();
    assert!(rules.len() > 10);
    for rule in rules {
        let name = rule.lines().next().unwrap();
        for part in ["expr: ", "labels: { severity: ", "summary: "] {
            assert_eq!(rule.matches(part).count(), 1, "{name} and its {part}");
        }
        assert!(
            HANDBOOK.contains(&format!("`{name}`")),
            "the handbook has nothing on {name}"
        );
    }
}
