//! Whether the gateway works: the one judgement behind `/livez`, `/readyz` and the watchdog of systemd.

use std::sync::Arc;
use std::time::{Duration, Instant};

use miniclaw_plugin_api::Kind;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, watch};

use crate::gateway::Roster;
use crate::hub::ChatHub;
use crate::spool::{SpoolError, SqliteSpool};
use crate::supervisor::State;

/// What the spool may take to answer. Disks that are slow take seconds at times.
const PATIENCE: Duration = Duration::from_secs(5);
/// Whoever asks more often gets the same answer, so that asking costs no disk.
const SAME: Duration = Duration::from_secs(1);

/// How one instance is.
#[derive(Clone, Debug)]
pub(crate) struct Vital {
    pub(crate) kind: Kind,
    pub(crate) name: Arc<str>,
    pub(crate) state: State,
    /// Since its platform was heard last, where it tells.
    pub(crate) silent: Option<Duration>,
    /// Its platform is down, as far as the plugin can tell.
    pub(crate) outage: bool,
    /// Lives that followed on one that ended badly.
    pub(crate) restarts: u64,
    pub(crate) crashes: u64,
}

impl Vital {
    /// Whether people are heard over it.
    pub(crate) fn receives(&self) -> bool {
        self.state == State::Running && !self.outage
    }

    /// Whether nobody expects it to run.
    fn is_unwanted(&self) -> bool {
        matches!(self.state, State::Disabled | State::Stopped)
    }
}

/// What the spool answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Well,
    /// Its thread works, and the disk takes nothing. A restart would not help.
    Full,
    Silent,
}

impl Beat {
    async fn of(spool: &SqliteSpool, patience: Duration) -> Self {
        match tokio::time::timeout(patience, spool.probe()).await {
            Ok(Ok(())) => Self::Well,
            Ok(Err(SpoolError::Unavailable { .. })) => Self::Full,
            Ok(Err(_)) | Err(_) => Self::Silent,
        }
    }
}

/// What is asked.
pub(crate) struct Health {
    pub(crate) hub: Arc<ChatHub>,
    pub(crate) spool: Arc<SqliteSpool>,
    pub(crate) roster: Arc<Roster>,
    /// Every instance has got past its start.
    pub(crate) started: watch::Receiver<bool>,
    last: Mutex<Option<(Instant, Beat)>>,
}

/// Whether people can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    /// Ready, and a channel that is wanted hears nobody.
    Degraded,
    Unready,
}

impl Readiness {
    fn of(started: bool, beat: &Beat, channels: &[Vital]) -> Self {
        let heard = channels.iter().filter(|channel| channel.receives()).count();
        let wanted = channels.iter().filter(|channel| !channel.is_unwanted()).count();
        match (started && *beat == Beat::Well, heard) {
            (false, _) | (_, 0) => Self::Unready,
            (true, heard) if heard < wanted => Self::Degraded,
            _ => Self::Ready,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Unready => "unready",
        }
    }
}

impl Health {
    pub(crate) fn new(
        hub: Arc<ChatHub>,
        spool: Arc<SqliteSpool>,
        roster: Arc<Roster>,
        started: watch::Receiver<bool>,
    ) -> Self {
        Self {
            hub,
            spool,
            roster,
            started,
            last: Mutex::default(),
        }
    }

    /// Goes once through the hub and through the spool's writer, which commits. Runs on the hub's thread: where that
    /// stands still there is no answer at all, which is one.
    pub(crate) async fn beat(&self) -> Beat {
        self.hub.probe();
        let mut last = self.last.lock().await;
        if let Some((at, beat)) = &*last
            && at.elapsed() < SAME
        {
            return beat.clone();
        }
        let beat = Beat::of(&self.spool, PATIENCE).await;
        *last = Some((Instant::now(), beat.clone()));
        beat
    }

    /// The same, with nothing that was answered before.
    pub(super) async fn beat_anew(&self) -> Beat {
        self.hub.probe();
        Beat::of(&self.spool, PATIENCE).await
    }

