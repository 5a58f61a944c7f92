//! One point: the script with the fault in it, and the recovery.

use std::time::{Duration, Instant};

use miniclaw_tests::fake_model::standard_answer;
use miniclaw_tests::gateway::Finished;
use miniclaw_tests::stage::USER;
use miniclaw_tests::{Command, ConfigFile, DEADLINE, FakeModel, FakeTelegram, Gateway, Home, build};
use serde_json::json;

use crate::aim::{Aim, Fault, Place};
use crate::script::{self, AFTERWARDS, LINES, LONG, Line};
use crate::tracer;

/// Between two looks at whether the gateway still runs.
const LOOK: Duration = Duration::from_millis(20);

struct World {
    telegram: FakeTelegram,
    /// It ends when it is dropped.
    _model: FakeModel,
    home: Home,
}

/// Tries every `every`th point until the script ends unhurt.
pub(crate) fn try_all(aim: &Aim, fault: &Fault, every: u64) -> Vec<Result<(), String>> {
    let mut tried = Vec::new();
    for n in (1..).step_by(usize::try_from(every.max(1)).unwrap_or(1)) {
        let point = World::new().run(aim, *fault, n);
        match point {
            Ok(false) => break,
            Ok(true) => tried.push(Ok(())),
            Err(reason) => tried.push(Err(format!(
                "{}, {} at call {n}: {reason}",
                aim.what,
                fault.name()
            ))),
        }
    }
    if tried.is_empty() {
        tried.push(Err(format!(
            "{}, {}: the script met no such call",
            aim.what,
            fault.name()
        )));
    }
    tried
}

impl World {
    fn new() -> Self {
        let (telegram, model) = (FakeTelegram::start(), FakeModel::start());
        model.answer_with(|asked| {
            if asked.last_user() == LONG {
                script::long_answer()
            } else {
                standard_answer(asked)
            }
        });
        let config =
            ConfigFile::standard(&telegram, &model, &[USER]).with("/gateway/shutdown_timeout", json!("5s"));
        let home = Home::empty_in(&build::artifacts().libraries);
        home.write_config(&config.text());
        Self {
            telegram,
            _model: model,
            home,
        }
    }

    /// Returns whether the fault happened; if not, everything must have gone well.
    fn run(&self, aim: &Aim, fault: Fault, n: u64) -> Result<bool, String> {
        let ready = || self.telegram.wait_for_poll();
        let (gateway, trace) = tracer::start(&self.home, aim, fault, n, ready);
        let said = self.play(&gateway, &LINES);
        gateway.terminate();
        let ended = gateway.wait();
        let failed_calls = trace.failed_calls();
        let happened = !ended.exited() || !failed_calls.is_empty();
        check_end(aim, fault, &ended, &failed_calls, happened)?;
        for line in &LINES[said..] {
            self.telegram.inject(line.chat, USER, line.text);
        }
        self.recover()
            .map_err(|reason| format!("{reason}; it had ended with {}:\n{}", ended.status, ended.stderr))?;
        Ok(happened)
    }

    /// Says line after line, each when the one before was answered; returns how many were said before the end.
    fn play(&self, gateway: &Gateway, lines: &[Line]) -> usize {
        for (said, line) in lines.iter().enumerate() {
            if !gateway.is_running() {
                return said;
            }
            self.telegram.inject(line.chat, USER, line.text);
            let end = Instant::now() + DEADLINE;
            while !self.was_answered(line) && gateway.is_running() && Instant::now() < end {}
        }
        lines.len()
    }

    /// Looks for a while.
    fn was_answered(&self, line: &Line) -> bool {
        let look = |ledger: &miniclaw_tests::fake_telegram::Ledger| {
            (script::distinct(&ledger.sent, line.chat).len() >= line.answers).then_some(())
        };
        self.telegram.try_wait(LOOK, look).is_some()
    }

    fn recover(&self) -> Result<(), String> {
        let gateway = Command::of(&build::artifacts().binary, &self.home)
            .args(&["gateway"])
            .start();
        let end = Instant::now() + DEADLINE;
        while !LINES.iter().all(|line| self.was_answered(line))
            && gateway.is_running()
            && Instant::now() < end
        {}
        self.play(&gateway, &AFTERWARDS);
        let ended = gateway.stop();
        let sent = self.telegram.ledger().sent;
        script::judge(&sent).map_err(|reason| format!("{reason}; the next start said:\n{}", ended.stderr))?;
        if ended.exited() && ended.code() == 0 {
            return Ok(());
        }
        Err(format!(
            "the next start ended with {}:\n{}",
            ended.status, ended.stderr
        ))
    }
}

/// How a run may end: a kill kills, a failed sync of the spool ends it with 1, session files are not worth an end.
fn check_end(
    aim: &Aim,
    fault: Fault,
    ended: &Finished,
    failed_calls: &[String],
    happened: bool,
) -> Result<(), String> {
    let spool_sync = failed_calls
        .iter()
        .any(|call| call.contains("sync(") && call.contains("/spool.db"));
    let right: &[i32] = match (fault, aim.place) {
        _ if !happened => &[0],
        (Fault::Kill, _) => &[137],
        _ if spool_sync => &[1],
        // The very last commit of a stop cannot wait for room.
        _ if ended.stderr.contains("Spool was not closed cleanly") => &[1],
        (_, Place::Start) => &[0, 1],
        _ => &[0],
    };
    if right.contains(&ended.code()) {
        return Ok(());
    }
    Err(format!(
        "it ended with {} instead of {right:?} after {failed_calls:?}:\n{}",
        ended.status, ended.stderr
    ))
}
