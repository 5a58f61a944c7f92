//! Where a text is best cut.

use std::ops::RangeInclusive;

use super::ruler::{Ruler, is_white};

/// White space is looked at in portions of so many graphemes, so that a long run of it costs no more than a text.
const LOOK_AHEAD: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Border {
    Word,
    Sentence,
    Line,
    Paragraph,
}

/// The last of the best borders within `range`, whose begin is a grapheme border; only those that are `allowed`.
pub(super) fn best_border(
    ruler: &Ruler<'_>,
    range: RangeInclusive<usize>,
    allowed: impl Fn(usize) -> bool,
) -> Option<usize> {
    let text = ruler.text();
    let mut best: Option<(Border, usize)> = None;
    let mut consider = |border: Border, at: usize| {
        if best.is_none_or(|(other, _)| other <= border) && range.contains(&at) && allowed(at) {
            best = Some((border, at));
        }
    };
    let mut at = *range.start();
    while at < text.len() && at <= *range.end() {
        let grapheme = ruler.grapheme(at);
        if is_white(grapheme) {
            let (lines, after) = white_space(ruler, at);
            let border = match lines {
                0 if ends_sentence(&text[..at]) => Border::Sentence,
                0 => Border::Word,
                1 => Border::Line,
                _ => Border::Paragraph,
            };
            consider(border, at);
            at = after;
        } else {
            at += grapheme.len();
            match grapheme {
                "。" | "！" | "？" => consider(Border::Sentence, at),
                "、" | "，" | "；" | "：" => consider(Border::Word, at),
                _ => {}
            }
        }
    }
    best.map(|(_, at)| at)
}

/// Line breaks, up to two of them, in the white space at `at`, and where the look at it ended.
fn white_space(ruler: &Ruler<'_>, at: usize) -> (usize, usize) {
    let (mut lines, mut after) = (0, at);
    for _ in 0..LOOK_AHEAD {
        if after == ruler.text().len() {
            break;
        }
        let grapheme = ruler.grapheme(after);
        if !is_white(grapheme) {
            break;
        }
        after += grapheme.len();
        lines += usize::from(grapheme.ends_with('\n'));
        if lines == 2 {
            break;
        }
    }
    (lines, after)
}

fn ends_sentence(text: &str) -> bool {
    // Few closing signs follow each other.
    let mut last = text
        .chars()
        .rev()
        .take(4)
        .skip_while(|char| ")]\"'*_`”’»".contains(*char));
    last.next().is_some_and(|char| ".!?…。！？".contains(char))
}
