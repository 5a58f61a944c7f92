//! Writes Telegram's HTML: escapes, keeps to its rules of nesting, and counts what is visible.

/// Telegram shows a message with at most so many entities and drops further ones in silence
/// (<https://core.telegram.org/api/entities>, `config.message_entities_max` is 100; read 2026-11). What comes after them
/// is written as text, and a link with its address, so that only looks are lost.
const ENTITY_LIMIT: usize = 100;
/// Deepest indentation in levels; deeper lists would be more space than text.
const MAX_INDENT: usize = 6;
/// A quotation longer than this, in UTF-16 units or in lines, is shown folded.
const LONG_QUOTE: (usize, usize) = (480, 9);
const QUOTE: &str = "<blockquote";

/// Markup that goes over a stretch of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entity {
    Bold,
    Italic,
    Strike,
    Spoiler,
    Code,
    /// Preformatted, perhaps in a programming language.
    Pre(Option<String>),
    Link(String),
    Quote,
}

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
    /// What the text is in, outermost first, as Markdown has it.
    wanted: Vec<Entity>,
    /// What is open in the HTML.
    open: Vec<Open>,
    /// How many were written.
    entities: usize,
    /// Whether the last line break of a code block is held back: it belongs to the fence.
    held_break: bool,
}

struct Open {
    entity: Entity,
    /// Where its tag begins, in bytes, and the text in it, in UTF-16 units.
    tag: usize,
    text: usize,
}

impl Writer {
    /// Length of the visible text in UTF-16 units.
    pub(super) fn visible_units(&self) -> usize {
        self.units
    }

    /// The HTML; `None` where nothing of it is visible.
    pub(super) fn finish(mut self) -> Option<String> {
        self.close_down_to(0);
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
        let in_block = matches!(self.wanted.last(), Some(Entity::Pre(_)));
        let (text, ends_line) = match text.strip_suffix('\n') {
            Some(line) if in_block => (line, true),
            _ => (text, false),
        };
        if std::mem::replace(&mut self.held_break, ends_line) {
            self.put("\n");
        }
        if !text.is_empty() {
            self.put(text);
        }
    }

    /// Begins markup; it is written with the first text in it.
    pub(super) fn open(&mut self, entity: Entity) {
        self.wanted.push(entity);
    }

    /// Begins a link; false where there is no room for one, and nothing was begun.
    pub(super) fn open_link(&mut self, address: &str) -> bool {
        self.wanted.push(Entity::Link(address.to_owned()));
        let target = self.target();
        let missing = target.len() - self.common(&target);
        let room = self.entities + missing <= ENTITY_LIMIT;
        if !room {
            self.wanted.pop();
        }
        room
    }

    /// Ends the markup that was begun last. Styles of the same kind that touch are one, blocks and links are not.
    pub(super) fn close(&mut self) {
        self.held_break = false;
        let Some(entity) = self.wanted.pop() else {
            return;
        };
        if entity.is_style() || self.wanted.contains(&entity) {
            return;
        }
        if let Some(at) = self.open.iter().position(|open| open.entity == entity) {
            self.close_down_to(at);
        }
    }

    fn put(&mut self, text: &str) {
        let target = self.target();
        let common = self.common(&target);
        self.close_down_to(common);
        self.close_gap(target.iter().any(Entity::is_block));
        for entity in target.into_iter().skip(common) {
            if self.entities == ENTITY_LIMIT {
                break;
            }
            self.start(entity);
        }
        escape(&mut self.html, text);
        self.count(text);
    }

    /// What is to be open around the next text: nothing twice, nothing in code but what it stands in, and no code in
    /// a link.
    fn target(&self) -> Vec<Entity> {
        let in_block = self.wanted.iter().any(Entity::is_block);
        let in_link = self.wanted.iter().any(|entity| matches!(entity, Entity::Link(_)));
        let in_code = self.wanted.contains(&Entity::Code) && !in_link;
        let mut target = Vec::new();
        for entity in &self.wanted {
            let fits = match entity {
                Entity::Quote | Entity::Pre(_) => true,
                Entity::Code => in_code && !in_block,
                _ => !in_code && !in_block,
            };
            if fits && !target.contains(entity) {
                target.push(entity.clone());
            }
        }
        target
    }

    /// How many of the open entities stay.
    fn common(&self, target: &[Entity]) -> usize {
        let pairs = self.open.iter().zip(target);
        pairs.take_while(|(open, entity)| open.entity == **entity).count()
    }

    fn start(&mut self, entity: Entity) {
        self.entities += 1;
        let tag = self.html.len();
        match &entity {
            Entity::Link(address) => {
                self.html.push_str("<a href=\"");
                escape(&mut self.html, address);
                self.html.push_str("\">");
            }
            Entity::Pre(Some(language)) => {
                self.html
                    .extend(["<pre><code class=\"language-", language, "\">"])
            }
            other => self.html.extend(["<", other.tag(), ">"]),
        }
        self.open.push(Open {
            entity,
            tag,
            text: self.units,
        });
    }

    fn close_down_to(&mut self, depth: usize) {
        while self.open.len() > depth
            && let Some(open) = self.open.pop()
        {
            if matches!(open.entity, Entity::Pre(Some(_))) {
                self.html.push_str("</code>");
            }
            let lines = self.html[open.tag..].matches('\n').count() + 1;
            if open.entity == Entity::Quote && (self.units - open.text > LONG_QUOTE.0 || lines > LONG_QUOTE.1)
            {
                self.html.insert_str(open.tag + QUOTE.len(), " expandable");
            }
            self.html.extend(["</", open.entity.tag(), ">"]);
        }
    }

    /// At the start of the message there is nothing to keep away from.
    fn close_gap(&mut self, before_block: bool) {
        let breaks = std::mem::take(&mut self.gap);
        if breaks == 0 || self.units == 0 {
            return;
        }
        let indent = if before_block { 0 } else { self.indent };
        let space = "\n".repeat(breaks) + &"  ".repeat(indent);
        self.html.push_str(&space);
        self.count(&space);
    }

    fn count(&mut self, text: &str) {
        self.units += text.encode_utf16().count();
        self.inked = self.inked || !text.trim().is_empty();
    }
}

impl Entity {
    fn is_style(&self) -> bool {
        matches!(self, Self::Bold | Self::Italic | Self::Strike | Self::Spoiler)
    }

    fn is_block(&self) -> bool {
        matches!(self, Self::Pre(_))
    }

    fn tag(&self) -> &'static str {
        match self {
            Self::Bold => "b",
            Self::Italic => "i",
            Self::Strike => "s",
            Self::Spoiler => "tg-spoiler",
            Self::Code => "code",
            Self::Pre(_) => "pre",
            Self::Link(_) => "a",
            Self::Quote => "blockquote",
        }
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
