//! What a process writes, line by line.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::watched::{DEADLINE, Watched};

/// One stream of a process, read by a thread of its own.
pub(super) struct Output {
    lines: Arc<Watched<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    pub(super) fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Watched::new(Vec::new()));
        let sink = lines.clone();
        let reader = std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                sink.change(|lines| lines.push(text));
                line.clear();
            }
        });
        Self {
            lines,
            reader: Some(reader),
        }
    }

    pub(super) fn text(&self) -> String {
        self.lines.lock().join("\n")
    }

    /// All of it, after the process has ended.
    pub(super) fn complete(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading does not panic");
        }
        self.text()
    }

    pub(super) fn lines_with(&self, needle: &str) -> Vec<String> {
        matching(&self.lines.lock(), needle)
    }

    pub(super) fn wait_for_lines(&self, needle: &str, n: usize) -> Option<Vec<String>> {
        self.lines.wait(DEADLINE, |lines| {
            let found = matching(lines, needle);
            (found.len() >= n).then_some(found)
        })
    }
}

fn matching(lines: &[String], needle: &str) -> Vec<String> {
    let needle = needle.to_lowercase();
    lines
        .iter()
        .filter(|line| line.to_lowercase().contains(&needle))
        .cloned()
        .collect()
}
