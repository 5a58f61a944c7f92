//! `miniclaw onboard`: the first configuration, asked for or by options.

mod ask;
mod files;
mod plan;
mod trial;

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::PathBuf;

use serde_json::{Value, json};

use self::files::Written;
use self::plan::Plan;
use self::trial::{Test, Trial, Verdict};
use super::args::{Global, OnboardArgs};
use super::config::BAD_CONFIG;
use super::{Failure, Outcome, setup};
use crate::config::{self, Loaded, Place};

/// Asks, with a check and a try of each answer, and writes last: what fails or is broken off leaves nothing behind.
///
/// # Errors
/// 1 where a configuration is there, where a secret is refused, or where something cannot be written; 2 where nobody
/// can be asked; 78 for answers that make no configuration.
pub(super) fn run(global: &Global, args: &OnboardArgs) -> Outcome {
    let sources = setup::sources(global, &[]);
    let place = config::place(&sources).map_err(|errors| Failure::new(BAD_CONFIG, errors))?;
    free(&place, args.force)?;
    let known = super::every_known_plugin(&place.home);
    let mut plan = Plan::of(args, &place, &known)?;
    let mut trial = Trial::new(global, &sources, &known, args.offline);
    if !args.yes {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::new(
                2,
                "there is no terminal to ask on; give --yes, and the rest by options (`miniclaw onboard --help`)",
            ));
        }
        ask::complete(&mut plan, args, &mut trial)?;
    }
    let (loaded, tests) = trial.over(&plan)?;
    if let Some(test) = tests.iter().find(|test| test.verdict == Verdict::Refused) {
        return Err(Failure::new(1, format!("{test}\nnothing was written")));
    }
    let written = files::write(&place, &plan, &loaded)?;
    let report = Report {
        place: &place,
        written,
        tests,
        next: next(global, &place),
        notes: notes(&loaded, &known),
    };
    let text = match args.output.json {
        true => format!("{:#}\n", report.json()),
        false => report.text(),
    };
    setup::print(&text, 0)
}

/// # Errors
/// Where there is a configuration that is to stay.
fn free(place: &Place, force: bool) -> Result<(), Failure> {
    let file = &place.file;
    match std::fs::symlink_metadata(file) {
        Ok(_) if force => Ok(()),
        Ok(_) => Err(Failure::new(
            1,
            format!(
                "{} exists and stays as it is; --force puts a new one in its place and keeps it as {}",
                file.display(),
                files::backup(file).display()
            ),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(
            1,
            format!("cannot look at {}: {error}", file.display()),
        )),
    }
}

/// The command that starts the gateway with what was written.
fn next(global: &Global, place: &Place) -> String {
    let mut command = format!("miniclaw gateway{}", setup::place_options(global));
    let elsewhere = place.file != place.home.join("config.json");
    if elsewhere && global.config.is_none() {
        let _ = write!(command, " --config {}", config::for_shell(&place.file));
    }
    command
}

/// What is left to do for people who want to write.
fn notes(loaded: &Loaded, known: &[config::KnownPlugin]) -> Vec<String> {
    let mut notes = loaded.doubts(known);
    for (name, channel) in &loaded.config.channels {
        if channel.pairing && channel.allow_from.is_empty() {
            notes.push(format!(
                "whoever writes to `{name}` gets a code; `miniclaw pairing approve CODE` lets them in"
            ));
        }
        if channel.plugin == plan::WEBCHAT {
            notes.push("`miniclaw web` prints the address of the web chat".into());
        }
    }
    if loaded.config.channels.is_empty() {
        notes.push("there is no channel yet, so nobody can write: say yes to the web chat, or give a Telegram token, with --force".into());
    }
    if loaded.config.provider == plan::ECHO {
        notes.push("the provider `echo` repeats what it is told; `--provider` names one that thinks".into());
    }
    notes
}

/// What was done.
struct Report<'a> {
    place: &'a Place,
    written: Vec<(PathBuf, Written)>,
    tests: Vec<Test>,
    next: String,
    notes: Vec<String>,
}

impl Report<'_> {
    fn json(&self) -> Value {
        let files = self
            .written
            .iter()
            .map(|(path, written)| json!({ "path": path.display().to_string(), "state": written.word() }));
        let tests = self
            .tests
            .iter()
            .map(|test| json!({ "what": test.what, "ok": test.verdict == Verdict::Good, "text": test.text }));
        json!({
            "config": self.place.file.display().to_string(),
            "files": files.collect::<Vec<_>>(),
            "tests": tests.collect::<Vec<_>>(),
            "notes": self.notes,
            "next": self.next,
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (path, written) in &self.written {
            let _ = writeln!(text, "{}: {}", written.word(), path.display());
        }
        for test in &self.tests {
            let _ = writeln!(text, "{test}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        let _ = writeln!(text, "\nStart it:\n  {}", self.next);
        text
    }
}
