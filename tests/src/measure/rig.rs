//! What every measurement stands on.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::build::{self, Artifacts};
use crate::fake_telegram::Injection;
use crate::gateway::Finished;
use crate::server::ServerThread;
use crate::{Command, ConfigFile, FakeModel, FakeTelegram, Gateway, Home};

/// The user whom the configuration allows.
pub const USER: i64 = 42;

/// The binary, built when it is first asked for.
#[derive(Default)]
pub struct Bench(OnceLock<Artifacts>);

/// One gateway's surroundings; both fakes share a thread.
pub struct Rig {
    pub telegram: FakeTelegram,
    pub model: FakeModel,
    pub home: Home,
    binary: PathBuf,
}

impl Bench {
    pub fn artifacts(&self) -> &Artifacts {
        self.0.get_or_init(build::release_binary)
    }

    /// Where homes are made.
    pub fn folder(&self) -> PathBuf {
        std::env::var_os("MINICLAW_BENCH_DIR")
            .map_or_else(|| self.artifacts().libraries.clone(), PathBuf::from)
    }

    /// Fakes and a home with the usual configuration.
    pub fn rig(&self) -> Rig {
        self.rig_with(|config| config)
    }

    /// The same with another configuration.
    pub fn rig_with(&self, change: impl FnOnce(ConfigFile) -> ConfigFile) -> Rig {
        let thread: Arc<ServerThread> = ServerThread::start();
        let telegram = FakeTelegram::start_on(&thread);
        let model = FakeModel::start_on(&thread);
        model.forget_requests();
        let home = Home::empty_in(&self.folder());
        home.write_config(&change(ConfigFile::standard(&telegram, &model, &[USER])).text());
        Rig {
            telegram,
            model,
            home,
            binary: self.artifacts().binary.clone(),
        }
    }
}

impl Rig {
    /// Starts the gateway; it need not poll yet.
    pub fn start(&self) -> Gateway {
        Command::of(&self.binary, &self.home).args(&["gateway"]).start()
    }

    /// Another command in this home, to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Command::of(&self.binary, &self.home).args(arguments).run()
    }

    /// Starts the gateway and waits until it polls.
    pub fn start_polling(&self) -> Gateway {
        self.telegram.clear_ledger();
        let gateway = self.start();
        self.telegram.wait_for_poll();
        gateway
    }

    /// Waits until `n` messages were sent, at most `patience`; looks now and then instead of being woken, which
    /// would cost the gateway a core's time.
    pub fn wait_quietly(&self, n: usize, patience: Duration) {
        let end = Instant::now() + patience;
        while self.telegram.sent_count() < n && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends `each` messages to every one of `chats` chats, all at once.
    pub fn crowd(&self, chats: i64, each: usize) {
        let messages: Vec<Injection> = (0..each)
            .flat_map(|index| (1..=chats).map(move |chat| Injection::text(chat, USER, format!("m{index}"))))
            .collect();
        self.telegram.inject_all(&messages);
    }
}
