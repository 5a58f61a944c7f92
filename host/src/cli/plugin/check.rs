//! `miniclaw plugin check`: the conformance kit, with the library's code in a child process.

mod child;
mod file;
mod junit;

use std::path::Path;
use std::time::Instant;

use miniclaw_plugin_api::Kind;
use miniclaw_plugin_api::testkit::conformance::{self, Finding, Report, Stage};
use serde_json::{Map, Value, json};

use self::child::{Order, run_stages};
use super::super::args::CheckArgs;
use super::super::{Failure, Outcome, setup};
use super::given;
use super::scratch::Scratch;
use super::show::pretty;
use crate::plugins::inspect::ManifestInfo;

pub(crate) use child::child;

/// Checks a library and prints what was found.
///
/// # Errors
/// Status 2 for settings that the plugin's own schema refuses, 1 where the result cannot be written.
pub(crate) fn run(args: &CheckArgs) -> Outcome {
    let settings = given::settings(&args.settings)?;
    let mut checked = Checked::new(args.output.json);
    checked.library(args, settings)?;
    if let Some(path) = &args.junit {
        let text = junit::report(&args.file, &checked.report);
        std::fs::write(path, text)
            .map_err(|error| Failure::new(1, format!("cannot write {}: {error}", path.display())))?;
    }
    let status = u8::from(!checked.report.passed());
    setup::print(&checked.end(&args.file), status)
}

/// What was found so far.
struct Checked {
    as_json: bool,
    manifest: Option<ManifestInfo>,
    report: Report,
}

impl Checked {
    fn new(as_json: bool) -> Self {
        Self {
            as_json,
            manifest: None,
            report: Report::default(),
        }
    }

    fn library(&mut self, args: &CheckArgs, settings: Map<String, Value>) -> Result<(), Failure> {
        let started = Instant::now();
        let [first, second] = file::look(&args.file, &mut self.manifest);
        self.take(1, started, first);
        self.take(2, started, second);
        let Some(kind) = self.kind_of_sound() else {
            self.skip_from(3, "the file cannot be used, see above");
            return Ok(());
        };
        if let Some(manifest) = &self.manifest {
            file::fits(&manifest.schema, &settings).map_err(|text| Failure::new(2, text))?;
        }
        let started = Instant::now();
        self.take(3, started, file::trial(&args.file));
        if self.failed() {
            self.skip_from(4, "the library cannot be loaded, see above");
            return Ok(());
        }
        let scratch = Scratch::new("check").map_err(|error| Failure::chain(1, &error))?;
        let order = Order {
            from: *conformance::STAGES.start(),
            settings: settings.into(),
            chat: args.chat.clone(),
            timeout: args.timeout,
            data_dir: scratch.path().to_owned(),
        };
        run_stages(&args.file, kind, order, &mut |stage| self.put(stage));
        Ok(())
    }

    /// The kind of a plugin whose file and manifest have passed.
    fn kind_of_sound(&self) -> Option<Kind> {
        self.manifest
            .as_ref()
            .filter(|_| !self.failed())
            .map(|manifest| manifest.kind)
    }

    fn failed(&self) -> bool {
        !self.report.passed()
    }

    fn skip_from(&mut self, first: u32, why: &str) {
        for number in first..=*conformance::STAGES.end() {
            self.take(number, Instant::now(), Finding::Skipped { why: why.to_owned() });
        }
    }

    fn take(&mut self, number: u32, started: Instant, finding: Finding) {
        let kind = self
            .manifest
            .as_ref()
            .map_or(Kind::Channel, |manifest| manifest.kind);
        self.put(Stage {
            number,
            name: conformance::name(kind, number).to_owned(),
            millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            finding,
        });
    }

    /// Shows a stage as soon as it is done.
    fn put(&mut self, stage: Stage) {
        if !self.as_json {
            // What cannot be printed here shows at the end.
            drop(setup::print(&stage.to_string(), 0));
        }
        self.report.stages.push(stage);
    }

    fn end(&self, file: &Path) -> String {
        let count = |wanted: fn(&Finding) -> bool| {
            let stages = self.report.stages.iter();
            stages.filter(|stage| wanted(&stage.finding)).count()
        };
        let failed = count(|finding| matches!(finding, Finding::Failed { .. }));
        let skipped = count(|finding| matches!(finding, Finding::Skipped { .. }));
        let passed = self.report.stages.len() - failed - skipped;
        if self.as_json {
            let manifest = self.manifest.as_ref();
            return pretty(&json!({
                "file": file.to_string_lossy(),
                "plugin": manifest.map(|manifest| &manifest.name),
                "version": manifest.map(|manifest| &manifest.version),
                "kind": manifest.map(ManifestInfo::kind_name),
                "passed": failed == 0,
                "stages": self.report.stages,
            }));
        }
        format!("{passed} passed, {failed} failed, {skipped} skipped\n")
    }
}
