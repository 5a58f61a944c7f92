//! Fenced code blocks, <https://spec.commonmark.org/0.31.2/#fenced-code-blocks>; any indentation counts, since
//! models put blocks into lists.

/// A fenced code block in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fence<'t> {
    /// The opening line without its end, from the indentation on.
    pub(super) opening: &'t str,
    /// Indentation and marker: what closes the block.
    pub(super) closing: &'t str,
    /// Where the opening marker begins.
    pub(super) start: usize,
    /// Where the line after the opening one begins.
    pub(super) body: usize,
    /// After the last visible line of the body, or of the opening line where the body has none.
    pub(super) body_end: usize,
    /// After the closing marker; the end of the text where there is none.
    pub(super) end: usize,
    /// Whether the whole block fits into a chunk.
    pub(super) fits: bool,
}

/// All blocks of `text` in order.
pub(super) fn fences(text: &str) -> Vec<Fence<'_>> {
    let mut fences = Vec::new();
    let mut open: Option<Fence<'_>> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        let line = line.trim_end();
        match &mut open {
            Some(fence) if closes(line, fence) => {
                fence.end = at + line.len();
                fences.extend(open.take());
            }
            Some(fence) => {
                if !line.is_empty() {
                    fence.body_end = at + line.len();
                }
            }
            None => open = opens(line, at, next, text.len()),
        }
        at = next;
    }
    fences.extend(open);
    fences
}

/// What closes the block that `text` leaves open.
pub(super) fn left_open(text: &str) -> Option<&str> {
    let last = fences(text).pop()?;
    let closed = text[last.body..]
        .lines()
        .next_back()
        .is_some_and(|line| closes(line.trim_end(), &last));
    (last.end == text.len() && !closed).then_some(last.closing)
}

/// Whether what begins with `text`, perhaps indented, may be a fence.
pub(super) fn is_fence(text: &str) -> bool {
    marker(text.trim_start()).is_some()
}

fn opens(line: &str, at: usize, next: usize, text_end: usize) -> Option<Fence<'_>> {
    let indent = line.len() - line.trim_start().len();
    let marker = marker(&line[indent..])?;
    let info = &line[indent + marker..];
    // Backticks after backticks are code within a line.
    if line[indent..].starts_with('`') && info.contains('`') {
        return None;
    }
    Some(Fence {
        opening: line,
        closing: &line[..indent + marker],
        start: at + indent,
        body: next,
        body_end: at + line.len(),
        end: text_end,
        fits: false,
    })
}

fn closes(line: &str, fence: &Fence<'_>) -> bool {
    let line = line.trim_start();
    let opening = fence.closing.trim_start();
    marker(line).is_some_and(|length| length == line.len()) && line.starts_with(opening)
}

/// The length of the fence that `line` begins with.
fn marker(line: &str) -> Option<usize> {
    let first = line.chars().next().filter(|first| matches!(first, '`' | '~'))?;
    let length = line.len() - line.trim_start_matches(first).len();
    (length >= 3).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str) -> Vec<&str> {
        fences(text)
            .iter()
            .map(|fence| &text[fence.start..fence.end])
            .collect()
    }

    #[test]
    fn blocks_end_with_their_own_marker() {
        let text = "a\n````md\n```\nx\n```\n````\nb\n  ~~~\ny\n  ~~~\n```js\nz";
        assert_eq!(
            blocks(text),
            ["````md\n```\nx\n```\n````", "~~~\ny\n  ~~~", "```js\nz"]
        );
    }

    #[test]
    fn a_block_that_is_left_open_is_told_from_one_that_ends_the_text() {
        for (text, expected) in [
            ("a", None),
            ("```\nx\n```", None),
            ("```\nx\n```\n", None),
            ("```\nx\n``` ", None),
            ("a\n```", Some("```")),
            ("```rs\n", Some("```")),
            ("  ~~~~\nx\n~~~", Some("  ~~~~")),
            ("```\nx\n```\ny\n```js\nz", Some("```")),
        ] {
            assert_eq!(left_open(text), expected, "{text:?}");
        }
    }

    #[test]
    fn code_within_a_line_opens_nothing() {
        assert!(blocks("```x``` y\n``\n`` `").is_empty());
    }

    #[test]
    fn parts_of_a_block_are_found() {
        let text = "  ```rust  \r\n\r\nfn x\r\n\r\n  ```  \r\n";
        let fence = fences(text)[0];
        assert_eq!((fence.opening, fence.closing), ("  ```rust", "  ```"));
        assert_eq!(&text[fence.body..fence.body_end], "\r\nfn x");
        assert_eq!(&text[fence.body_end..fence.end], "\r\n\r\n  ```");
    }
}
