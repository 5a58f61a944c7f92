//! The stages that run the plugin's code, in a child process; one that ends it is found out, and the stages after it
//! run in a fresh one.

mod pipes;

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use miniclaw_plugin_api::Kind;
use miniclaw_plugin_api::testkit::conformance::{self, Check, Facts, Finding, Stage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::pipes::{Pipes, Said};
use crate::plugins::inspect;
use crate::plugins::load;
use crate::telemetry::printable;

/// Calls of one stage that may each use up their time before the child itself is taken for hung.
const CALLS: u32 = 15;
/// What of the environment a plugin may need; nothing else is passed on.
const PASSED_ON: [&str; 15] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "RUST_BACKTRACE",
];

/// What a child is to do; it reads it from its standard input, since settings may hold secrets.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) from: u32,
    pub(super) settings: Value,
    pub(super) chat: Option<String>,
    pub(super) timeout: Duration,
    pub(super) data_dir: PathBuf,
}

/// What a child says, a line each.
#[derive(Serialize, Deserialize)]
enum Line {
    Begins(u32),
    Done(Stage),
    /// The library could not be loaded.
    Refused(String),
}

/// Runs the stages from `order.from` on, in as many children as it takes.
pub(super) fn run_stages(file: &Path, kind: Kind, mut order: Order, put: &mut impl FnMut(Stage)) {
    while order.from <= *conformance::STAGES.end() {
        let during = match run_some(file, &mut order, put) {
            Ok(None) => return,
            Ok(Some(end)) => end,
            Err(error) => {
                let what = format!("the child process could not be run: {error}");
                Finding::failed(what, "look at the system's limits, and try again")
            }
        };
        put(Stage {
            number: order.from,
            name: conformance::name(kind, order.from).to_owned(),
            millis: 0,
            finding: during,
        });
        order.from += 1;
    }
}

/// Runs one child; what ended it in stage `order.from`, or `None` where it went through.
fn run_some(file: &Path, order: &mut Order, put: &mut impl FnMut(Stage)) -> io::Result<Option<Finding>> {
    let mut child = start(file)?;
    let text = serde_json::to_vec(order)?;
    // A child that is gone already is found out below.
    drop(child.stdin.take().map(|mut stdin| stdin.write_all(&text)));
    let mut pipes = Pipes::of(&mut child)?;
    let patience = order.timeout * CALLS;
    let mut refused = None;
    let hung = loop {
        match pipes.next(patience)? {
            Said::Line(line) => match serde_json::from_str(&line) {
                Ok(Line::Begins(number)) => order.from = number,
                Ok(Line::Done(stage)) => {
                    order.from = stage.number + 1;
                    put(stage);
                }
                Ok(Line::Refused(line)) => refused = Some(line),
                // What the plugin itself prints.
                Err(_) => {}
            },
            Said::Nothing => break true,
            Said::End => break false,
        }
    };
    // Also what the plugin started.
    load::kill_group(&child);
    let status = child.wait()?;
    if order.from > *conformance::STAGES.end() {
        return Ok(None);
    }
    if let Some(line) = refused {
        return Ok(Some(Finding::failed(line, "build the library again")));
    }
    Ok(Some(death(
        status,
        hung.then_some(patience),
        pipes.last_complaint(),
    )))
}

fn start(file: &Path) -> io::Result<Child> {
    let environment = PASSED_ON
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    Command::new("/proc/self/exe")
        .arg("plugin-check")
        .arg(file)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// How the stage ended the child.
fn death(status: ExitStatus, hung: Option<Duration>, complaint: String) -> Finding {
    let said = if complaint.is_empty() {
        String::new()
    } else {
        format!("; it said: {}", printable(&complaint, 400))
    };
    if let Some(patience) = hung {
        return Finding::failed(
            format!("the process hung for {patience:?}{said}"),
            "look for what blocks or loops in a constructor, in `drop` or before the first await",
        );
    }
    let Some(signal) = status.signal() else {
        let code = status.code().unwrap_or_default();
        return Finding::failed(
            format!("the plugin ended the process with status {code}{said}"),
            "never call `std::process::exit`: return an error",
        );
    };
    let (name, fix) = match signal {
        4 => ("SIGILL", "build for the processors that it shall run on"),
        6 => (
            "SIGABRT",
            "do not abort, and do not panic in `drop` or in an `extern` function",
        ),
        7 => ("SIGBUS", "look at `unsafe` code and at files that are mapped"),
        9 => ("SIGKILL", "look at how much memory it takes"),
        11 => (
            "SIGSEGV",
            "look at `unsafe` code, and for recursion without an end",
        ),
        _ => ("a signal", "look at what raised it"),
    };
    Finding::failed(format!("the process was killed by {name} ({signal}){said}"), fix)
}

/// The body of the child, `miniclaw plugin-check FILE`.
pub(crate) fn child(file: &Path) -> u8 {
    load::without_core_dump();
    let mut text = String::new();
    let order = io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())
        .and_then(|_| serde_json::from_str::<Order>(&text).map_err(|error| error.to_string()));
    let result = order.and_then(|order| check(file, order));
    match result {
        Ok(()) => 0,
        Err(line) => {
            say(&Line::Refused(line));
            1
        }
    }
}

fn check(file: &Path, order: Order) -> Result<(), String> {
    let inspected = inspect::inspect(file).map_err(|refusal| refusal.to_string())?;
    let root = load::map(file).map_err(|reason| reason.to_string())?;
    let manifest = inspected.manifest;
    let facts = Facts {
        kind: manifest.kind,
        schema: manifest.schema,
        capabilities: manifest.capabilities,
        text_limit: manifest.text_limit,
        text_unit: manifest.text_unit,
    };
    let mut check = Check::of_library(root, facts, order.settings)
        .patience(order.timeout)
        .data_dir(order.data_dir)
        .from(order.from);
    if let Some(chat) = order.chat {
        check = check.chat(chat);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(check.run(|told| match told {
        Ok(stage) => say(&Line::Done(stage.clone())),
        Err(number) => say(&Line::Begins(number)),
    }));
    Ok(())
}

/// On a line of its own, whatever the plugin printed before.
fn say(line: &Line) {
    let text = serde_json::to_string(line).unwrap_or_default();
    let mut out = io::stdout();
    if writeln!(out, "\n{text}").and_then(|()| out.flush()).is_err() {
        // Nobody waits for the result any more.
        std::process::exit(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_names_signal_or_status_and_what_to_do() {
        for (raw, expected) in [
            (11, "SIGSEGV (11)"),
            (6, "SIGABRT (6)"),
            (3 << 8, "with status 3"),
        ] {
            let finding = death(ExitStatus::from_raw(raw), None, "last words".to_owned());
            let Finding::Failed { what, fix } = finding else {
                panic!("{finding:?}")
            };
            assert!(
                what.contains(expected) && what.ends_with("it said: last words"),
                "{what}"
            );
            assert!(!fix.is_empty());
        }
        let hung = death(
            ExitStatus::from_raw(9),
            Some(Duration::from_secs(3)),
            String::new(),
        );
        let Finding::Failed { what, .. } = hung else {
            panic!("{hung:?}")
        };
        assert_eq!(what, "the process hung for 3s");
    }
}
