//! What the fixture `faulty` can do, and where.

/// A way to fail.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// The fixture's setting `fault`.
    pub name: &'static str,
    /// The fixture's setting `amount`.
    pub amount: u64,
    pub ends: Ends,
}

/// How it goes on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// With the process, or by itself.
    Alone,
    /// It goes on, but what it took is not given back.
    Never,
    /// The host waits for a deadline that no test has the time for: the process has to be killed.
    Killed,
}

/// Where it fails, by the fixture's setting `at`.
pub const PLACES: [&str; 10] = [
    "create", "start", "receive", "message", "accepted", "send", "sent", "task", "thread", "shutdown",
];

const fn fault(name: &'static str, amount: u64, ends: Ends) -> Fault {
    Fault { name, amount, ends }
}

/// All ways to fail.
pub const FAULTS: [Fault; 17] = [
    fault("panic", 0, Ends::Alone),
    fault("segfault", 0, Ends::Alone),
    fault("abort", 0, Ends::Alone),
    fault("exit", 0, Ends::Alone),
    fault("stack_overflow", 0, Ends::Alone),
    fault("memory_hog", 1 << 30, Ends::Alone),
    fault("cpu_hog", 0, Ends::Killed),
    fault("descriptor_hog", 0, Ends::Never),
    fault("thread_hog", 200, Ends::Never),
    fault("hang", 0, Ends::Killed),
    fault("hang_blocking", 0, Ends::Killed),
    fault("flood_log", 2_000, Ends::Alone),
    fault("flood_inbound", 2_000, Ends::Alone),
    fault("flood_progress", 2_000, Ends::Alone),
    fault("flood_stdout", 2_000, Ends::Alone),
    fault("garbage", 1 << 16, Ends::Alone),
    fault("close_all", 0, Ends::Killed),
];

impl Fault {
    /// The one of this name.
    ///
    /// # Panics
    /// Where there is none.
    pub fn named(name: &str) -> Self {
        let found = FAULTS.iter().find(|fault| fault.name == name);
        *found.unwrap_or_else(|| panic!("no fault is called {name}"))
    }

    /// At all places.
    pub fn everywhere(self) -> Vec<(Self, &'static str)> {
        PLACES.iter().map(|at| (self, *at)).collect()
    }
}
