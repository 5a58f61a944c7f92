//! The systemd unit, where there is one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Patient;
use super::finding::{Finding, shown};
use crate::config::{parse_duration, show_duration};

/// What systemd waits for by default.
const DEFAULT_STOP: Duration = Duration::from_secs(90);
/// After the gateway's own time a stop ends within a second.
const SPARE: Duration = Duration::from_secs(2);
const DEFAULT_SHUTDOWN: Duration = Duration::from_secs(10);

pub(super) fn check(patient: &Patient, findings: &mut Vec<Finding>) {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let user = home.map(|home| home.join(".config/systemd/user/miniclaw.service"));
    let system = [
        "/etc/systemd/system/miniclaw.service",
        "/usr/lib/systemd/system/miniclaw.service",
        "/lib/systemd/system/miniclaw.service",
    ];
    let found = user
        .into_iter()
        .chain(system.map(PathBuf::from))
        .find(|path| path.is_file());
    if let Some(path) = found {
        of_unit(patient, &path, findings);
    }
}

fn of_unit(patient: &Patient, path: &Path, findings: &mut Vec<Finding>) {
    let mut text = fs::read_to_string(path).unwrap_or_default();
    let mut dropped = path.as_os_str().to_owned();
    dropped.push(".d");
    for file in super::folders::files_in(Path::new(&dropped)) {
        text += &format!("\n{}", fs::read_to_string(file).unwrap_or_default());
    }
    let value = |key: &str| {
        let mut lines = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        lines.next_back().map(str::trim)
    };
    let place = shown(path);
    if matches!(value("Restart"), None | Some("no")) {
        let text = "a gateway that is killed or fails is not started again";
        findings.push(Finding::warning(
            "unit-restart",
            &place,
            text,
            "set `Restart=on-failure` in its [Service]",
        ));
    }
    let shutdown = patient
        .loaded
        .as_ref()
        .map(|loaded| loaded.config.gateway.shutdown_timeout);
    let shutdown = shutdown.unwrap_or(DEFAULT_SHUTDOWN);
    let stop = value("TimeoutStopSec").map_or(Some(DEFAULT_STOP), seconds);
    if stop.is_some_and(|stop| stop < shutdown + SPARE) {
        let (wanted, shutdown) = (show_duration(shutdown + SPARE), show_duration(shutdown));
        let text =
            format!("systemd kills the gateway before `gateway.shutdown_timeout` ({shutdown}) is over");
        let fix =
            format!("set `TimeoutStopSec={wanted}` or more in the unit, or lower `gateway.shutdown_timeout`");
        findings.push(Finding::warning("unit-stop-timeout", &place, text, fix));
    }
    let program = value("ExecStart").and_then(|line| line.split_whitespace().next());
    let program = program.map(|word| word.trim_start_matches(['-', '@', ':', '+', '!']));
    if let Some(program) = program.filter(|program| program.starts_with('/') && !Path::new(program).exists())
    {
        let text = format!("it starts {program}, which does not exist");
        let fix = "correct its `ExecStart=`, or run `miniclaw service install --force`";
        findings.push(Finding::error("unit-program", &place, text, fix));
    }
}

/// Of systemd's spans those that people write; `None` for `infinity` and whatever else is not bounded here.
fn seconds(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let text = text.replace("min", "m").replace("sec", "s");
    let parts = text.split_whitespace().map(parse_duration);
    parts.sum::<Option<Duration>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_systemd_are_read() {
        for (text, found) in [
            ("30", Some(30)),
            ("30s", Some(30)),
            ("1min 30s", Some(90)),
            ("infinity", None),
        ] {
            assert_eq!(seconds(text), found.map(Duration::from_secs), "{text}");
        }
    }
}
