//! Markdown, as models write it, in the HTML that Telegram takes.
//!
//! Telegram knows few tags (<https://core.telegram.org/bots/api#html-style>, read 2026-11), so that headings
//! become bold lines, list items get their bullets as text, and tables become columns or lists. HTML in the
//! input is text like any other, but for `<br>`. A text that is still being written is one that ends early: a
//! code block that is not closed goes to the end.

mod events;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod link;
mod pipes;
mod spoiler;
mod table;
mod writer;

use pulldown_cmark::{Options, Parser, TextMergeStream};

use events::{Form, Renderer};

const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_GFM);

/// The HTML for `markdown`; `None` where the text is better sent as it stands, because nothing of it would be
/// visible, or more than `limit` UTF-16 units in every form: a list of empty items and a table of narrow columns
/// grow when they are shown.
pub(crate) fn to_html(markdown: &str, limit: u32) -> Option<String> {
    let markdown = pipes::escaped(settled(markdown), OPTIONS);
    [Form::Full, Form::Compact]
        .into_iter()
        .find_map(|form| render(&markdown, form, limit as usize))
}

fn render(markdown: &str, form: Form, limit: usize) -> Option<String> {
    let mut renderer = Renderer::new(form);
    for event in TextMergeStream::new(Parser::new_ext(markdown, OPTIONS)) {
        renderer.event(event);
        if renderer.visible_units() > limit {
            return None;
        }
    }
    renderer.finish()
}

/// The text without a last line that would make a heading of the paragraph before it, and is only the begin of
/// a list or of a rule.
fn settled(markdown: &str) -> &str {
    let text = markdown.trim_end();
    match text.rsplit_once('\n') {
        Some((before, last)) if matches!(last.trim(), "-" | "--" | "=") && !before.trim().is_empty() => {
            before
        }
        _ => markdown,
    }
}

#[cfg(test)]
mod tests;
