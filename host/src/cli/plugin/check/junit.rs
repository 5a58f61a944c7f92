//! A report as JUnit XML, as build servers read it.

use std::fmt::Write as _;
use std::path::Path;

use miniclaw_plugin_api::testkit::conformance::{Finding, Report};

pub(super) fn report(file: &Path, report: &Report) -> String {
    let count = |wanted: fn(&Finding) -> bool| {
        let stages = report.stages.iter();
        stages.filter(|stage| wanted(&stage.finding)).count()
    };
    let seconds = |millis: u64| format!("{}.{:03}", millis / 1000, millis % 1000);
    let suite = escaped(&file.to_string_lossy());
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "<testsuite name=\"{suite}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" errors=\"0\" time=\"{}\">",
        report.stages.len(),
        count(|finding| matches!(finding, Finding::Failed { .. })),
        count(|finding| matches!(finding, Finding::Skipped { .. })),
        seconds(report.stages.iter().map(|stage| stage.millis).sum()),
    );
    for stage in &report.stages {
        let (name, time) = (escaped(&stage.name), seconds(stage.millis));
        let _ = write!(
            text,
            "  <testcase classname=\"miniclaw.plugin.check\" name=\"{:02} {name}\" time=\"{time}\"",
            stage.number
        );
        let _ = match &stage.finding {
            Finding::Passed { .. } => writeln!(text, "/>"),
            Finding::Failed { what, fix } => {
                let (what, fix) = (escaped(what), escaped(fix));
                writeln!(
                    text,
                    "><failure message=\"{what}\">fix: {fix}</failure></testcase>"
                )
            }
            Finding::Skipped { why } => {
                writeln!(text, "><skipped message=\"{}\"/></testcase>", escaped(why))
            }
        };
    }
    text.push_str("</testsuite>\n");
    text
}

/// Text inside of XML, which has no room for most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            char if char.is_control() => out.push('\u{fffd}'),
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use miniclaw_plugin_api::testkit::conformance::Stage;

    use super::*;

    #[test]
    fn every_stage_is_a_case_and_no_text_breaks_the_xml() {
        let stage = |number, finding| Stage {
            number,
            name: "sends".to_owned(),
            millis: 1_042,
            finding,
        };
        let stages = vec![
            stage(1, Finding::Passed { note: String::new() }),
            stage(2, Finding::failed("a < \"b\" & \u{1b}[0m", "try\nagain")),
            stage(3, Finding::Skipped { why: "no".to_owned() }),
        ];
        let text = report(Path::new("lib<x>.so"), &Report { stages });
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuite name=\"lib&lt;x&gt;.so\" tests=\"3\" failures=\"1\" skipped=\"1\" errors=\"0\" time=\"3.126\">\n  \
             <testcase classname=\"miniclaw.plugin.check\" name=\"01 sends\" time=\"1.042\"/>\n  \
             <testcase classname=\"miniclaw.plugin.check\" name=\"02 sends\" time=\"1.042\"><failure message=\"a &lt; \
             &quot;b&quot; &amp; \u{fffd}[0m\">fix: try&#10;again</failure></testcase>\n  \
             <testcase classname=\"miniclaw.plugin.check\" name=\"03 sends\" time=\"1.042\"><skipped message=\"no\"/>\
             </testcase>\n</testsuite>\n"
        );
    }
}
