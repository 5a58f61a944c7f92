//! What holds for the HTML of any Markdown.

use super::to_html;
use crate::TEXT_LIMIT;

/// Tags that Telegram knows and this writes.
const TAGS: [&str; 7] = ["b", "i", "s", "code", "pre", "blockquote", "a"];

/// Renders any text and checks the HTML.
pub fn markdown(data: &[u8]) {
    check(&String::from_utf8_lossy(data));
}

/// Panics where Telegram would refuse the HTML, or show nothing.
pub(super) fn check(markdown: &str) {
    if let Some(html) = to_html(markdown) {
        let text = visible(&html);
        assert!(text.encode_utf16().count() <= TEXT_LIMIT as usize, "{markdown:?}");
        assert!(!text.trim().is_empty(), "{markdown:?}");
    }
}

/// The visible text of `html`; panics where a tag is unknown or not balanced, or a character not escaped.
fn visible(html: &str) -> String {
    let (mut text, mut open, mut rest) = (String::new(), Vec::new(), html);
    while let Some(at) = rest.find(['<', '>', '&', '"']) {
        text.push_str(&rest[..at]);
        let special = &rest[at..];
        rest = if let Some(tag) = special.strip_prefix('<') {
            let Some((tag, after)) = tag.split_once('>') else {
                panic!("a tag without an end: {html}");
            };
            take_tag(tag, &mut open, html);
            after
        } else if let Some((entity, after)) = special.split_once(';') {
            text.push(character(entity, html));
            after
        } else {
            panic!("a character is not escaped: {html}");
        };
    }
    assert!(open.is_empty(), "{html}");
    text + rest
}

fn take_tag<'t>(tag: &'t str, open: &mut Vec<&'t str>, html: &str) {
    if let Some(name) = tag.strip_prefix('/') {
        assert_eq!(open.pop(), Some(name), "{html}");
        return;
    }
    let (name, attribute) = tag.split_once(' ').unwrap_or((tag, ""));
    assert!(TAGS.contains(&name), "{html}");
    let quotes = if attribute.is_empty() { 0 } else { 2 };
    assert_eq!(attribute.matches('"').count(), quotes, "{html}");
    assert!(!open.contains(&name), "{name} is inside itself: {html}");
    open.push(name);
}

fn character(entity: &str, html: &str) -> char {
    match entity {
        "&amp" => '&',
        "&lt" => '<',
        "&gt" => '>',
        "&quot" => '"',
        other => panic!("entity {other}: {html}"),
    }
}
