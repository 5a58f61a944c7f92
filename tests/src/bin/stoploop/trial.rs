//! One stop under load, and the start after it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use miniclaw_tests::chance::Chance;
use miniclaw_tests::gateway::Finished;
use miniclaw_tests::stage::USER;
use miniclaw_tests::{ConfigFile, DEADLINE, Gateway, Platform, Stage, until};
use serde_json::json;

/// `gateway.shutdown_timeout` of all trials.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(700);
/// What a stop may take beyond it, and all that one may take after a second signal.
const BEYOND: Duration = Duration::from_secs(1);

/// How the model behaves while the gateway stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    /// It answers nothing.
    Silent,
    /// It answers after this time.
    Slow(Duration),
}

#[derive(Debug)]
pub(crate) struct Plan {
    turns: u64,
    model: Model,
    /// From the turns' start to SIGTERM.
    wait: Duration,
    /// From SIGTERM to a second one.
    pub(crate) second: Option<Duration>,
}

impl Plan {
    pub(crate) fn draw(chance: &mut Chance, most: u64) -> Self {
        let model = match chance.below(3) {
            0 => Model::Silent,
            _ => Model::Slow(chance.time(2 * TIMEOUT)),
        };
        Self {
            turns: 1 + chance.below(most),
            model,
            wait: chance.time(Duration::from_millis(100)),
            second: chance.one_in(5).then(|| chance.time(TIMEOUT)),
        }
    }
}

pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) took: Duration,
    pub(crate) complaints: Vec<String>,
}

/// What all trials of a theatre come to.
pub(crate) struct Sums {
    pub(crate) asked: u64,
    pub(crate) missing: u64,
    pub(crate) reordered: u64,
    pub(crate) unexplained: u64,
    pub(crate) repeated: u64,
}

/// A home and its surroundings, used by one trial after the other.
pub(crate) struct Theatre {
    stage: Stage,
    slack: Duration,
    /// The folder of a plugin that hangs in its shutdown, and what it talks to.
    hangs: Option<(PathBuf, Platform)>,
}

impl Theatre {
    pub(crate) fn new(hangs: bool, turns: u64, slack: Duration) -> Self {
        let stage = Stage::new(|config| config);
        let mut config = ConfigFile::standard(&stage.telegram, &stage.model, &[USER])
            .with(
                "/gateway/shutdown_timeout",
                json!(format!("{}ms", TIMEOUT.as_millis())),
            )
            .with("/gateway/max_concurrent_turns", json!(turns));
        let hangs = hangs.then(|| {
            let platform = Platform::start();
            let settings = json!({ "platform": platform.address(), "at": "shutdown", "blocking": true });
            let entry = json!({ "plugin": "hangs", "isolation": "in-process", "allow_from": ["42"], "settings": settings });
            config = config.clone().channel("stubborn", entry);
            (stage.home.plugins(&["hangs"]), platform)
        });
        stage.home.write_config(&config.text());
        Self { stage, slack, hangs }
    }

    pub(crate) fn play(&mut self, plan: &Plan) -> Outcome {
        let before = self.counts();
        let gateway = self.start();
        self.load(plan);
        std::thread::sleep(plan.wait);
        let asked_to_stop = Instant::now();
        gateway.terminate();
        if let Some(second) = plan.second {
            std::thread::sleep(second);
            gateway.terminate();
        }
        let finished = gateway.wait();
        let took = asked_to_stop.elapsed();
        self.stage.settle();
        self.note_end(plan, asked_to_stop);
        let mut complaints = Vec::new();
        complaints.extend(self.check_time(plan, took));
        complaints.extend(self.check_status(plan, took, &finished));
        complaints.extend(self.resume());
        complaints.extend(self.check_answers(&before));
        Outcome {
            status: finished.code(),
            took,
            complaints,
        }
    }

    fn start(&self) -> Gateway {
        self.stage.telegram.clear_ledger();
        let mut command = self.stage.command();
        if let Some((folder, _)) = &self.hangs {
            command = command.arg("--plugins").arg(folder);
        }
        let gateway = command.start();
        assert!(
            self.stage.polls_within(DEADLINE),
            "the gateway does not poll; its log:\n{}",
            gateway.log()
        );
        if self.hangs.is_some() {
            gateway.wait_for_line("Gateway ready");
        }
        gateway
    }

    /// One turn in each of so many chats; returns when Telegram was told that all messages are on disk.
    fn load(&self, plan: &Plan) {
        match plan.model {
            Model::Silent => self.stage.model.hold(),
            Model::Slow(delay) => self.stage.model.set_delay(delay),
        }
        let turns = i64::try_from(plan.turns).unwrap_or(i64::MAX);
        self.stage.ask(1..=turns);
        until("the confirmation of all messages", || {
            self.stage.telegram.unconfirmed() == 0
        });
    }

    /// A second signal may cut sends off, whose repetition it then explains; a first one may not.
    fn note_end(&self, plan: &Plan, at: Instant) {
        match plan.second {
            Some(_) => self.stage.tally.killed(at, DEADLINE),
            None => self.stage.tally.stopped(),
        }
    }

    fn check_time(&self, plan: &Plan, took: Duration) -> Option<String> {
        let limit = plan.second.unwrap_or(TIMEOUT).min(TIMEOUT) + BEYOND + self.slack;
        (took > limit).then(|| format!("the stop took {took:?}, more than {limit:?}"))
    }

    fn check_status(&self, plan: &Plan, took: Duration, finished: &Finished) -> Option<String> {
        let missing = self.stage.tally.missing();
        let right: &[i32] = match (missing, plan.second) {
            (0, None) if took < TIMEOUT => &[0],
            // The last sends may have been answered just after the time was up.
            (0, _) => &[0, 143],
            _ => &[143],
        };
        (!finished.exited() || !right.contains(&finished.code())).then(|| {
            format!(
                "status {} with {missing} answers left:\n{}",
                finished.status, finished.stderr
            )
        })
    }

    /// Starts again and has the rest answered.
    fn resume(&self) -> Option<String> {
        self.stage.model.release();
        self.stage.model.set_delay(Duration::ZERO);
        let gateway = self.start();
        self.stage.tally.wait_until_missing(0, DEADLINE);
        let finished = gateway.stop();
        self.stage.settle();
        self.stage.tally.stopped();
        (finished.code() != 0).then(|| {
            format!(
                "the next start ended with {}:\n{}",
                finished.status, finished.stderr
            )
        })
    }

    fn check_answers(&self, before: &Sums) -> Option<String> {
        let after = self.counts();
        let new = |of: fn(&Sums) -> u64| of(&after) - of(before);
        let (missing, twice) = (new(|sums| sums.missing), new(|sums| sums.unexplained));
        let reordered = new(|sums| sums.reordered);
        (missing + twice + reordered > 0)
            .then(|| format!("{missing} answers are lost, {twice} came twice, {reordered} were overtaken"))
    }

    pub(crate) fn counts(&self) -> Sums {
        let counts = self.stage.tally.counts();
        let kills = self.stage.tally.kills();
        Sums {
            asked: counts.asked,
            missing: self.stage.tally.missing(),
            reordered: counts.reordered,
            unexplained: counts.unexplained + counts.foreign,
            repeated: kills.iter().map(|kill| kill.repeated.len() as u64).sum(),
        }
    }
}
