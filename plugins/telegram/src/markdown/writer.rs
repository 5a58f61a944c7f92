//! Writes Telegram's HTML: escapes, keeps tags balanced, and counts what is visible.

/// A style that can be inside itself in Markdown and must not be in Telegram.
#[derive(Clone, Copy)]
pub(super) enum Style {
    Bold,
    Italic,
    Strike,
    Code,
    Quote,
}

/// Tags of the styles, in the order of [`Style`].
const TAGS: [&str; 5] = ["b", "i", "s", "code", "blockquote"];
/// Deepest indentation in levels; deeper lists would be more space than text.
const MAX_INDENT: usize = 6;

/// The HTML so far.
#[derive(Default)]
pub(super) struct Writer {
    html: String,
    units: usize,
    /// Whether anything but white space is visible.
    inked: bool,
    /// Line breaks that are due before the next visible thing, and are not where nothing follows.
    gap: usize,
    indent: usize,
    open: [u32; TAGS.len()],
    /// The block under way: its closing tags, and whether a line break at its end is held back.
    block: Option<Block>,
}

struct Block {
    close: &'static str,
    held_break: bool,
}

impl Writer {
    /// Length of the visible text in UTF-16 units.
    pub(super) fn visible_units(&self) -> usize {
        self.units
    }

    /// The HTML; `None` where nothing of it is visible.
    pub(super) fn finish(self) -> Option<String> {
        self.inked.then_some(self.html)
    }

    /// Asks for at least so many line breaks before what comes next.
    pub(super) fn gap(&mut self, breaks: usize) {
        self.gap = self.gap.max(breaks);
    }

    /// Sets how far lines are indented from here on, in levels.
    pub(super) fn indent(&mut self, levels: usize) {
        self.indent = levels.min(MAX_INDENT);
    }

    pub(super) fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let Some(block) = &mut self.block else {
            self.close_gap();
            return self.escaped(text);
        };
        // The last line break of a code block belongs to the fence.
        let held = std::mem::replace(&mut block.held_break, text.ends_with('\n'));
        if held {
            self.escaped("\n");
        }
        self.escaped(text.strip_suffix('\n').unwrap_or(text));
    }

    /// Opens or closes a style; only the outermost of equal ones is written.
    pub(super) fn style(&mut self, style: Style, open: bool) {
        let index = style as usize;
        if open {
            self.close_gap();
            self.open[index] += 1;
            if self.open[index] == 1 {
                self.tag(&["<", TAGS[index], ">"]);
            }
        } else {
            self.open[index] = self.open[index].saturating_sub(1);
            if self.open[index] == 0 {
                self.tag(&["</", TAGS[index], ">"]);
            }
        }
    }

    pub(super) fn open_link(&mut self, address: &str) {
        self.close_gap();
        self.html.push_str("<a href=\"");
        escape(&mut self.html, address);
        self.html.push_str("\">");
    }

    pub(super) fn close_link(&mut self) {
        self.html.push_str("</a>");
    }

    /// Opens a preformatted block.
    pub(super) fn open_block(&mut self, language: Option<&str>) {
        let indent = std::mem::take(&mut self.indent);
        self.close_gap();
        self.indent = indent;
        let close = match language {
            Some(language) => {
                self.tag(&["<pre><code class=\"language-", language, "\">"]);
                "</code></pre>"
            }
            None => {
                self.tag(&["<pre>"]);
                "</pre>"
            }
        };
        self.block = Some(Block {
            close,
            held_break: false,
        });
    }

    pub(super) fn close_block(&mut self) {
        if let Some(block) = self.block.take() {
            self.html.push_str(block.close);
        }
    }

    fn tag(&mut self, parts: &[&str]) {
        self.html.extend(parts.iter().copied());
    }

    /// At the start of the message there is nothing to keep away from.
    fn close_gap(&mut self) {
        let breaks = std::mem::take(&mut self.gap);
        if breaks == 0 || self.units == 0 {
            return;
        }
        self.raw(&"\n".repeat(breaks));
        self.raw(&"  ".repeat(self.indent));
    }

    fn escaped(&mut self, text: &str) {
        escape(&mut self.html, text);
        self.count(text);
    }

    fn raw(&mut self, text: &str) {
        self.html.push_str(text);
        self.count(text);
    }

    fn count(&mut self, text: &str) {
        self.units += text.encode_utf16().count();
        self.inked = self.inked || !text.trim().is_empty();
    }
}

fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}
