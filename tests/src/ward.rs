//! Plugins that fail, each in a process of its own, beside one that does not.

mod bed;
mod fault;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{Command, ConfigFile, FakeModel, Gateway, Home, Platform, until};

pub use bed::{Bed, Round};
pub use fault::{Ends, FAULTS, Fault, PLACES};

/// A gateway with a channel `healthy` and sick ones.
pub struct Ward {
    pub healthy: Platform,
    pub beds: Vec<Bed>,
    pub home: Home,
    pub model: FakeModel,
    plugins: PathBuf,
    gateway: Option<Gateway>,
    asked: AtomicU64,
}

/// What a ward is made of.
pub struct Plan {
    cells: Vec<(Fault, &'static str)>,
    config: ConfigFile,
    environment: Vec<(&'static str, &'static str)>,
}

impl Plan {
    /// A sick channel for each cell. It fails only when that is [granted](Platform::grant), and as often as that.
    pub fn of(cells: &[(Fault, &'static str)]) -> Self {
        let config = ConfigFile::default()
            .with("/gateway/restart_backoff", json!("1ms"))
            .with("/gateway/max_crashes", json!(1_000_000));
        Self {
            cells: cells.to_vec(),
            config,
            environment: Vec::new(),
        }
    }

    /// Sets what `path` names in the configuration.
    #[must_use]
    pub fn with(mut self, path: &str, value: Value) -> Self {
        self.config = self.config.with(path, value);
        self
    }

    /// Sets a variable of the gateway's environment.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Starts the gateway and waits until all channels receive.
    ///
    /// # Panics
    /// Where one does not.
    pub fn open(self) -> Ward {
        let (home, model, healthy) = (Home::empty(), FakeModel::start(), Platform::start());
        let beds: Vec<Bed> = self
            .cells
            .iter()
            .map(|(fault, at)| Bed::new(*fault, at))
            .collect();
        let settings = json!({ "platform": healthy.address() });
        let entry = json!({ "plugin": "loopback", "allow_from": ["42"], "settings": settings });
        let mut config = self.config.model(&model).channel("healthy", entry);
        for bed in &beds {
            config = config.channel(&bed.name, bed.entry());
        }
        home.write_config(&config.text());
        let plugins = home.plugins(&["loopback", "faulty"]);
        let mut ward = Ward {
            healthy,
            beds,
            home,
            model,
            plugins,
            gateway: None,
            asked: AtomicU64::new(0),
        };
        ward.start(&self.environment);
        for platform in ward.platforms() {
            platform.wait_for_calls("receive", 1);
        }
        ward
    }
}

impl Ward {
    /// Starts the gateway, which does not run.
    pub fn start(&mut self, environment: &[(&str, &str)]) {
        let command = Command::new(&self.home, &["gateway", "--plugins"]).arg(&self.plugins);
        let command = environment
            .iter()
            .fold(command, |command, (name, value)| command.env(name, value));
        self.gateway = Some(command.start());
    }

    /// The gateway.
    ///
    /// # Panics
    /// Where it was ended.
    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("the gateway was not ended")
    }

    /// Takes the gateway, to end it.
    ///
    /// # Panics
    /// Where that was done.
    pub fn take_gateway(&mut self) -> Gateway {
        self.gateway.take().expect("the gateway was not ended")
    }

    fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.beds.iter().map(|bed| &bed.platform).chain([&self.healthy])
    }

    /// Has every bed fail so often at the same time; returns what went wrong.
    pub fn run(&self, rounds: u64) -> Vec<String> {
        let complaints = std::thread::scope(|scope| {
            let beds: Vec<_> = self
                .beds
                .iter()
                .map(|bed| (bed, scope.spawn(move || self.suffer(bed, rounds))))
                .collect();
            let ends = beds.into_iter().map(|(bed, thread)| match thread.join() {
                Ok(complaints) => complaints,
                Err(panic) => vec![format!("{}: {}", bed.name, said(&*panic))],
            });
            ends.flatten().collect::<Vec<String>>()
        });
        let lost = self.beds.iter().filter(|bed| bed.platform.kept() > 0);
        let lost = lost.map(|bed| format!("{}: a message was not taken", bed.name));
        let reborn =
            (self.healthy.calls("create") != 1).then(|| "the healthy channel was restarted".to_owned());
        complaints.into_iter().chain(lost).chain(reborn).collect()
    }

