//! What `/metrics` shows. Everything is read when somebody asks.

use std::sync::Arc;
use std::time::Duration;

use miniclaw_plugin_api::Kind;

use super::exposition::Page;
use super::health::{Health, Vital};
use crate::hub::Counters;
use crate::supervisor::State;

/// What counting dead letters may take; without an answer the metric is left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// The page of one gateway.
pub(crate) struct Metrics {
    pub(crate) health: Arc<Health>,
}

impl Metrics {
    pub(super) async fn page(&self) -> String {
        let mut page = Page::default();
        page.head("miniclaw_build_info", "gauge", "The version that runs; always 1.");
        page.sample(
            "miniclaw_build_info",
            &[("version", env!("CARGO_PKG_VERSION"))],
            1,
        );
        counters(&mut page, &self.health.hub.counters);
        self.work(&mut page).await;
        self.spool(&mut page);
        let vitals = self.health.roster.vitals();
        instances(&mut page, &vitals);
        channels(&mut page, &vitals);
        process::write(&mut page);
        page.text()
    }

    async fn work(&self, page: &mut Page) {
        let hub = &self.health.hub;
        let (_, running) = hub.outstanding();
        page.gauge(
            "miniclaw_messages_pending",
            "Messages that are journaled and not yet answered, those under way included.",
            hub.load.pending(),
        );
        page.gauge("miniclaw_turns_running", "Turns under way.", running);
        page.head(
            "miniclaw_replies_waiting",
            "gauge",
            "Messages to a platform that wait to be sent.",
        );
        for channel in hub.channels.names() {
            let waiting = hub.outbox(&channel).map_or(0, |outbox| outbox.waiting());
            page.sample("miniclaw_replies_waiting", &[("channel", &channel)], waiting);
        }
        let counted = tokio::time::timeout(PATIENCE, self.health.spool.unfinished()).await;
        if let Ok(Ok(unfinished)) = counted {
            let help = "Dead letters, in and out, that nobody has tried again or dropped.";
            page.gauge("miniclaw_dead_letters", help, unfinished.dead);
        }
    }

    fn spool(&self, page: &mut Page) {
        let name = "miniclaw_spool_commit_seconds";
        page.head(
            name,
            "histogram",
            "How long commits of the spool take, by whether they wait for the disk.",
        );
        let commits = self.health.spool.commit_times();
        page.histogram(name, &[("synced", "true")], &commits.synced.snapshot());
        page.histogram(name, &[("synced", "false")], &commits.written.snapshot());
        let help = "Whether the spool took its last commit: 0 while the disk is full or read-only.";
        page.gauge(
            "miniclaw_spool_writable",
            help,
            u8::from(self.health.spool.trouble().is_none()),
        );
    }
}

fn counters(page: &mut Page, counters: &Counters) {
    for (name, help, count) in [
        (
            "miniclaw_messages_received_total",
            "Messages that channels handed over.",
            &counters.received,
        ),
        (
            "miniclaw_messages_journaled_total",
            "Messages that were accepted and made durable.",
            &counters.journaled,
        ),
        (
            "miniclaw_messages_duplicates_total",
            "Messages that were known already.",
            &counters.duplicates,
        ),
        (
            "miniclaw_messages_ignored_total",
            "Messages of strangers, empty and malformed ones.",
            &counters.ignored,
        ),
        (
            "miniclaw_messages_refused_total",
            "Messages that were too long, too old or too many.",
            &counters.refused,
        ),
        (
            "miniclaw_messages_turned_away_total",
            "Messages handed back because there was no room; their channel brings them again.",
            &counters.turned_away,
        ),
        (
            "miniclaw_messages_done_total",
            "Messages whose answer is durable.",
            &counters.done,
        ),
        (
            "miniclaw_messages_dead_total",
            "Messages that ended the process too often and became dead letters.",
            &counters.buried,
        ),
        (
            "miniclaw_replies_delivered_total",
            "Messages to a platform that it took.",
            &counters.delivered,
        ),
        (
            "miniclaw_replies_failed_total",
            "Attempts to send that failed and are repeated.",
            &counters.failed,
        ),
        (
            "miniclaw_replies_dead_total",
            "Messages to a platform that became dead letters.",
            &counters.dead,
        ),
    ] {
        page.counter(name, help, count.get());
    }
    let name = "miniclaw_turn_seconds";
    page.head(
        name,
        "histogram",
        "From a message being journaled to its answer being durable.",
    );
    page.histogram(name, &[], &counters.turn_time.snapshot());
    let name = "miniclaw_delivery_seconds";
    page.head(
        name,
        "histogram",
        "From a message being journaled to the platform taking a part of its answer.",
    );
    page.histogram(name, &[], &counters.delivery_time.snapshot());
}

