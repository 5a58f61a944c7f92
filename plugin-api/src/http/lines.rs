//! Bytes to lines, whatever chunks they come in.

/// Longest line in bytes.
pub(super) const MAX_LINE_BYTES: usize = 1024 * 1024;

/// A line, or an event, is longer than [`MAX_LINE_BYTES`].
#[derive(Debug, PartialEq)]
pub(super) struct TooLong;

/// Cuts bytes into lines that end in LF, CR LF or CR. Memory: at most one line over the cap plus one chunk.
pub(super) struct LineSplitter {
    buffer: Vec<u8>,
    /// Where the current line begins.
    start: usize,
    /// Up to where the current line was searched for its end.
    searched: usize,
    /// The line before ended in CR, so that an LF that follows belongs to it.
    after_cr: bool,
    max: usize,
}

impl LineSplitter {
    pub(super) fn new(max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            after_cr: false,
            max,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete line without its end; bytes that are no UTF-8 become U+FFFD.
    pub(super) fn next(&mut self) -> Option<Result<String, TooLong>> {
        if self.after_cr && self.start < self.buffer.len() {
            self.after_cr = false;
            if self.buffer[self.start] == b'\n' {
                self.start += 1;
                self.searched = self.start;
            }
        }
        let end = self.buffer[self.searched..]
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'))
            .map(|offset| self.searched + offset);
        let length = end.unwrap_or(self.buffer.len()) - self.start;
        if length > self.max {
            return Some(Err(TooLong));
        }
        let Some(end) = end else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = String::from_utf8_lossy(&self.buffer[self.start..end]).into_owned();
        self.after_cr = self.buffer[end] == b'\r';
        self.start = end + 1;
        self.searched = self.start;
        Some(Ok(line))
    }

    /// What stands after the last line end, once no more bytes come; `None` where that is nothing.
    pub(super) fn finish(&mut self) -> Option<String> {
        let rest = self.buffer.split_off(self.start);
        self.buffer.clear();
        (self.start, self.searched) = (0, 0);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]], max: usize) -> Result<Vec<String>, TooLong> {
        let mut splitter = LineSplitter::new(max);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.push(chunk);
            while let Some(line) = splitter.next() {
                lines.push(line?);
            }
        }
        lines.extend(splitter.finish());
        Ok(lines)
    }

    #[test]
    fn all_three_line_ends_count_once() {
        let lines = split(&[b"a\r", b"\nb\rc\n\nd"], 10).unwrap();
        assert_eq!(lines, ["a", "b", "c", "", "d"]);
    }

    #[test]
    fn line_over_the_cap_is_refused_before_its_end_comes() {
        assert_eq!(split(&[b"12345", b"6"], 5), Err(TooLong));
        assert_eq!(split(&[b"123456\n"], 5), Err(TooLong));
        assert_eq!(split(&[b"12345\n"], 5).unwrap(), ["12345"]);
    }

    proptest! {
        #[test]
        fn chunk_borders_change_nothing(text in "[a\u{e4}\u{1f600}\r\n]{0,60}", size in 1usize..7) {
            let whole = split(&[text.as_bytes()], 1000).unwrap();
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(&split(&chunks, 1000).unwrap(), &whole);
            let plain = text.replace("\r\n", "\n").replace('\r', "\n");
            let mut expected: Vec<&str> = plain.split('\n').collect();
            expected.pop_if(|last| last.is_empty());
            prop_assert_eq!(whole, expected);
        }
    }
}
