//! What holds for any stream of a model server.

use super::lines::{LineSplitter, TooLong};
use super::sse::{Event, EventParser};

/// Reads bytes as lines and as events. The first byte says how large the chunks are in which they come, the
/// second how long a line may be.
pub fn sse(data: &[u8]) {
    let [size, longest, stream @ ..] = data else {
        return;
    };
    let chunks: Vec<&[u8]> = stream.chunks(usize::from(*size).max(1)).collect();
    let longest = usize::from(*longest);
    assert_eq!(lines(&chunks, longest), lines(&[stream], longest));
    assert_eq!(events(&chunks), events(&[stream]));
    if let (plain, None) = lines(&[stream], usize::MAX) {
        assert_eq!(plain, by_the_standard_library(stream));
    }
}

/// All lines until one is too long.
fn lines(chunks: &[&[u8]], longest: usize) -> (Vec<String>, Option<TooLong>) {
    let mut splitter = LineSplitter::new(longest);
    let mut lines = Vec::new();
    for chunk in chunks {
        splitter.push(chunk);
        while let Some(line) = splitter.next() {
            match line {
                Ok(line) => lines.push(line),
                Err(error) => return (lines, Some(error)),
            }
        }
    }
    lines.extend(splitter.finish());
    (lines, None)
}

/// All events until one is too long.
fn events(chunks: &[&[u8]]) -> (Vec<Event>, Option<TooLong>) {
    let mut parser = EventParser::new();
    let mut events = Vec::new();
    for chunk in chunks {
        parser.push(chunk);
        while let Some(event) = parser.next() {
            match event {
                Ok(event) => events.push(event),
                Err(error) => return (events, Some(error)),
            }
        }
    }
    match parser.finish() {
        Some(Ok(event)) => events.push(event),
        Some(Err(error)) => return (events, Some(error)),
        None => {}
    }
    (events, None)
}

fn by_the_standard_library(stream: &[u8]) -> Vec<String> {
    // A line end is one byte of ASCII, so that no invalid sequence goes over it.
    let text = String::from_utf8_lossy(stream);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    lines.pop_if(|last| last.is_empty());
    lines
}