    /// For who has room for no more.
    pub(super) fn in_a_line(&self) -> String {
        let vitals = self.roster.vitals();
        let channels = || vitals.iter().filter(|vital| vital.kind == Kind::Channel);
        let (waiting, running) = self.hub.outstanding();
        format!(
            "{} of {} channels receive, {waiting} messages wait, {running} turns under way",
            channels().filter(|channel| channel.receives()).count(),
            channels().count(),
        )
    }

    pub(super) fn is_started(&self) -> bool {
        *self.started.borrow()
    }

    /// How ready it is, and why, without a word of what plugins say: anybody who reaches the port reads it.
    pub(super) async fn readiness(&self) -> (Readiness, Value) {
        let (beat, started) = (self.beat().await, self.is_started());
        let mut vitals = self.roster.vitals();
        vitals.retain(|vital| vital.kind == Kind::Channel);
        let readiness = Readiness::of(started, &beat, &vitals);
        let spool = match beat {
            Beat::Well => "ok",
            Beat::Full => "takes no writes",
            Beat::Silent => "does not answer",
        };
        let channels: Vec<Value> = vitals.iter().map(told).collect();
        let body = json!({
            "status": readiness.word(),
            "started": started,
            "spool": spool,
            "channels": channels,
        });
        (readiness, body)
    }
}

fn told(channel: &Vital) -> Value {
    let mut map = Map::new();
    map.insert("channel".into(), (*channel.name).into());
    map.insert("state".into(), channel.state.describe().0.into());
    map.insert("receiving".into(), channel.receives().into());
    if channel.outage {
        map.insert("outage".into(), true.into());
    }
    if let Some(silent) = channel.silent {
        let ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
        map.insert("heard_ms".into(), ms.into());
    }
    map.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vital(state: State, outage: bool) -> Vital {
        Vital {
            kind: Kind::Channel,
            name: "c".into(),
            state,
            silent: None,
            outage,
            restarts: 0,
            crashes: 0,
        }
    }

    #[tokio::test]
    async fn a_writer_that_hangs_is_silent_and_one_that_works_is_well() {
        let state = tempfile::tempdir().unwrap();
        let spool = SqliteSpool::open(state.path()).unwrap().spool;
        assert_eq!(Beat::of(&spool, Duration::from_secs(30)).await, Beat::Well);
        let release = spool.hang();
        assert_eq!(Beat::of(&spool, Duration::from_millis(200)).await, Beat::Silent);
        drop(release);
        assert_eq!(Beat::of(&spool, Duration::from_secs(30)).await, Beat::Well);
    }

    #[test]
    fn one_channel_that_hears_people_makes_it_ready_and_the_others_degrade_it() {
        let (up, down) = (
            vital(State::Running, false),
            vital(State::Failed(String::new()), false),
        );
        let (outage, disabled) = (vital(State::Running, true), vital(State::Disabled, false));
        let of = |channels: &[Vital]| Readiness::of(true, &Beat::Well, channels);
        assert_eq!(of(std::slice::from_ref(&up)), Readiness::Ready);
        assert_eq!(of(&[up.clone(), disabled]), Readiness::Ready);
        assert_eq!(of(&[up.clone(), outage.clone()]), Readiness::Degraded);
        assert_eq!(of(&[down.clone(), up.clone()]), Readiness::Degraded);
        assert_eq!(of(&[down, outage]), Readiness::Unready);
        assert_eq!(of(&[]), Readiness::Unready);
        assert_eq!(
            Readiness::of(false, &Beat::Well, std::slice::from_ref(&up)),
            Readiness::Unready
        );
        assert_eq!(
            Readiness::of(true, &Beat::Full, std::slice::from_ref(&up)),
            Readiness::Unready
        );
        assert_eq!(Readiness::of(true, &Beat::Silent, &[up]), Readiness::Unready);
    }
}
