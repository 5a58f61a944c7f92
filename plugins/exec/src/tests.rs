//! The channel with real programs, through the real ABI.

use std::time::{Duration, Instant};

use miniclaw_plugin_api::testkit::{ChannelKit, check_schema};
use miniclaw_plugin_api::{ChatRef, Outcome, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::FromProgram;

/// What every script begins with: it answers the start.
const READY: &str = r#"read start; echo '{"type":"ready","account":"1","name":"@sh"}'; read receive;"#;

fn shell(script: &str) -> ChannelKit {
    ChannelKit::new::<Exec>(json!({ "command": ["/bin/sh", "-c", script] }))
}

fn ready(script: &str) -> ChannelKit {
    shell(&format!("{READY} {script}"))
}

fn message(text: &str) -> OutboundMessage {
    let mut message = OutboundMessage::new(ChatRef::new("7"), text);
    message.idempotency_key = "key-1".into();
    message
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what)
        .await
        .expect("it happens in time")
}

#[tokio::test]
async fn messages_go_in_and_out_and_are_acknowledged_once_they_are_on_disk() {
    let script = r#"
        echo '{"type":"message","id":1,"chat":7,"sender":42,"text":"hi","unheard_of":[1]}'
        read ack; case $ack in *'"verdict":"accepted"'*) ;; *) exit 3;; esac
        echo '{"type":"of_the_future"}'; echo '{"type":"message","id":"2","chat":"7","sender":"42","text":"acknowledged"}'
        read send; case $send in *'"text":"hello"'*'"idempotency_key":"key-1"'*) ;; *) exit 4;; esac
        echo '{"type":"sent","id":1,"ids":["99"]}'; cat"#;
    let kit = ready(script);
    assert_eq!(soon(kit.start()).await.unwrap().id, "1");
    let receiving = kit.receive(None);
    let emitted = soon(kit.emitted()).await;
    let first = &emitted.messages[0];
    assert_eq!(
        (
            first.id.as_str(),
            first.chat.id.as_str(),
            first.sender.id.as_str(),
            first.text()
        ),
        ("1", "7", "42", "hi".to_owned())
    );
    emitted.answer(&[Verdict::Accepted]);
    let second = soon(kit.emitted()).await;
    let sent = soon(kit.send(message("hello"))).await.unwrap();
    assert_eq!(sent.ids, ["99"]);
    second.accept();
    soon(kit.stop_receiving()).await.unwrap();
    soon(receiving.ended()).await.unwrap();
    soon(kit.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_refused_message_is_held_and_handed_over_again() {
    let kit =
        ready(r#"echo '{"type":"message","id":"1","chat":"7","sender":"42","text":"hi"}'; cat > /dev/null"#);
    soon(kit.start()).await.unwrap();
    let receiving = kit.receive(None);
    soon(kit.emitted())
        .await
        .refuse(Error::transient("full").because(Cause::Busy));
    assert_eq!(soon(receiving.ended()).await.unwrap_err().cause, Cause::Busy);
    let _receiving = kit.receive(None);
    assert_eq!(soon(kit.emitted()).await.messages[0].id, "1");
}

#[tokio::test]
async fn a_failure_of_a_send_is_what_the_program_says() {
    let script = r#"
        read a; echo '{"type":"error","id":1,"kind":"transient","retry_after_ms":1500,"text":"slow down"}'
        read b; echo '{"type":"error","id":2,"kind":"permanent","cause":"rejected","text":"no such chat"}'
        read c; echo '{"type":"error","id":3,"kind":"odd"}'
        read d; exit 7"#;
    let kit = ready(script);
    soon(kit.start()).await.unwrap();
    let receiving = kit.receive(None);
    let mut errors = Vec::new();
    for _ in 0..4 {
        errors.push(soon(kit.send(message("x"))).await.unwrap_err());
    }
    let wait = Some(Duration::from_millis(1_500));
    assert_eq!(errors[0].outcome, Outcome::Transient { retry_after: wait });
    assert_eq!(
        (errors[1].outcome, errors[1].cause),
        (Outcome::Permanent, Cause::Rejected)
    );
    assert_eq!(
        (errors[2].outcome, errors[3].outcome),
        (Outcome::Unknown, Outcome::Unknown)
    );
    let error = soon(receiving.ended()).await.unwrap_err();
    assert_eq!(error.message, "`/bin/sh` ended with status 7");
    // After the end nothing is sent, which is certain.
    let late = soon(kit.send(message("late"))).await.unwrap_err();
    assert_eq!(late.outcome, Outcome::Transient { retry_after: None });
}

#[tokio::test]
async fn a_send_that_is_given_up_is_cancelled() {
    let script = r#"read send; read cancel; echo "{\"type\":\"log\",\"text\":\"heard\"}"
        case $cancel in '{"type":"cancel","id":1}') ;; *) exit 5;; esac
        read send; echo '{"type":"sent","id":1}'; echo '{"type":"sent","id":2,"ids":["2"]}'; cat"#;
    let kit = ready(script);
    soon(kit.start()).await.unwrap();
    let _receiving = kit.receive(None);
    let given_up = tokio::time::timeout(Duration::from_millis(200), kit.send(message("one"))).await;
    assert!(given_up.is_err());
    assert_eq!(soon(kit.send(message("two"))).await.unwrap().ids, ["2"]);
}

