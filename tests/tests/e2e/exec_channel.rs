//! The channel `exec` with the example of its documentation.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use miniclaw_tests::{ConfigFile, FakeModel, Gateway, Home, until};
use serde_json::{Value, json};

/// The two files of the example, and a gateway around it.
struct Files {
    inbox: PathBuf,
    outbox: PathBuf,
    gateway: Gateway,
    // Below the gateway, so that they go last.
    model: FakeModel,
    _home: Home,
}

impl Files {
    /// `None`, said aloud, on a machine without Python.
    fn start() -> Option<Self> {
        if Command::new("python3").arg("--version").output().is_err() {
            println!("NOT CHECKED: there is no python3 to run the example of the exec channel with");
            return None;
        }
        let (home, model) = (Home::empty(), FakeModel::start());
        let (inbox, outbox) = (home.root().join("inbox"), home.root().join("outbox"));
        std::fs::write(&inbox, "").unwrap();
        let script = std::path::absolute(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../plugins/exec/examples/files.py"
        ));
        let settings = json!({ "command": ["python3", script.unwrap()], "options": { "inbox": inbox, "outbox": outbox } });
        let entry = json!({ "plugin": "exec", "allow_from": ["42"], "settings": settings });
        home.write_config(&ConfigFile::default().model(&model).channel("files", entry).text());
        let gateway = Gateway::start(&home, &[]);
        Some(Self {
            inbox,
            outbox,
            gateway,
            model,
            _home: home,
        })
    }

    fn write(&self, ids: std::ops::Range<u32>) {
        let mut inbox = OpenOptions::new().append(true).open(&self.inbox).unwrap();
        for id in ids {
            let line = json!({ "id": id, "chat": 7, "sender": 42, "text": format!("message {id}") });
            writeln!(inbox, "{line}").unwrap();
        }
    }

    /// The texts that were sent, without the number of messages that the model saw.
    fn sent(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.outbox).unwrap_or_default();
        let whole = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        whole
            .filter_map(|line| Some(line["text"].as_str()?.split(" [n=").next()?.to_owned()))
            .collect()
    }

    fn wait_for_sent(&self, n: usize) {
        until(&format!("{n} replies in the outbox"), || self.sent().len() >= n);
    }

    /// Ids of the programs so far.
    fn pids(&self) -> Vec<i32> {
        let lines = self.gateway.lines_with("Program started");
        let pid = |line: &String| {
            line.rsplit_once("pid=")?
                .1
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        };
        lines.iter().filter_map(pid).collect()
    }
}

#[test]
fn messages_of_a_program_are_answered_once_and_in_order_although_it_is_killed_in_the_middle() {
    let Some(files) = Files::start() else { return };
    files.write(1..21);
    files.wait_for_sent(3);
    let pid = files.pids()[0];
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    files.write(21..31);
    // Written twice, as by a platform that did not hear of the first time.
    files.write(5..6);
    files.write(31..32);
    files.wait_for_sent(31);
    let answers: Vec<String> = (1..32).map(|id| format!("re: message {id}")).collect();
    assert_eq!(files.sent(), answers);
    assert!(files.pids().len() >= 2, "{:?}", files.pids());
    files.gateway.wait_for_line("was ended by signal 9");
    assert_eq!(files.model.asked().len(), 31);
    files.gateway.stop().expect_code(0);
}

#[test]
fn a_program_learns_of_the_gateways_death_from_the_end_of_its_input() {
    let Some(files) = Files::start() else { return };
    files.write(1..2);
    files.wait_for_sent(1);
    let pid = files.pids()[0];
    let Files { gateway, .. } = files;
    gateway.kill();
    until("the end of the program", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        status
            .rsplit_once(") ")
            .is_none_or(|(_, state)| state.starts_with('Z'))
    });
}

/// Says hello once, and confirms the answer after it stands in the file `$1`.
const SCRIPT: &str = r#"
while read -r line; do
    id=$(expr "$line" : '{"type":"send","id":\([0-9]*\)')
    case $line in
        *'"type":"start"'*) echo '{"type":"ready","account":"a"}' ;;
        *'"type":"receive"'*) echo '{"type":"message","id":"1","chat":"c","sender":"42","text":"hello"}' ;;
        *'"type":"send"'*) echo "$line" >> "$1"; echo "{\"type\":\"sent\",\"id\":$id,\"ids\":[\"s\"]}" ;;
        *'"type":"stop"'*) exit 0 ;;
    esac
done
"#;

#[test]
fn a_program_runs_in_the_sandbox_of_its_channel() {
    let (home, model) = (Home::empty(), FakeModel::start());
    let outbox = home.root().join("outbox");
    let settings = json!({ "command": ["/bin/sh", "-c", SCRIPT, "sh", outbox] });
    let sandbox = json!({ "allow": ["exec"], "write": [home.root()] });
    let entry = json!({ "plugin": "exec", "allow_from": ["42"], "isolation": "process", "sandbox": sandbox, "settings": settings });
    home.write_config(
        &ConfigFile::default()
            .model(&model)
            .channel("script", entry)
            .text(),
    );
    let gateway = Gateway::start(&home, &[]);
    gateway.wait_for_line("Program started");
    until("the answer in the outbox", || {
        std::fs::read_to_string(&outbox).is_ok_and(|text| text.contains("re: hello"))
    });
    gateway.stop().expect_code(0);
}
