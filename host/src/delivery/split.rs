//! Long replies in chunks that a platform takes.

mod borders;
mod fences;
pub(crate) mod fuzzing;
mod ruler;
#[cfg(test)]
mod tests;

use std::ops::Range;

use miniclaw_plugin_api::TextUnit;

use self::borders::best_border;
use self::fences::{Fence, fences, is_fence, left_open};
use self::ruler::Ruler;

/// The least limit that lets every character through in every unit.
const LEAST_LIMIT: usize = 4;

/// White space that is looked through for what follows it, in characters.
const INDENT: usize = 64;

/// Puts a remark of the gateway's below what a model wrote, outside of a code block that this leaves open.
pub(crate) fn remarked(text: &str, remark: &str) -> String {
    let text = text.trim_end();
    if remark.is_empty() || text.is_empty() {
        return format!("{text}{remark}");
    }
    match left_open(text) {
        Some(closing) => format!("{text}\n{closing}\n\n{remark}"),
        None => format!("{text}\n\n{remark}"),
    }
}

/// Cuts `text` into chunks of at most `limit` units each; a limit of 0 is none, and one below 4 counts as 4.
///
/// *Shape*: in order, none empty or white space only; no chunk at all for a text that is white space only, and the
/// text as it is where it fits. Otherwise every chunk is a piece of the text, and between two pieces nothing is left
/// out but white space; the indentation of a line stays. A code block larger than a chunk is closed at the end of
/// one chunk and opened again, as it was, at the begin of the next: these lines are added, and where nothing but the
/// block's own closing fence is left, the added one replaces it.
///
/// *Borders*, best first, of those in the later half of the chunk: paragraph, line, sentence, word. Never inside a
/// code block that fits into a chunk; never inside a grapheme, unless that alone is over the limit or over 1 KiB, or
/// only its last white space is left out.
pub(crate) fn split(text: &str, limit: usize, unit: TextUnit) -> Vec<String> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let limit = if limit == 0 {
        usize::MAX
    } else {
        limit.max(LEAST_LIMIT)
    };
    // No unit is smaller than a byte.
    if text.len() <= limit || Ruler::new(text, unit).size(text) <= limit {
        return vec![text.to_owned()];
    }
    let text = text.trim_end();
    let splitter = Splitter::new(text, limit, unit);
    splitter.pieces().iter().map(|piece| piece.render(text)).collect()
}

/// A chunk as a part of the text, and the code block that goes on in it or beyond it.
struct Piece<'t> {
    range: Range<usize>,
    reopened: Option<Fence<'t>>,
    closed: Option<Fence<'t>>,
}

impl Piece<'_> {
    fn render(&self, text: &str) -> String {
        let mut chunk = String::new();
        if let Some(fence) = &self.reopened {
            chunk.extend([fence.opening, "\n"]);
        }
        chunk.push_str(&text[self.range.clone()]);
        if let Some(fence) = &self.closed {
            chunk.extend(["\n", fence.closing]);
        }
        chunk
    }
}

/// Where a chunk ends, and inside which block.
struct Cut<'t> {
    at: usize,
    inside: Option<Fence<'t>>,
}

struct Splitter<'t> {
    ruler: Ruler<'t>,
    /// Those that matter: they fit into a chunk, or their fences take at most a quarter of one, so that there is room
    /// for a part of them even in a chunk that begins with another block.
    fences: Vec<Fence<'t>>,
    limit: usize,
}

impl<'t> Splitter<'t> {
    /// `text` ends in no white space.
    fn new(text: &'t str, limit: usize, unit: TextUnit) -> Self {
        let ruler = Ruler::new(text, unit);
        let mut fences = fences(text);
        for fence in &mut fences {
            fence.fits = ruler.size(&text[fence.start..fence.end]) <= limit;
        }
        fences.retain(|fence| {
            let opening = ruler.size(&text[fence.start..fence.body]);
            let reopening = ruler.size(fence.opening) + 1;
            let closing = ruler.size(fence.closing) + 1;
            fence.fits || opening.max(reopening) + closing <= limit / 4
        });
        Self { ruler, fences, limit }
    }

