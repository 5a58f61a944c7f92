use std::time::Duration;

use super::*;

fn shell(home: &Home, script: &str) -> Command {
    Command::of("/bin/sh", home).args(&["-c", script])
}

#[test]
fn output_status_and_environment_are_those_of_the_process() {
    let home = Home::empty();
    let finished = shell(&home, "echo out; echo err >&2; env; exit 7")
        .env("EXTRA", "1")
        .run();
    finished.expect_code(7);
    assert_eq!(finished.stderr, "err");
    let home_line = format!("HOME={}", home.root().display());
    for line in ["out", "EXTRA=1", &home_line] {
        assert!(
            finished.stdout.lines().any(|own| own == line),
            "{}",
            finished.stdout
        );
    }
    assert!(!finished.stdout.contains("CARGO"), "{}", finished.stdout);
}

#[test]
fn signals_reach_the_process_and_its_lines_are_awaited() {
    let home = Home::empty();
    let script = "trap 'echo Got TERM >&2' TERM; trap 'exit 130' INT; echo ready >&2; \
                  while :; do sleep 0.01; done";
    let process = shell(&home, script).start();
    process.wait_for_line("READY");
    process.terminate();
    assert_eq!(process.wait_for_line("got term"), "Got TERM");
    assert!(process.is_running());
    process.interrupt();
    process.wait().expect_code(130);
}

#[test]
fn a_killed_process_did_not_exit_by_itself() {
    let home = Home::empty();
    let process = shell(&home, "echo up >&2; exec sleep 1000").start();
    process.wait_for_line("up");
    let finished = process.kill();
    assert_eq!((finished.exited(), finished.code()), (false, 137));
}

#[test]
fn a_dropped_handle_leaves_no_process_behind() {
    let home = Home::empty();
    let process = shell(&home, "echo up >&2; exec sleep 1000").start();
    process.wait_for_line("up");
    let folder = format!("/proc/{}", process.pid());
    drop(process);
    assert!(!std::path::Path::new(&folder).exists());
}

#[test]
fn a_home_is_private_and_finds_bytes_in_its_files() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::empty();
    home.write_config("{ \"secret\": 1 }");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&home.miniclaw()), mode(&home.config())), (0o700, 0o600));
    assert!(home.holds("secret") && !home.holds("absent"));
}

#[test]
fn a_process_that_does_not_end_is_reported_with_its_log() {
    let home = Home::empty();
    let mut process = shell(&home, "echo stuck >&2; exec sleep 1000").start();
    process.wait_for_line("stuck");
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        process.finish(Duration::from_millis(1));
    }));
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("stuck"), "{message}");
}

#[test]
fn a_process_that_tells_a_secret_of_its_configuration_fails_its_test() {
    let home = Home::empty();
    home.write_config(r#"{"providers":{"m":{"settings":{"api_key":"sk-not-to-be-told"}}}}"#);
    let caught = std::panic::catch_unwind(|| shell(&home, "echo key sk-not-to-be-told >&2").run());
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(
        message,
        "the log holds the secret `providers.m.settings.api_key` in line 1, after: key "
    );
}
