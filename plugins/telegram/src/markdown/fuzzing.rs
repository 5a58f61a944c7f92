//! What holds for the HTML of any Markdown: Telegram takes it, by the rules that the Bot API of the tests has.

#[path = "../../../../tests/src/fake_telegram/html.rs"]
mod html;

use super::to_html;
use crate::{CAPTION_LIMIT, TEXT_LIMIT};

/// Beyond so many entities Telegram drops markup in silence, and addresses with it.
const ENTITY_LIMIT: usize = 100;

/// Renders any text and checks the HTML.
pub fn markdown(data: &[u8]) {
    check(&String::from_utf8_lossy(data));
}

/// Panics where Telegram would refuse the HTML, show nothing, or leave something out.
pub(super) fn check(markdown: &str) {
    for limit in [TEXT_LIMIT, CAPTION_LIMIT] {
        let Some(html) = to_html(markdown, limit) else {
            continue;
        };
        let shown = html::parse(&html).unwrap_or_else(|reason| panic!("{reason}: {html:?} of {markdown:?}"));
        assert!(
            shown.text.encode_utf16().count() <= limit as usize,
            "{markdown:?}"
        );
        assert!(!shown.text.trim().is_empty(), "{markdown:?}");
        assert!(shown.entities <= ENTITY_LIMIT, "{markdown:?}");
    }
}

/// What a person sees; `None` where the text is sent as it stands.
#[cfg(test)]
pub(super) fn visible(markdown: &str) -> Option<String> {
    let html = to_html(markdown, TEXT_LIMIT)?;
    Some(html::parse(&html).unwrap().text)
}
