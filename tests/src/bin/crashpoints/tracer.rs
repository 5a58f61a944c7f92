//! `strace` on a gateway.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use miniclaw_tests::{Command, Gateway, Home, build, until};

use crate::aim::{Aim, Fault, Place};
use crate::script::CHATS;

/// Whether strace is there and may trace.
pub(crate) fn check() -> Result<(), String> {
    let run = std::process::Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e", "trace=fsync", "true"])
        .output();
    match run {
        Err(error) => Err(format!("strace cannot be started ({error}); install it")),
        Ok(output) if !output.status.success() => Err(format!(
            "strace may not trace here: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Ok(_) => Ok(()),
    }
}

/// What strace saw of a gateway.
pub(crate) struct Trace {
    file: PathBuf,
    /// Strace itself, where it came later than the gateway.
    attached: Option<Child>,
}

/// Starts a gateway that is hit at the `n`th call; `ready` waits until it polls, for aims from then on.
pub(crate) fn start(home: &Home, aim: &Aim, fault: Fault, n: u64, ready: impl FnOnce()) -> (Gateway, Trace) {
    let file = home.root().join("strace.log");
    let mut arguments = vec!["-y".into(), "-o".into(), file.display().to_string()];
    arguments.extend(["-e".into(), format!("trace={}", aim.calls)]);
    let inject = format!("inject={}:{}:when={n}", aim.calls, fault.injection());
    arguments.extend(["-e".into(), inject]);
    let binary = &build::artifacts().binary;
    if aim.place == Place::Start {
        // The gateway is to be our own child, and strace its grandchild. With `--seccomp-bpf` no signal is injected.
        let command = Command::of("strace", home).args(&["-D", "-f"]);
        let gateway = command.args(&arguments).arg(binary).arg("gateway").start();
        return (gateway, Trace { file, attached: None });
    }
    let gateway = Command::of(binary, home).args(&["gateway"]).start();
    ready();
    let pid = gateway.pid();
    let of = match aim.place {
        Place::Thread(name) => thread(pid, name),
        Place::Start | Place::Sessions => {
            arguments.push("-f".into());
            arguments.extend(
                session_paths(home, pid)
                    .into_iter()
                    .flat_map(|path| ["-P".into(), path]),
            );
            pid.to_string()
        }
    };
    let strace = std::process::Command::new("strace")
        .args(&arguments)
        .args(["-p", &of])
        .stderr(Stdio::null())
        .spawn();
    let attached = Some(strace.expect("strace can be started"));
    let tasks = if aim.place == Place::Sessions {
        tasks(pid)
    } else {
        vec![of]
    };
    until("the attachment of strace", || {
        tasks.iter().all(|task| is_traced(pid, task))
    });
    (gateway, Trace { file, attached })
}

impl Trace {
    /// The calls that were made to fail, after the gateway has ended.
    pub(crate) fn failed_calls(mut self) -> Vec<String> {
        if let Some(strace) = &mut self.attached {
            strace.wait().expect("a child can be waited for");
        }
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        text.lines()
            .filter(|line| line.contains("(INJECTED)"))
            .map(str::to_owned)
            .collect()
    }
}

/// Everything that a checkpoint touches.
fn session_paths(home: &Home, pid: u32) -> Vec<String> {
    let files = CHATS.iter().flat_map(|chat| {
        let file = home.session("telegram", *chat);
        [String::new(), format!(".tmp-{pid}"), ".prev".to_owned()]
            .map(|suffix| format!("{}{suffix}", file.display()))
    });
    files.chain([home.sessions().display().to_string()]).collect()
}

fn tasks(pid: u32) -> Vec<String> {
    let folder = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task"));
    let entries = folder.expect("a running process has threads").flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn thread(pid: u32, name: &str) -> String {
    let comm = |task: &String| std::fs::read_to_string(format!("/proc/{pid}/task/{task}/comm"));
    tasks(pid)
        .into_iter()
        .find(|task| comm(task).is_ok_and(|comm| comm.trim_end() == name))
        .unwrap_or_else(|| panic!("no thread of the gateway is called `{name}`"))
}

/// A thread that is gone needs no tracer.
fn is_traced(pid: u32, task: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/task/{task}/status"))
        .map_or(true, |text| !text.contains("TracerPid:\t0\n"))
}