#[tokio::test]
async fn lines_that_cannot_be_understood_are_ignored() {
    let script = r#"printf 'no json\n\n[]\n{}\n{"type":5}\n{"type":"message"}\n{"type":"sent"}\n\377\376\n'
        echo '{"type":"message","id":"1","chat":"7","sender":"42","text":"hi"}'; printf '{"type":"mess'"#;
    let kit = ready(script);
    soon(kit.start()).await.unwrap();
    let receiving = kit.receive(None);
    let emitted = soon(kit.emitted()).await;
    assert_eq!(emitted.messages.len(), 1);
    emitted.accept();
    let error = soon(receiving.ended()).await.unwrap_err();
    assert_eq!(error.message, "`/bin/sh` ended with status 0");
}

#[tokio::test]
async fn a_line_without_an_end_ends_the_program_with_a_clear_error() {
    let kit = ready("cat /dev/zero");
    soon(kit.start()).await.unwrap();
    let error = soon(kit.receive(None).ended()).await.unwrap_err();
    assert_eq!(error.message, "the program wrote a line of more than 1 MiB");
    assert_eq!(error.cause, Cause::Protocol);
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_a_permanent_error() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "echo").unwrap();
    for program in ["/nonexistent/program", plain.to_str().unwrap(), "/tmp", ""] {
        let kit = ChannelKit::new::<Exec>(json!({ "command": [program] }));
        let error = soon(kit.start()).await.unwrap_err();
        assert_eq!(
            (error.outcome, error.cause),
            (Outcome::Permanent, Cause::Config),
            "{program}"
        );
    }
    let relative = ChannelKit::new::<Exec>(json!({ "command": ["./bridge"] }));
    assert!(
        soon(relative.start())
            .await
            .unwrap_err()
            .message
            .contains("relative")
    );
    let nowhere = ChannelKit::new::<Exec>(json!({ "command": ["/bin/sh"], "cwd": "/nonexistent" }));
    assert!(
        soon(nowhere.start())
            .await
            .unwrap_err()
            .message
            .contains("no folder")
    );
}

#[tokio::test]
async fn a_program_that_ends_at_once_or_says_why_is_quoted() {
    let error = soon(shell("exit 3").start()).await.unwrap_err();
    assert_eq!(error.message, "`/bin/sh` ended with status 3 before it was ready");
    assert!(matches!(error.outcome, Outcome::Transient { .. }));
    let killed = soon(shell("kill -9 $$").start()).await.unwrap_err();
    assert!(killed.message.contains("was ended by signal 9"), "{killed}");
    let script =
        r#"echo '{"type":"error","kind":"permanent","cause":"auth","text":"the token is wrong"}'; sleep 60"#;
    let told = soon(shell(script).start()).await.unwrap_err();
    assert_eq!((told.outcome, told.cause), (Outcome::Permanent, Cause::Auth));
    assert_eq!(told.message, "the token is wrong");
}

#[tokio::test]
async fn a_program_that_does_not_stop_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!(
        "trap '' TERM; (trap '' TERM; exec sleep 600) & echo $$ $! > {}; {READY} while :; do sleep 600; done",
        pids.display()
    );
    let kit = shell(&script);
    soon(kit.start()).await.unwrap();
    let started = Instant::now();
    soon(kit.shutdown()).await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert_gone(&std::fs::read_to_string(pids).unwrap()).await;
}