/// Name, type, help, and the value of one instance.
type Row<'a> = (&'a str, &'a str, &'a str, &'a dyn Fn(&Vital) -> u64);

fn instances(page: &mut Page, vitals: &[Vital]) {
    let states = [
        "starting",
        "running",
        "paused",
        "backoff",
        "failed",
        "quarantined",
        "disabled",
        "stopped",
    ];
    let name = "miniclaw_instance_state";
    page.head(
        name,
        "gauge",
        "1 for the state that a channel or provider is in, 0 for the others.",
    );
    for vital in vitals {
        let is = vital.state.describe().0;
        for state in states {
            let labels = [("kind", kind(vital)), ("name", &*vital.name), ("state", state)];
            page.sample(name, &labels, u8::from(state == is));
        }
    }
    let up = |vital: &Vital| u64::from(matches!(vital.state, State::Running | State::Paused(_)));
    let rows: [Row<'_>; 3] = [
        (
            "miniclaw_instance_up",
            "gauge",
            "Whether a channel or provider runs.",
            &up,
        ),
        (
            "miniclaw_plugin_restarts_total",
            "counter",
            "Lives of an instance that followed on one that ended badly.",
            &|vital| vital.restarts,
        ),
        (
            "miniclaw_plugin_crashes_total",
            "counter",
            "Crashes and hangs of an instance.",
            &|vital| vital.crashes,
        ),
    ];
    for (name, kind_of, help, value) in rows {
        page.head(name, kind_of, help);
        for vital in vitals {
            page.sample(
                name,
                &[("kind", kind(vital)), ("name", &*vital.name)],
                value(vital),
            );
        }
    }
}

fn channels(page: &mut Page, vitals: &[Vital]) {
    let channels = || vitals.iter().filter(|vital| vital.kind == Kind::Channel);
    let name = "miniclaw_channel_receiving";
    page.head(
        name,
        "gauge",
        "Whether a channel hears people: it runs, and its platform is not down.",
    );
    for channel in channels() {
        page.sample(name, &[("channel", &*channel.name)], u8::from(channel.receives()));
    }
    let name = "miniclaw_channel_progress_age_seconds";
    page.head(
        name,
        "gauge",
        "How long ago a channel last heard its platform, where it tells that.",
    );
    for channel in channels() {
        if let Some(silent) = channel.silent {
            page.sample(name, &[("channel", &*channel.name)], silent.as_secs_f64());
        }
    }
}

fn kind(vital: &Vital) -> &'static str {
    match vital.kind {
        Kind::Provider => "provider",
        _ => "channel",
    }
}

/// What the kernel knows of this process, under the names that exporters of all languages use.
mod process {
    use std::sync::OnceLock;

    use super::Page;

    /// Said the same at every scrape, whatever happens to the clock: it changes with a restart alone.
    static STARTED: OnceLock<f64> = OnceLock::new();

    pub(super) fn write(page: &mut Page) {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name of the program may hold anything.
        let fields: Vec<u64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| {
                rest.split_whitespace()
                    .map(|field| field.parse().unwrap_or(0))
                    .collect()
            })
            .unwrap_or_default();
        let field = |at: usize| fields.get(at).copied().unwrap_or(0);
        let (ticks, size) = (
            rustix::param::clock_ticks_per_second(),
            rustix::param::page_size() as u64,
        );
        let (user, system, started, rss) = (field(11), field(12), field(19), field(21));
        let seconds = |of: u64| of as f64 / ticks.max(1) as f64;
        page.counter(
            "process_cpu_seconds_total",
            "Processor time in seconds.",
            seconds(user + system),
        );
        page.gauge(
            "process_resident_memory_bytes",
            "Resident memory in bytes.",
            rss * size,
        );
        page.gauge(
            "process_start_time_seconds",
            "Start of the process in seconds since 1970.",
            *STARTED.get_or_init(|| wall_time_at(seconds(started))),
        );
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            page.gauge("process_open_fds", "Open file descriptors.", files.count());
        }
        if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
            page.gauge("process_max_fds", "File descriptors that may be open.", most);
        }
    }

    /// In seconds since 1970, of a moment in seconds since the machine was started.
    fn wall_time_at(moment: f64) -> f64 {
        let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let up = up.tv_sec as f64 + up.tv_nsec as f64 / 1e9;
        crate::spool::wall_ms() as f64 / 1e3 - up + moment
    }
}