    fn pieces(&self) -> Vec<Piece<'t>> {
        let text = self.ruler.text();
        let mut pieces = Vec::new();
        let mut start = self.ruler.skip_blank_lines(0);
        let mut open = None;
        while start < text.len() {
            let cut = self.cut(start, open);
            let length = text[start..cut.at].trim_end().len();
            if length == 0 {
                start = self.ruler.skip_white_space(cut.at);
            } else {
                pieces.push(Piece {
                    range: start..start + length,
                    reopened: open,
                    closed: cut.inside,
                });
                start = self.ruler.skip_blank_lines(cut.at);
            }
            open = cut.inside;
            if let Some(fence) = open
                && fence.body_end <= cut.at
            {
                // What is left of the block is its closing fence, which the chunk has.
                start = self.ruler.skip_blank_lines(fence.end);
                open = None;
            }
        }
        pieces
    }

    /// The end of the chunk that begins at `start`.
    fn cut(&self, start: usize, open: Option<Fence<'t>>) -> Cut<'t> {
        let reopening = open.map_or(0, |fence| self.ruler.size(fence.opening) + 1);
        let room = self.limit - reopening;
        let most = self.ruler.reach(start, room);
        let outside = |at| Cut { at, inside: None };
        if most == self.ruler.text().len() {
            return outside(most);
        }
        let half = self.ruler.reach(start, room / 2);
        match self.around(most) {
            None => {
                let allowed = |at| self.around(at).is_none() && !self.makes_fence(start, at);
                let border = best_border(&self.ruler, half..=most, allowed);
                outside(border.unwrap_or_else(|| self.last_resort(start, start, most)))
            }
            Some(fence) if fence.start > start && (fence.fits || fence.start >= half) => outside(fence.start),
            Some(fence) => {
                let closing = self.ruler.size(fence.closing) + 1;
                let most = self.ruler.reach(start, room - closing).min(fence.body_end);
                let first = self.ruler.skip_white_space(fence.body);
                let border = best_border(&self.ruler, half.max(first)..=most, |at| {
                    !self.makes_fence(start, at)
                });
                Cut {
                    at: border.unwrap_or_else(|| self.last_resort(start, first.max(start), most)),
                    inside: Some(fence),
                }
            }
        }
    }

    /// Whether a cut at `at`, within a line, makes a fence of what is none there: backticks in the middle of a line, which
    /// would begin the next chunk, or at the begin of a line that says more, which would end this one.
    fn makes_fence(&self, start: usize, at: usize) -> bool {
        let text = self.ruler.text();
        let after = text[at..]
            .chars()
            .take(INDENT)
            .find(|char| *char == '\n' || !char.is_whitespace());
        if after.is_none_or(|char| char == '\n') {
            return false;
        }
        let line = text[start..at].rfind('\n').map_or(start, |end| start + end + 1);
        is_fence(&text[at..]) || is_fence(&text[line..at])
    }

    /// Where to cut if there is no border: as late as can be.
    fn last_resort(&self, start: usize, first: usize, most: usize) -> usize {
        if !self.makes_fence(start, most) {
            return most;
        }
        let (mut at, mut best) = (first, most);
        while at < most {
            if at > first && self.around(at).is_none_or(|fence| !fence.fits) && !self.makes_fence(start, at) {
                best = at;
            }
            at += self.ruler.grapheme(at).len();
        }
        best
    }

    /// The block that `at` is strictly inside of.
    fn around(&self, at: usize) -> Option<Fence<'t>> {
        let after = self.fences.partition_point(|fence| fence.start < at);
        let fence = *self.fences.get(after.checked_sub(1)?)?;
        (at < fence.end).then_some(fence)
    }
}