#[tokio::test]
async fn a_program_whose_instance_is_dropped_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let kit = shell(&format!(
        "trap '' TERM; echo $$ > {}; {READY} sleep 600",
        pids.display()
    ));
    soon(kit.start()).await.unwrap();
    drop(kit);
    assert_gone(&std::fs::read_to_string(pids).unwrap()).await;
}

async fn assert_gone(pids: &str) {
    for pid in pids.split_whitespace() {
        let end = Instant::now() + Duration::from_secs(30);
        while is_running(pid) {
            assert!(Instant::now() < end, "process {pid} still runs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What nobody waited for yet does not run.
fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

#[tokio::test]
async fn the_environment_is_what_the_settings_say_and_little_else() {
    let script = format!(
        r#"{READY} printf '{{"type":"message","id":"1","chat":"7","sender":"42","text":"%s"}}\n' "$(env | cut -d= -f1 | sort | tr '\n' ' ')"; cat"#
    );
    let settings = json!({ "command": ["sh", "-c", script], "env": { "TOKEN": "secret" }, "cwd": "/tmp" });
    let kit = ChannelKit::new::<Exec>(settings);
    soon(kit.start()).await.unwrap();
    let _receiving = kit.receive(None);
    let text = soon(kit.emitted()).await.messages[0].text();
    let own = [
        "HOME", "LANG", "LC_ALL", "PATH", "TZ", "TOKEN", "PWD", "OLDPWD", "SHLVL", "_",
    ];
    assert!(text.contains("TOKEN"), "{text}");
    assert!(text.split_whitespace().all(|name| own.contains(&name)), "{text}");
}

#[tokio::test]
async fn a_program_that_is_faster_than_the_host_is_held_up_and_nothing_is_lost() {
    const MESSAGES: usize = 3 * crate::talk::WINDOW;
    let script = format!(
        r#"i=0; while [ $i -lt {MESSAGES} ]; do i=$((i+1)); echo '{{"type":"message","chat":7,"sender":42,"text":"x","id":'$i'}}'; done
        cat > /dev/null"#
    );
    let kit = ready(&script);
    soon(kit.start()).await.unwrap();
    let _receiving = kit.receive(None);
    let mut ids = Vec::new();
    while ids.len() < MESSAGES {
        let emitted = soon(kit.emitted()).await;
        assert!(emitted.messages.len() <= BATCH);
        ids.extend(
            emitted
                .messages
                .iter()
                .map(|message| message.id.parse::<usize>().unwrap()),
        );
        emitted.accept();
    }
    assert_eq!(ids, (1..=MESSAGES).collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn any_line_is_read_or_refused(line in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        "\\{\"type\":\"(message|sent|error|ready|log|progress)\"(,\"(id|chat|sender|text|kind|ids|cursor)\":(1|-1|null|\"x\"|\\[\\]|\\{\\}|1e9)){0,5}\\}".prop_map(String::into_bytes),
    ]) {
        if let Ok(FromProgram::Message(handed)) = FromProgram::parse(&line) {
            prop_assert!(!handed.message.id.is_empty() && !handed.message.chat.id.is_empty());
        }
    }
}

#[test]
fn schema_file_is_what_the_settings_derive() {
    check_schema(&Exec::MANIFEST, &schemars::schema_for!(Settings).to_value());
}

#[test]
fn the_full_form_of_a_message_is_read_as_the_contract_has_it() {
    let line = json!({ "type": "message", "id": "1", "chat": { "id": "7", "thread": "3" }, "sender": { "id": "42", "kind": "bot" },
        "parts": [{ "type": "text", "text": "a" }], "revision": 2, "cursor": 17 });
    let Ok(FromProgram::Message(handed)) = FromProgram::parse(line.to_string().as_bytes()) else {
        panic!("it is a message");
    };
    assert_eq!(handed.message.chat.thread.as_deref(), Some("3"));
    assert_eq!(
        (handed.message.revision, handed.cursor.as_deref()),
        (2, Some("17"))
    );
    assert_eq!(Value::from(handed.message.text()), "a");
}
