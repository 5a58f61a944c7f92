//! Rows of tables with more cells than columns: parsers drop what is beyond, such as half of `` `x|y` ``.

use std::borrow::Cow;

use pulldown_cmark::{Event, Options, Parser, Tag};

/// The text with escapes before the pipes of such rows that separate nothing.
pub(super) fn escaped(markdown: &str, options: Options) -> Cow<'_, str> {
    if !markdown.contains('|') {
        return Cow::Borrowed(markdown);
    }
    let (mut columns, mut excess) = (0, Vec::new());
    for (event, range) in Parser::new_ext(markdown, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Table(list)) => columns = list.len(),
            Event::Start(Tag::TableRow) => {
                let found = excess_pipes(&markdown[range.clone()], columns);
                excess.extend(found.into_iter().map(|at| range.start + at));
            }
            _ => {}
        }
    }
    if excess.is_empty() {
        return Cow::Borrowed(markdown);
    }
    let (mut text, mut done) = (String::with_capacity(markdown.len() + excess.len()), 0);
    for at in excess {
        text.push_str(&markdown[done..at]);
        text.push('\\');
        done = at;
    }
    text.push_str(&markdown[done..]);
    Cow::Owned(text)
}

/// Where the pipes of a row are that are one too many, in order: those in code first of all, then the last ones.
fn excess_pipes(row: &str, columns: usize) -> Vec<usize> {
    let separators = separators(row);
    if separators.len() < columns {
        return Vec::new();
    }
    let (mut excess, plain): (Vec<_>, Vec<_>) = separators.into_iter().partition(|(_, in_code)| *in_code);
    excess.extend(plain.into_iter().skip(columns.saturating_sub(1)));
    excess.sort_unstable();
    excess.into_iter().map(|(at, _)| at).collect()
}

/// The pipes between cells, and whether they stand in code.
fn separators(row: &str) -> Vec<(usize, bool)> {
    let bytes = row.as_bytes();
    let code = code_spans(bytes);
    let is_first = |at: usize| row[..at].trim().is_empty();
    let is_last = |at: usize| row[at + 1..].trim().is_empty();
    let pipes = (0..bytes.len()).filter(|at| bytes[*at] == b'|' && (*at == 0 || bytes[at - 1] != b'\\'));
    pipes
        .filter(|at| !is_first(*at) && !is_last(*at))
        .map(|at| (at, code.iter().any(|(start, end)| (*start..*end).contains(&at))))
        .collect()
}

/// Begin and end of what stands between runs of as many backticks.
fn code_spans(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in (0..bytes.len()).filter(|at| bytes[*at] == b'`') {
        match runs.last_mut() {
            Some((start, length)) if *start + *length == at => *length += 1,
            _ => runs.push((at, 1)),
        }
    }
    let (mut spans, mut next) = (Vec::new(), 0);
    while let Some((start, length)) = runs.get(next) {
        let rest = &runs[next + 1..];
        next += 1;
        if let Some(closing) = rest.iter().position(|(_, other)| other == length) {
            spans.push((*start, rest[closing].0));
            next += closing + 1;
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TEXT_LIMIT;
    use crate::markdown::to_html;

    #[test]
    fn pipes_that_separate_nothing_are_told_from_those_that_do() {
        for (row, columns, expected) in [
            ("| `x|y` | 1 |", 2, vec![4]),
            ("1 | `x|y`", 2, vec![6]),
            ("| ``x|`|y`` |", 1, vec![5, 7]),
            ("| a | b | c |", 2, vec![8]),
            ("| `x|y` | a | b |", 2, vec![4, 12]),
            ("| `x|y` |", 2, vec![]),
            (r"| `x\|y` | 1 |", 2, vec![]),
            ("| ` | 1 |", 2, vec![]),
            ("| ä | b |", 2, vec![]),
            ("|", 1, vec![]),
        ] {
            assert_eq!(excess_pipes(row, columns), expected, "{row}");
        }
    }

    #[test]
    fn cell_with_a_pipe_in_code_keeps_all_of_it() {
        for (row, expected) in [
            ("| `x|y` | 1 |", "x|y | 1"),
            ("| 1 | `x|y` |", "1 | x|y"),
            ("| 1 | 2 | 3 |", "1 | 2 | 3"),
        ] {
            let html = to_html(&format!("> | a | b |\n> |---|---|\n> {row}"), TEXT_LIMIT).unwrap();
            assert!(html.contains(expected), "{html}");
        }
    }
}
