use miniclaw_tests::{Gateway, Home, until};
use serde_json::json;

use super::*;

/// A program that is ready once a file is there.
const LATE: &str =
    r#"until [ -e "$1" ]; do sleep 0.02; done; echo '{"type":"ready","account":"late"}'; cat > /dev/null"#;

#[test]
fn reloads_that_are_asked_for_while_one_is_under_way_are_one() {
    let home = Home::empty();
    home.write_config(
        r#"{"provider": "echo", "channels": {"webchat": {"settings": {"listen": "127.0.0.1:0"}}}}"#,
    );
    let gateway = Gateway::start(&home, &[]);
    gateway.wait_for_line("Gateway ready");
    let go = home.root().join("go");
    let program = json!({ "plugin": "exec", "allow_from": ["7"],
        "settings": { "command": ["sh", "-c", LATE, "late", go.to_str().unwrap()] } });
    let config = json!({ "provider": "echo", "channels": {
        "webchat": { "settings": { "listen": "127.0.0.1:0" } }, "late": program } });
    home.write_config(&config.to_string());
    for asked in 1..=5 {
        gateway.hang_up();
        gateway.wait_for_lines("SIGHUP: the configuration is read again", asked);
        gateway.wait_for_line("Program started");
    }
    assert!(gateway.lines_with("Configuration reloaded").is_empty());
    std::fs::write(&go, "").unwrap();
    until("the reload to end", || {
        !gateway.lines_with("Configuration reloaded").is_empty()
    });
    // It waits behind all of them.
    let last = Command::new(&home, &["reload", "--json"]).run();
    let taken: Value = serde_json::from_str(&last.expect_code(0).stdout).unwrap();
    assert_eq!(taken["instances"], json!([]));
    let times = gateway.lines_with("Configuration reloaded").len();
    assert!((2..=3).contains(&times), "{times} reloads");
    gateway.stop().expect_code(0);
}
