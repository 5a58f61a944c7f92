//! `miniclaw stop`: asks the running gateway to stop as SIGTERM does, and waits for its end.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::{Value, json};

use super::args::{Global, StopArgs};
use super::{Failure, Outcome, setup};
use crate::config::{Config, show_duration};
use crate::control::{self, Ended, Op};

/// Stops it.
///
/// # Errors
/// 69 where no gateway runs; 1 where it does not end in time, or leaves something for its next start.
pub(super) fn run(global: &Global, args: &StopArgs) -> Outcome {
    let config = setup::usable(global, &[])?.config;
    let deadline = Instant::now() + args.timeout;
    let mut process = None;
    let ended = control::watch(&config.state_dir(), Op::Stop, Some(args.timeout), &mut |event| {
        // In another namespace of processes it has no number; then the end of the connection has to do.
        process = process.take().or_else(|| open(&event["pid"]));
        ControlFlow::Continue(())
    });
    let ended = ended
        .map_err(|error| Failure::new(1, error))?
        .ok_or_else(|| setup::no_gateway(&config.home, setup::START_ONE))?;
    let gone = match ended {
        Ended::OutOfTime | Ended::Enough => false,
        Ended::Told(_) | Ended::Broken => process.is_none_or(|process| is_gone(&process, deadline)),
    };
    let complete = matches!(&ended, Ended::Told(end) if end["complete"] == true);
    tell(&config, args, gone, complete)
}

fn tell(config: &Config, args: &StopArgs, gone: bool, complete: bool) -> Outcome {
    if args.output.json {
        let text = format!("{:#}\n", json!({ "stopped": gone, "complete": gone && complete }));
        return setup::print(&text, u8::from(!(gone && complete)));
    }
    let home = config.home.display();
    match (gone, complete) {
        (true, true) => setup::print("the gateway has stopped, and nothing is left to do\n", 0),
        (true, false) => Err(Failure::new(
            1,
            format!(
                "the gateway on {home} has stopped, and left something for its next start; `miniclaw queue list` shows it"
            ),
        )),
        (false, _) => Err(Failure::new(
            1,
            format!(
                "the gateway on {home} has not ended within {}; it goes on stopping",
                show_duration(args.timeout)
            ),
        )),
    }
}

fn open(pid: &Value) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid.as_i64()?).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

fn is_gone(process: &OwnedFd, deadline: Instant) -> bool {
    loop {
        let left = deadline
            .saturating_duration_since(Instant::now())
            .min(Duration::from_secs(3600));
        let mut fds = [PollFd::new(process, PollFlags::IN)];
        match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return ready.is_ok_and(|ready| ready > 0),
        }
    }
}
