//! Measures a text by graphemes and in the platform's unit.

use miniclaw_plugin_api::TextUnit;
use unicode_segmentation::UnicodeSegmentation;

/// Graphemes that are longer in bytes count as several: an endless pile of accents costs no more time than a text.
const LONGEST_GRAPHEME: usize = 1024;

pub(super) struct Ruler<'t> {
    text: &'t str,
    unit: TextUnit,
}

impl<'t> Ruler<'t> {
    pub(super) fn new(text: &'t str, unit: TextUnit) -> Self {
        Self { text, unit }
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Units of `part`.
    pub(super) fn size(&self, part: &str) -> usize {
        match self.unit {
            TextUnit::Utf16 => part.chars().map(char::len_utf16).sum(),
            TextUnit::Chars => part.chars().count(),
            _ => part.len(),
        }
    }

    /// The grapheme at `at`, which is its begin and not the end of the text.
    pub(super) fn grapheme(&self, at: usize) -> &'t str {
        // Between two ASCII characters there is always a border, but for CR LF.
        if let [first, second, ..] = &self.text.as_bytes()[at..]
            && first.is_ascii()
            && second.is_ascii()
            && *first != b'\r'
        {
            return &self.text[at..=at];
        }
        let end = self.text.floor_char_boundary(at + LONGEST_GRAPHEME);
        let part = &self.text[at..end];
        part.graphemes(true).next().unwrap_or(part)
    }

    /// The last grapheme border that is at most `room` units after `from`. Where the first grapheme is larger, a
    /// border of its characters, and in any case one after `from`.
    pub(super) fn reach(&self, from: usize, room: usize) -> usize {
        let mut at = from;
        let mut left = room;
        while at < self.text.len() {
            let grapheme = self.grapheme(at);
            match left.checked_sub(self.size(grapheme)) {
                Some(rest) => left = rest,
                None if at == from => return from + self.first_characters(grapheme, room),
                None => break,
            }
            at += grapheme.len();
        }
        at
    }

    /// Bytes of as many characters as there is room for, at least one.
    fn first_characters(&self, grapheme: &str, room: usize) -> usize {
        let (mut end, mut used) = (0, 0);
        for char in grapheme.chars() {
            let next = end + char.len_utf8();
            used += self.size(&grapheme[end..next]);
            if end > 0 && used > room {
                break;
            }
            end = next;
        }
        end
    }

    /// Passes over blank lines: the begin of the first line after `from` with something visible on it, or that
    /// thing itself where it is on the line of `from`; the end of the text where there is none.
    pub(super) fn skip_blank_lines(&self, from: usize) -> usize {
        let mut line = None;
        let mut at = from;
        while at < self.text.len() {
            let grapheme = self.grapheme(at);
            if !is_white(grapheme) {
                return line.unwrap_or(at);
            }
            at += grapheme.len();
            if grapheme.ends_with('\n') {
                line = Some(at);
            }
        }
        at
    }

    /// The first visible thing from `from` on; the end of the text where there is none.
    pub(super) fn skip_white_space(&self, from: usize) -> usize {
        let mut at = from;
        while at < self.text.len() {
            let grapheme = self.grapheme(at);
            if !is_white(grapheme) {
                break;
            }
            at += grapheme.len();
        }
        at
    }
}

/// Whether nothing of it is visible; a space under an accent is.
pub(super) fn is_white(grapheme: &str) -> bool {
    grapheme.chars().all(char::is_whitespace)
}
