//! The loop itself.

use std::time::{Duration, Instant};

use miniclaw_tests::chance::Chance;
use miniclaw_tests::tally::{Counts, Kill};
use miniclaw_tests::{Gateway, Stage};
use serde_json::json;

const CHATS: u64 = 200;
/// People of one chat write up to so many messages in a row.
const IN_A_ROW: u64 = 4;
/// One life in so many is ended in its start-up, at an instant within the time that start-ups take.
const KILLS_IN_START_UP: u64 = 4;
/// Any other life is ended within this time from its first poll on.
const LONGEST_LIFE: Duration = Duration::from_millis(400);
/// With more parts of answers missing a life goes on until half of them have come: kills are to hit work, and work
/// is to go on.
const MOST_MISSING: u64 = 1_000;
/// Without any arrival for this long nothing more is expected.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Plan {
    pub(crate) kills: u64,
    pub(crate) messages: u64,
    pub(crate) seed: u64,
    /// A send may be in flight at a kill for so long after Telegram accepted it.
    pub(crate) window: Duration,
}

pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) kills: Vec<Kill>,
    pub(crate) missing: u64,
    pub(crate) missing_places: Vec<String>,
    pub(crate) kills_in_start_up: u64,
    /// Sends of one more life that had nothing to do.
    pub(crate) sent_after_the_end: u64,
    /// Dead letters that starts told of.
    pub(crate) buried: u64,
    /// Errors in logs, each once.
    pub(crate) errors: Vec<String>,
    pub(crate) last_status: i32,
    pub(crate) elapsed: Duration,
}

struct Storm<'a> {
    plan: &'a Plan,
    stage: Stage,
    chance: Chance,
    asked: u64,
    start_up: Duration,
    kills_in_start_up: u64,
    buried: u64,
    errors: Vec<String>,
}

pub(crate) fn run(plan: &Plan) -> Outcome {
    let started = Instant::now();
    let mut storm = Storm {
        plan,
        stage: Stage::new(|config| config.with("/gateway/shutdown_timeout", json!("60s"))),
        chance: Chance::seeded(plan.seed),
        asked: 0,
        start_up: Duration::from_millis(50),
        kills_in_start_up: 0,
        buried: 0,
        errors: Vec::new(),
    };
    for kill in 1..=plan.kills {
        storm.live_and_die(kill);
        if kill % 100 == 0 {
            storm.print_progress(kill, started.elapsed());
        }
    }
    let last_status = storm.live_to_the_end();
    let arrived = storm.stage.tally.counts();
    let idle = storm.live_to_the_end();
    storm.outcome(last_status.max(idle), &arrived, started.elapsed())
}

impl Storm<'_> {
    /// One life that is killed.
    fn live_and_die(&mut self, kill: u64) {
        let share = (self.plan.messages * kill / self.plan.kills).saturating_sub(self.asked);
        self.ask(share / 2);
        self.model_takes_a_while();
        let born = Instant::now();
        let gateway = self.stage.start();
        if self.chance.one_in(KILLS_IN_START_UP) {
            self.kills_in_start_up += 1;
            std::thread::sleep(self.chance.time(self.start_up));
            self.ask(share - share / 2);
        } else {
            self.wait_for_poll(&gateway);
            self.start_up = born.elapsed();
            let life = self.chance.time(LONGEST_LIFE);
            std::thread::sleep(life / 2);
            self.ask(share - share / 2);
            std::thread::sleep(life / 2);
            if self.stage.tally.missing() > MOST_MISSING {
                self.stage.tally.wait_until_missing(MOST_MISSING / 2, PATIENCE);
            }
        }
        let log = self.stage.kill(gateway, self.plan.window);
        self.read(&log);
    }

    /// A life that answers what is left, and stops.
    fn live_to_the_end(&mut self) -> i32 {
        let gateway = self.stage.start();
        self.wait_for_poll(&gateway);
        self.stage.tally.wait_until_missing(0, PATIENCE);
        let finished = gateway.stop();
        self.stage.settle();
        self.stage.tally.stopped();
        self.read(&finished.stderr);
        finished.code()
    }

    fn wait_for_poll(&self, gateway: &Gateway) {
        assert!(
            self.stage.polls_within(PATIENCE),
            "the gateway does not poll; its log:\n{}",
            gateway.log()
        );
    }

    fn ask(&mut self, messages: u64) {
        let mut chats = Vec::new();
        let mut left = messages;
        while left > 0 {
            let chat = 1 + i64::try_from(self.chance.below(CHATS)).unwrap_or(0);
            let row = (1 + self.chance.below(IN_A_ROW)).min(left);
            chats.extend((0..row).map(|_| chat));
            left -= row;
        }
        self.asked += messages;
        self.stage.ask(chats);
    }

    /// Turns are sometimes shorter, sometimes longer than the rest of the work.
    fn model_takes_a_while(&mut self) {
        let delay = Duration::from_millis(self.chance.below(4) * 5);
        self.stage.model.set_delay(delay);
    }

    fn read(&mut self, log: &str) {
        for line in log
            .lines()
            .filter(|line| line.contains("ERROR") || line.contains("panicked"))
        {
            if line.contains("is a dead letter") {
                self.buried += 1;
            }
            if self.errors.len() < 10 {
                self.errors.push(line.to_owned());
            }
        }
    }

    fn print_progress(&self, kill: u64, elapsed: Duration) {
        let counts = self.stage.tally.counts();
        let repeated: usize = self
            .stage
            .tally
            .kills()
            .iter()
            .map(|kill| kill.repeated.len())
            .sum();
        println!(
            "{kill} kills, {} asked, {} missing, {} reordered, {repeated} repeated, {} unexplained, {} dead letters, start-up {} ms, {} s",
            counts.asked,
            self.stage.tally.missing(),
            counts.reordered,
            counts.unexplained,
            self.buried,
            self.start_up.as_millis(),
            elapsed.as_secs(),
        );
    }

    fn outcome(self, last_status: i32, arrived: &Counts, elapsed: Duration) -> Outcome {
        let tally = &self.stage.tally;
        let (counts, kills) = (tally.counts(), tally.kills());
        let sends = |counts: &Counts| counts.arrived + counts.unexplained + counts.foreign;
        Outcome {
            sent_after_the_end: sends(&counts) - sends(arrived),
            missing: tally.missing(),
            missing_places: tally.missing_places(),
            kills_in_start_up: self.kills_in_start_up,
            buried: self.buried,
            errors: self.errors,
            counts,
            kills,
            last_status,
            elapsed,
        }
    }
}