    /// What came of the messages of so many rounds.
    pub fn count(&self, rounds: u64) -> Count {
        let mut count = Count::default();
        for bed in &self.beds {
            for number in 1..=rounds {
                let answers = bed.platform.answers_to(&Round { bed, number }.text()) as u64;
                count.messages += 1;
                count.lost += u64::from(answers == 0);
                count.repeated += answers.saturating_sub(1);
            }
        }
        let asked = self.asked.load(Ordering::Relaxed);
        let answered = |number: &u64| self.healthy.answers_to(&beside(*number)) > 0;
        count.messages += asked;
        count.lost += (0..asked).filter(|number| !answered(number)).count() as u64;
        count
    }

    fn suffer(&self, bed: &Bed, rounds: u64) -> Vec<String> {
        bed.platform.wait_for_calls("receive", 1);
        let rounds: Vec<Round<'_>> = (1..=rounds).map(|number| Round { bed, number }).collect();
        for round in &rounds {
            round.provoke(|| self.plugin("reload", &bed.name));
            bed.platform.wait_for_faults(round.number);
            round.relieve();
            round.wait_for_answer();
            self.assert_healthy();
            round.settle("answered");
            round.clean_up();
        }
        rounds.iter().filter_map(Round::complaint).collect()
    }

    /// Shows that the healthy channel works.
    ///
    /// # Panics
    /// Where it gives no answer.
    pub fn assert_healthy(&self) {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let text = beside(number);
        self.healthy.post(&format!("chat {}", number % 50), &text, &text);
        self.healthy.wait_for_answer(&text);
    }

    /// `miniclaw plugin VERB NAME`.
    ///
    /// # Panics
    /// Where it fails.
    pub fn plugin(&self, verb: &str, name: &str) {
        Command::new(&self.home, &["plugin", verb, name])
            .run()
            .expect_code(0);
    }

    /// What `miniclaw plugin list --json` says of an instance.
    ///
    /// # Panics
    /// Where it says nothing.
    pub fn state(&self, name: &str) -> Value {
        state_of(&self.home, name)
    }

    /// Waits until `miniclaw plugin list` says so of an instance.
    ///
    /// # Panics
    /// At the deadline.
    pub fn wait_for_state(&self, name: &str, state: &str) {
        until(&format!("`{name}` {state}"), || {
            self.state(name)["state"] == state
        });
    }
}

/// Messages, those of the healthy channel included.
#[derive(Debug, Default, Clone, Copy)]
pub struct Count {
    pub messages: u64,
    /// Never answered.
    pub lost: u64,
    /// Answers too many.
    pub repeated: u64,
}

/// The text of a message to the healthy channel.
fn beside(number: u64) -> String {
    format!("healthy {number}")
}

/// What `miniclaw plugin list --json` says of an instance; plugins lie in [`Home::plugins`].
///
/// # Panics
/// Where it says nothing.
pub fn state_of(home: &Home, name: &str) -> Value {
    let listed = Command::new(home, &["plugin", "list", "--json", "--plugins"])
        .arg(home.plugins(&[]))
        .run();
    let list: Value = serde_json::from_str(&listed.stdout).expect("the list is JSON");
    let plugins = list.as_array().into_iter().flatten();
    let mut instances = plugins
        .filter_map(|plugin| plugin["instances"].as_array())
        .flatten();
    let found = instances.find(|instance| instance["instance"] == name);
    found
        .cloned()
        .unwrap_or_else(|| panic!("no instance {name} in {list:#}"))
}

/// SIGKILL for a process that hosts a plugin; none where the number is no such process's.
pub fn kill_host(pid: u32) {
    let hosts = std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.windows(11).any(|words| words == b"plugin-host"));
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid.filter(|_| hosts) {
        // One that has just died is as good.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_default()
}
