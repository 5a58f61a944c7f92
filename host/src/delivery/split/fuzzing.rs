//! What holds for the chunks of any text. It is used by tests, by the fuzz target and by `benches/split.rs`; no part of
//! the program.

use miniclaw_plugin_api::TextUnit;
use unicode_segmentation::UnicodeSegmentation;

use super::{Piece, Ruler, Splitter, fences, split as split_text};

/// Splits a text; the first two bytes give the limit, the third one the unit.
#[cfg(any(fuzzing, test))]
pub fn split(data: &[u8]) {
    let [low, high, unit, text @ ..] = data else {
        return;
    };
    let limit = 4 + usize::from(u16::from_le_bytes([*low, *high]) % 8192);
    let unit = match unit % 3 {
        0 => TextUnit::Utf16,
        1 => TextUnit::Chars,
        _ => TextUnit::Bytes,
    };
    check(&String::from_utf8_lossy(text), limit, unit);
}

/// Panics where a chunk breaks one of the promises of [`split_text`].
pub(crate) fn check(text: &str, limit: usize, unit: TextUnit) {
    let chunks = split_text(text, limit, unit);
    let ruler = Ruler::new(text, unit);
    for chunk in &chunks {
        assert!(ruler.size(chunk) <= limit, "{chunk:?}");
        assert!(!chunk.trim().is_empty(), "{chunk:?}");
    }
    assert_eq!(chunks.is_empty(), text.trim().is_empty());
    if chunks.len() > 1 {
        let text = text.trim_end();
        let splitter = Splitter::new(text, limit, unit);
        let pieces = splitter.pieces();
        rejoin(text, &pieces);
        // A block whose opening line leaves no room for a body is text, and its fences may be parted.
        if splitter.fences.len() == fences(text).len() && !has_endless_fence(text, limit) {
            pieces.iter().for_each(|piece| fenced(text, piece));
        }
        if limit >= 32 {
            spare(text, &splitter, &pieces);
        }
    }
}

/// The pieces are the text: between them only white space is left out, and a closing fence that an added one
/// replaces; a block that is closed at the end of a piece is opened again where it goes on.
pub(super) fn rejoin(text: &str, pieces: &[Piece<'_>]) {
    let mut end = 0;
    let mut before: Option<&Piece<'_>> = None;
    for piece in pieces {
        let gap = &text[end..piece.range.start];
        assert!(may_go(gap, before), "{gap:?}");
        let goes_on = before
            .and_then(|piece| piece.closed)
            .filter(|fence| piece.range.start < fence.end);
        let reopened = piece.reopened.map(|fence| fence.start);
        assert_eq!(reopened, goes_on.map(|fence| fence.start));
        end = piece.range.end;
        before = Some(piece);
    }
    assert!(may_go(&text[end..], before), "{:?}", &text[end..]);
}

/// Whether a line is a run of backticks that may fill a chunk, so that no cut leaves it as it is.
fn has_endless_fence(text: &str, limit: usize) -> bool {
    let runs = text.split(|char| char != '`' && char != '~');
    runs.map(str::len)
        .max()
        .is_some_and(|longest| longest > limit / 4)
}

/// A chunk that goes on with a block begins with its opening line, language and all; one that ends within a block ends
/// with its closing fence, and reads as a text whose last block ends there.
fn fenced(text: &str, piece: &Piece<'_>) {
    let chunk = piece.render(text);
    if let Some(fence) = piece.reopened {
        assert!(chunk.starts_with(&format!("{}\n", fence.opening)), "{chunk:?}");
    }
    if let Some(fence) = piece.closed {
        assert!(chunk.ends_with(&format!("\n{}", fence.closing)), "{chunk:?}");
        let last = fences(&chunk).pop().map(|last| (last.opening.trim(), last.end));
        assert_eq!(last, Some((fence.opening.trim(), chunk.len())), "{chunk:?}");
    }
}

/// Cuts are no cuts of a grapheme, nor of a code block that fits into a chunk; another block is closed where it is
/// cut.
pub(super) fn spare(text: &str, splitter: &Splitter<'_>, pieces: &[Piece<'_>]) {
    let mut borders: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
    borders.push(text.len());
    for piece in pieces {
        for at in [piece.range.start, piece.range.end] {
            let spared = borders.binary_search(&at).is_ok() || cannot_be_spared(splitter, &borders, at);
            assert!(spared, "{at}");
            assert!(splitter.around(at).is_none_or(|fence| !fence.fits), "{at}");
        }
        let inside = splitter.around(piece.range.end).map(|fence| fence.start);
        assert_eq!(piece.closed.map(|fence| fence.start), inside);
    }
}

/// Whether `at` is inside a grapheme that is too large, over a quarter of the limit or over 1 KiB, or that ends in white
/// space, which is left out at a cut: a letter of the Unicode class `Prepend` makes one grapheme with a space after it.
fn cannot_be_spared(splitter: &Splitter<'_>, borders: &[usize], at: usize) -> bool {
    let after = borders.partition_point(|border| *border <= at);
    let [Some(start), Some(end)] = [after.checked_sub(1), Some(after)].map(|index| borders.get(index?))
    else {
        return false;
    };
    let text = splitter.ruler.text();
    let grapheme = &text[*start..*end];
    grapheme.len() > 1024
        || splitter.ruler.size(grapheme) > splitter.limit / 4
        || text[at..*end].trim().is_empty()
}

/// Whether the text between two pieces is what may be left out.
fn may_go(gap: &str, before: Option<&Piece<'_>>) -> bool {
    let gap = gap.trim();
    let closed = before.and_then(|piece| piece.closed);
    gap.is_empty()
        || closed.is_some_and(|fence| {
            gap.starts_with(fence.closing.trim_start()) && gap.trim_matches(['`', '~']).is_empty()
        })
}
