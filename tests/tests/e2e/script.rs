//! Scripts: what the fakes and people do, step by step, and what must hold at the end. One row of a table is one
//! test: `its_name_as_a_sentence: steps => what holds;`.

mod holds;
mod steps;

use miniclaw_tests::{ConfigFile, FakeModel, FakeTelegram, Gateway, Home};
use serde_json::Value;

pub(crate) use holds::*;
pub(crate) use steps::*;

use crate::setup::{USER, World};

/// The chat whose message at the end of every script shows that the gateway is well.
const PROBE: i64 = 99;
const PROBE_TEXT: &str = "are you well?";

macro_rules! scripts {
    ($($name:ident: $($step:expr),+ => $($hold:expr),+;)+) => {
        $(
            #[test]
            fn $name() {
                crate::script::play(vec![$($step),+], vec![$($hold),+]);
            }
        )+
    };
}
pub(crate) use scripts;

/// One step. Those that need a gateway start it where none runs.
pub(crate) struct Step {
    needs_gateway: bool,
    act: Box<dyn FnOnce(&mut Stage)>,
}

/// What must hold at the end: first waited for while the gateway runs, then checked after its stop.
pub(crate) struct Hold {
    wait: Box<dyn Fn(&Stage)>,
    check: Box<dyn Fn(&Stage)>,
}

/// Where a script is played.
pub(crate) struct Stage {
    pub(crate) world: World,
    config: ConfigFile,
    gateway: Option<Gateway>,
    /// What gateways that have ended wrote.
    log: String,
}

impl Hold {
    pub(crate) fn new(wait: impl Fn(&Stage) + 'static, check: impl Fn(&Stage) + 'static) -> Self {
        Self {
            wait: Box::new(wait),
            check: Box::new(check),
        }
    }
}

/// Plays a script; afterwards the gateway must answer a last message and stop with status 0.
pub(crate) fn play(steps: Vec<Step>, holds: Vec<Hold>) {
    let mut stage = Stage::new();
    for step in steps {
        if step.needs_gateway {
            stage.start();
        }
        (step.act)(&mut stage);
    }
    stage.start();
    for hold in &holds {
        (hold.wait)(&stage);
    }
    let before = stage.world.telegram.sent_to(PROBE).len();
    stage.world.say(PROBE, PROBE_TEXT, before + 1);
    stage.stop(0);
    for hold in &holds {
        (hold.check)(&stage);
    }
}

impl Stage {
    fn new() -> Self {
        let (telegram, model) = (FakeTelegram::start(), FakeModel::start());
        let config = ConfigFile::standard(&telegram, &model, &[USER]);
        let world = World {
            home: Home::with(&config),
            telegram,
            model,
        };
        Self {
            world,
            config,
            gateway: None,
            log: String::new(),
        }
    }

    /// Changes the configuration of the next start.
    pub(crate) fn set(&mut self, path: &str, value: Value) {
        self.config = self.config.clone().with(path, value);
        self.world.home.write_config(&self.config.text());
    }

    fn start(&mut self) {
        if self.gateway.is_none() {
            self.gateway = Some(self.world.start());
        }
    }

    fn stop(&mut self, code: i32) {
        if let Some(gateway) = self.gateway.take() {
            let finished = gateway.stop();
            finished.expect_code(code);
            self.keep_log(&finished.stderr);
        }
    }

    fn kill(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            let log = gateway.kill().stderr;
            self.keep_log(&log);
        }
    }

    fn keep_log(&mut self, log: &str) {
        self.log.push_str(log);
        self.log.push('\n');
    }

    /// The running gateway.
    fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("a step before this one started it")
    }

    /// Lines of gateways that have ended.
    fn lines_with(&self, needle: &str) -> Vec<&str> {
        let needle = needle.to_lowercase();
        self.log
            .lines()
            .filter(|line| line.to_lowercase().contains(&needle))
            .collect()
    }
}
