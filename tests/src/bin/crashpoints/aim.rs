//! Where a run is hit, and how.

/// A series of points: the first, second, … call of some kind.
pub(crate) struct Aim {
    pub(crate) what: &'static str,
    /// System calls, with commas; strace counts each kind and each thread for itself.
    pub(crate) calls: &'static str,
    pub(crate) place: Place,
    pub(crate) faults: &'static [Fault],
    /// There are so many that a short run leaves most of them out.
    pub(crate) many: bool,
}

/// Whose calls count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// All threads' from the start on: these are the main thread's first, the start-up.
    Start,
    /// Those on session files and their folder, from the first poll on.
    Sessions,
    /// Those of the thread with this name, from the first poll on.
    Thread(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill,
    Eio,
    Enospc,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL",
            Self::Eio => "EIO",
            Self::Enospc => "ENOSPC",
        }
    }

    /// As `strace -e inject` takes it.
    pub(crate) fn injection(self) -> &'static str {
        match self {
            Self::Kill => "signal=KILL",
            Self::Eio => "error=EIO",
            Self::Enospc => "error=ENOSPC",
        }
    }
}

const SYNCS: &str = "fsync,fdatasync";
const RENAMES: &str = "rename,renameat,renameat2";
const SENDS: &str = "sendto,sendmsg,write,writev";
const DISK: &[Fault] = &[Fault::Kill, Fault::Eio, Fault::Enospc];

pub(crate) const ALL: &[Aim] = &[
    Aim {
        what: "syncs of the start",
        calls: SYNCS,
        place: Place::Start,
        faults: DISK,
        many: false,
    },
    Aim {
        what: "renames of the start",
        calls: RENAMES,
        place: Place::Start,
        faults: DISK,
        many: false,
    },
    Aim {
        what: "syncs of the spool",
        calls: SYNCS,
        place: Place::Thread(SPOOL),
        faults: DISK,
        many: false,
    },
    Aim {
        what: "writes of the spool",
        calls: "pwrite64",
        place: Place::Thread(SPOOL),
        faults: &[Fault::Kill, Fault::Enospc],
        many: true,
    },
    Aim {
        what: "syncs of session files",
        calls: SYNCS,
        place: Place::Sessions,
        faults: DISK,
        many: false,
    },
    Aim {
        what: "renames of session files",
        calls: RENAMES,
        place: Place::Sessions,
        faults: DISK,
        many: false,
    },
    Aim {
        what: "sends to Telegram",
        calls: SENDS,
        place: Place::Thread("mc-telegram"),
        faults: &[Fault::Kill],
        many: false,
    },
    Aim {
        what: "sends to the model",
        calls: SENDS,
        place: Place::Thread("mc-model"),
        faults: &[Fault::Kill],
        many: false,
    },
];

/// The spool's writer thread.
const SPOOL: &str = "mc-spool";
