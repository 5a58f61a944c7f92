//! The surroundings of a gateway that is killed or stopped over and over: fakes that outlive it and a tally.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fake_telegram::{Injection, TOKEN};
use crate::http::Client;
use crate::server::ServerThread;
use crate::{Command, ConfigFile, FakeModel, FakeTelegram, Gateway, Home, Tally, build};

/// The user whom the configuration allows.
pub const USER: i64 = 42;

/// Both fakes, on one thread, and a home on the disk that the binary lies on, so that syncing is real.
pub struct Stage {
    pub telegram: FakeTelegram,
    pub model: FakeModel,
    pub tally: Arc<Tally>,
    pub home: Home,
    pub binary: PathBuf,
}

impl Stage {
    /// With the standard configuration, but for what `change` changes.
    pub fn new(change: impl FnOnce(ConfigFile) -> ConfigFile) -> Self {
        let artifacts = build::artifacts();
        let thread = ServerThread::start();
        let stage = Self {
            telegram: FakeTelegram::start_on(&thread),
            model: FakeModel::start_on(&thread),
            tally: Arc::default(),
            home: Home::empty_in(&artifacts.libraries),
            binary: artifacts.binary.clone(),
        };
        stage.model.forget_requests();
        let tally = stage.tally.clone();
        stage
            .model
            .answer_with(move |asked| tally.call(asked.last_user()));
        let tally = stage.tally.clone();
        stage.telegram.set_on_sent(Some(Box::new(move |sent| {
            tally.sent(sent.chat, &sent.text);
            None
        })));
        let config = ConfigFile::standard(&stage.telegram, &stage.model, &[USER]);
        stage.home.write_config(&change(config).text());
        stage
    }

    /// The gateway's command, to be added to.
    pub fn command(&self) -> Command {
        Command::of(&self.binary, &self.home).args(&["gateway"])
    }

    /// Starts the gateway with empty ledgers; it need not poll yet.
    pub fn start(&self) -> Gateway {
        self.telegram.clear_ledger();
        self.command().start()
    }

    /// Waits for the first poll of this life; false where none came in time.
    pub fn polls_within(&self, patience: Duration) -> bool {
        let look = |ledger: &crate::fake_telegram::Ledger| (!ledger.polls.is_empty()).then_some(());
        self.telegram.try_wait(patience, look).is_some()
    }

    /// Has people write one message in each of these chats, all at once.
    pub fn ask(&self, chats: impl IntoIterator<Item = i64>) {
        let messages: Vec<Injection> = chats
            .into_iter()
            .map(|chat| Injection::text(chat, USER, self.tally.ask(chat)))
            .collect();
        self.telegram.inject_all(&messages);
    }

    /// Kills the gateway and notes which sends were not older than `window`; returns its log.
    pub fn kill(&self, gateway: Gateway, window: Duration) -> String {
        let at = Instant::now();
        let finished = gateway.kill();
        self.settle();
        self.tally.killed(at, window);
        finished.stderr
    }

    /// Waits until the fakes have read what a process that is gone left in its connections: one thread serves them
    /// all, and a round trip begins after what was there before it.
    pub fn settle(&self) {
        let mut client = Client::connect(self.telegram.url()).expect("the fake can be reached");
        for _ in 0..3 {
            client
                .post(&format!("/bot{TOKEN}/getMe"), "{}")
                .expect("the fake answers");
        }
    }
}
