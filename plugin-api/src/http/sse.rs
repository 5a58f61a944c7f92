//! Lines to server-sent events, after <https://html.spec.whatwg.org/multipage/server-sent-events.html>, as far as
//! model servers use them: `id` and `retry` are passed over.

use super::lines::{LineSplitter, MAX_LINE_BYTES, TooLong};

/// A server-sent event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; empty where the server gives none.
    pub name: String,
    /// The `data` lines, joined by line breaks; never empty of lines, though perhaps of text.
    pub data: String,
}

impl Event {
    /// Whether this is the `[DONE]` with which servers in OpenAI's manner end a stream.
    pub fn is_done(&self) -> bool {
        self.data.trim() == "[DONE]"
    }
}

/// Cuts bytes into events.
///
/// Laxer than the standard at the end of the stream: an event whose blank line is missing counts.
pub(super) struct EventParser {
    lines: LineSplitter,
    first: bool,
    name: String,
    data: Option<String>,
}

impl EventParser {
    pub(super) fn new() -> Self {
        Self {
            lines: LineSplitter::new(MAX_LINE_BYTES),
            first: true,
            name: String::new(),
            data: None,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    pub(super) fn next(&mut self) -> Option<Result<Event, TooLong>> {
        loop {
            match self.lines.next()? {
                Ok(line) => match self.line(&line) {
                    Ok(None) => {}
                    Ok(Some(event)) => return Some(Ok(event)),
                    Err(error) => return Some(Err(error)),
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The event that the end of the stream completes.
    pub(super) fn finish(&mut self) -> Option<Result<Event, TooLong>> {
        if let Some(line) = self.lines.finish()
            && let Err(error) = self.line(&line)
        {
            return Some(Err(error));
        }
        self.dispatch().map(Ok)
    }

    fn line(&mut self, line: &str) -> Result<Option<Event>, TooLong> {
        let first = std::mem::take(&mut self.first);
        let line = if first {
            line.trim_start_matches('\u{feff}')
        } else {
            line
        };
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                let data = match &mut self.data {
                    Some(data) => {
                        data.push('\n');
                        data
                    }
                    none => none.insert(String::new()),
                };
                data.push_str(value);
                if data.len() > MAX_LINE_BYTES {
                    return Err(TooLong);
                }
            }
            "event" => value.clone_into(&mut self.name),
            // A line that begins with a colon is a comment: its field is empty.
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        self.data.take().map(|data| Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(chunks: &[&[u8]]) -> Result<Vec<Event>, TooLong> {
        let mut parser = EventParser::new();
        let mut events = Vec::new();
        for chunk in chunks {
            parser.push(chunk);
            while let Some(event) = parser.next() {
                events.push(event?);
            }
        }
        if let Some(event) = parser.finish() {
            events.push(event?);
        }
        Ok(events)
    }

    fn data(chunks: &[&[u8]]) -> Vec<String> {
        parse(chunks)
            .unwrap()
            .into_iter()
            .map(|event| event.data)
            .collect()
    }

    #[test]
    fn data_lines_join_and_comments_vanish() {
        let stream = b"\xef\xbb\xbf: keep-alive\r\n\r\ndata: one\r\ndata:two\r\nid: 7\r\nretry: 3\r\n\r\n\r\ndata\r\n\r\n";
        assert_eq!(data(&[stream]), ["one\ntwo", ""]);
    }

    #[test]
    fn event_has_its_name_and_the_next_one_does_not() {
        let events = parse(&[b"event: error\ndata: {}\n\nevent: ping\n\ndata: [DONE]\n\n"]).unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!(events[0].name, "error");
        assert_eq!(events[1].name, "");
        assert!(events[1].is_done() && !events[0].is_done());
    }

    #[test]
    fn last_event_counts_without_its_blank_line() {
        assert_eq!(data(&[b"data: a\n\ndata: [DONE]"]), ["a", "[DONE]"]);
        assert_eq!(data(&[b"data: a\n\ndata: b\n"]), ["a", "b"]);
    }

    #[test]
    fn event_of_many_lines_is_bounded_too() {
        let line = format!("data: {}\n", "x".repeat(600_000));
        assert_eq!(parse(&[line.as_bytes(), line.as_bytes()]), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            stream in "(data: [a\u{e4}\u{1f600}]{0,5}|:x|event: e|data|\u{feff}|other){0,1}(\r\n|\n|\r|\n\n){1,2}",
            tail in "(data: \u{1f600}[a\u{e4}]{0,4}(\r\n|\n|\r){1,2}){0,4}",
            size in 1usize..9,
        ) {
            let text = stream + &tail;
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(parse(&chunks).unwrap(), parse(&[text.as_bytes()]).unwrap());
        }
    }
}
