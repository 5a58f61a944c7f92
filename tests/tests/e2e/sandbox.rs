//! What a plugin in a process of its own can do, tried from inside.

use miniclaw_tests::prober::{self, Outcome};
use miniclaw_tests::{Command, ConfigFile, Gateway, Home, Platform};
use serde_json::{Value, json};

use crate::phrases::READY;

/// A gateway with the fixture `prober` alone, and what it could do.
fn probed(sandbox: Value) -> (Vec<Outcome>, Home) {
    let (home, platform) = (Home::empty(), Platform::start());
    let settings = prober::settings(&home, &platform);
    let entry = json!({ "plugin": "prober", "allow_from": ["42"], "sandbox": sandbox, "settings": settings });
    home.write_config(&ConfigFile::default().channel("probe", entry).text());
    let plugins = home.plugins(&["prober"]);
    let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
    platform.wait_for_calls("receive", 1);
    gateway.wait_for_line(READY);
    let outcomes = prober::try_everything(&platform);
    platform.deliver("probe", "fatal", "42", prober::FATAL);
    gateway.wait_for_line("SIGSYS");
    gateway.stop().expect_code(0);
    (outcomes, home)
}

fn kernel_has_landlock() -> bool {
    std::fs::read_to_string("/sys/kernel/security/lsm").map_or_else(
        // Without securityfs the command tells.
        |_| {
            let home = Home::empty();
            let info = Command::new(&home, &["plugin", "info", "echo"]).run();
            !info.stdout.contains("no Landlock")
        },
        |list| list.contains("landlock"),
    )
}

#[test]
fn everything_that_a_plugin_must_not_do_is_denied() {
    let (outcomes, home) = probed(json!({ "mode": "auto" }));
    assert!(outcomes.len() >= 90, "{}", outcomes.len());
    if !kernel_has_landlock() {
        println!("NOT CHECKED: this kernel has no Landlock");
        return;
    }
    let allowed: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_allowed()).collect();
    assert!(allowed.is_empty(), "{allowed:#?}");
    assert!(home.config().exists());
}
