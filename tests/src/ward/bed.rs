//! One sick channel.

use serde_json::{Value, json};

use super::{Ends, Fault, kill_host};
use crate::Platform;

/// A channel that fails in one way at one place when it may.
pub struct Bed {
    /// The instance's name.
    pub name: String,
    pub fault: Fault,
    pub at: String,
    pub platform: Platform,
}

impl Bed {
    pub(super) fn new(fault: Fault, at: &str) -> Self {
        let platform = Platform::start();
        platform.grant(0);
        let name = format!("{}-{at}", fault.name.replace('_', "-"));
        Self {
            name,
            fault,
            at: at.to_owned(),
            platform,
        }
    }

    pub(super) fn entry(&self) -> Value {
        let settings = json!({ "platform": self.platform.address(), "fault": self.fault.name, "at": self.at, "amount": self.fault.amount });
        json!({
            "plugin": "faulty",
            "isolation": "process",
            "allow_from": ["42"],
            "limits": { "memory": "96MiB" },
            "settings": settings,
        })
    }

    /// Its process, once it has asked whether to fail.
    ///
    /// # Panics
    /// Before that.
    pub fn pid(&self) -> u32 {
        self.platform.asker().expect("the channel asked")
    }

    /// Posts a message and waits for the answer.
    ///
    /// # Panics
    /// Where there is none.
    pub fn assert_well(&self, text: &str) {
        self.platform.post("well", text, text);
        self.platform.wait_for_answer(text);
    }

    /// Whether it fails while a life begins.
    fn fails_early(&self) -> bool {
        matches!(&*self.at, "create" | "start" | "receive" | "task" | "thread")
    }

    /// SIGKILL for its process.
    pub fn kill(&self) {
        if let Some(pid) = self.platform.asker() {
            kill_host(pid);
        }
    }
}

/// One fault, with a message that comes at the same time.
pub struct Round<'a> {
    pub bed: &'a Bed,
    pub number: u64,
}

impl Round<'_> {
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.bed.name, self.number)
    }

    /// Allows the fault, brings it about, and posts a message.
    pub(super) fn provoke(&self, reload: impl Fn()) {
        let platform = &self.bed.platform;
        platform.grant(self.number);
        if self.bed.fails_early() {
            self.bed.kill();
        }
        platform.post(&self.bed.name, &self.number.to_string(), &self.text());
        if self.bed.at == "shutdown" {
            reload();
        }
    }

    /// Kills what hangs.
    pub(super) fn relieve(&self) {
        if self.bed.fault.ends == Ends::Killed {
            self.bed.kill();
        }
    }

    pub(super) fn wait_for_answer(&self) {
        self.bed.platform.wait_for_answer(&self.text());
    }

    /// Kills what keeps what it took.
    pub(super) fn clean_up(&self) {
        if self.bed.fault.ends == Ends::Never {
            self.bed.kill();
            self.settle("killed");
        }
    }

    /// Waits until the host knows of the answer: whoever is killed with the report on its way (it may lie behind a flood)
    /// has the answer sent again. The next of the same conversation is sent only after it.
    pub(super) fn settle(&self, stage: &str) {
        let text = format!("{} {stage}", self.text());
        self.bed.platform.post(&self.bed.name, &text, &text);
        self.bed.platform.wait_for_answer(&text);
    }

    /// Only an instance that ends between the send and its report may make the host send again: one that fails there, or
    /// once the message is accepted, whose answer may be on its way before the failure is known. Garbage is no end by itself:
    /// the host kills for it when it is read, which may be there.
    fn may_repeat(&self) -> bool {
        matches!(&*self.bed.at, "accepted" | "sent") || self.bed.fault.name == "garbage"
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let answers = self.bed.platform.answers_to(&self.text());
        let most = 1 + usize::from(self.may_repeat());
        (answers > most).then(|| format!("{}: answered {answers} times", self.text()))
    }
}
