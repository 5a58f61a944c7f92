//! What each part of a Markdown text becomes.

use pulldown_cmark::{BlockQuoteKind, CodeBlockKind, Event, Tag, TagEnd};

use super::link::Link;
use super::spoiler;
use super::table::Table;
use super::writer::{Entity, Writer};

/// How much room the rendering takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Full,
    /// Rules and tables take about as much as in the Markdown.
    Compact,
}

pub(super) struct Renderer<'m> {
    form: Form,
    out: Writer,
    /// The next number of each open list; `None` for bullets.
    lists: Vec<Option<u64>>,
    /// The bullet of an item that has nothing else yet: a box may take its place.
    bullet: Option<String>,
    links: Vec<Link>,
    table: Option<Table<'m>>,
    in_code: bool,
}

impl<'m> Renderer<'m> {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            out: Writer::default(),
            lists: Vec::new(),
            bullet: None,
            links: Vec::new(),
            table: None,
            in_code: false,
        }
    }

    pub(super) fn visible_units(&self) -> usize {
        self.out.visible_units()
    }

    pub(super) fn finish(self) -> Option<String> {
        self.out.finish()
    }

    pub(super) fn event(&mut self, event: Event<'m>) {
        match (&mut self.table, &event) {
            (Some(_), Event::End(TagEnd::Table)) => return self.end_table(),
            (Some(table), _) => return table.event(event),
            _ => {}
        }
        if !matches!(event, Event::TaskListMarker(_) | Event::Start(Tag::Paragraph)) {
            self.put_bullet();
        }
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.in_code => self.text(&text),
            Event::Text(text) => self.spoken(&text),
            Event::Code(code) => {
                self.out.open(Entity::Code);
                self.text(&code);
                self.out.close();
            }
            Event::InlineHtml(html) if is_line_break(&html) => self.out.gap(1),
            Event::InlineHtml(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.text(&text),
            Event::FootnoteReference(label) => self.text(&format!("[{label}]")),
            Event::Html(html) => {
                self.text(html.trim_end_matches('\n'));
                self.out.gap(1);
            }
            Event::SoftBreak | Event::HardBreak => self.out.gap(1),
            Event::Rule => {
                self.text(if self.form == Form::Full {
                    "──────────"
                } else {
                    "—"
                });
                self.end_block();
            }
            Event::TaskListMarker(done) => self.check_box(done),
        }
    }

    fn start(&mut self, tag: Tag<'m>) {
        match tag {
            Tag::Heading { .. } | Tag::Strong => self.out.open(Entity::Bold),
            Tag::Emphasis => self.out.open(Entity::Italic),
            Tag::Strikethrough => self.out.open(Entity::Strike),
            Tag::BlockQuote(kind) => self.start_quote(kind),
            Tag::CodeBlock(kind) => {
                self.out.gap(1);
                self.in_code = true;
                self.out.open(Entity::Pre(match &kind {
                    CodeBlockKind::Fenced(info) => language(info).map(str::to_owned),
                    CodeBlockKind::Indented => None,
                }));
            }
            Tag::List(first) => {
                if !self.lists.is_empty() {
                    self.out.gap(1);
                }
                self.lists.push(first);
                self.out.indent(self.lists.len());
            }
            Tag::Item => self.start_item(),
            Tag::FootnoteDefinition(label) => self.text(&format!("[{label}] ")),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.start_link(&dest_url),
            Tag::Table(columns) => self.table = Some(Table::new(columns)),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Strong | TagEnd::Emphasis | TagEnd::Strikethrough => self.out.close(),
            TagEnd::Heading(_) | TagEnd::BlockQuote(_) => {
                self.out.close();
                self.end_block();
            }
            TagEnd::CodeBlock => {
                self.in_code = false;
                self.out.close();
                self.end_block();
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.out.indent(self.lists.len());
                self.end_block();
            }
            TagEnd::Item => self.out.gap(1),
            TagEnd::Link | TagEnd::Image => self.end_link(),
            TagEnd::Paragraph | TagEnd::HtmlBlock | TagEnd::FootnoteDefinition => self.end_block(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(link) = self.links.last_mut() {
            link.saw(text);
        }
        self.out.text(text);
    }

    /// Text in which `||…||` hides something.
    fn spoken(&mut self, text: &str) {
        for (hidden, piece) in spoiler::pieces(text) {
            if hidden {
                self.out.open(Entity::Spoiler);
            }
            self.text(piece);
            if hidden {
                self.out.close();
            }
        }
    }

    fn end_block(&mut self) {
        self.out.gap(if self.lists.is_empty() { 2 } else { 1 });
    }

    fn start_quote(&mut self, kind: Option<BlockQuoteKind>) {
        self.out.gap(1);
        self.out.open(Entity::Quote);
        let title = match kind {
            None => return,
            Some(BlockQuoteKind::Note) => "Note",
            Some(BlockQuoteKind::Tip) => "Tip",
            Some(BlockQuoteKind::Important) => "Important",
            Some(BlockQuoteKind::Warning) => "Warning",
            Some(BlockQuoteKind::Caution) => "Caution",
        };
        self.out.open(Entity::Bold);
        self.text(title);
        self.out.close();
        self.out.gap(1);
    }

    fn start_item(&mut self) {
        self.bullet = Some(match self.lists.last_mut() {
            Some(Some(number)) => {
                let bullet = format!("{number}. ");
                *number = number.saturating_add(1);
                bullet
            }
            _ => "• ".to_owned(),
        });
    }

    /// A box is bullet enough; a number stays.
    fn check_box(&mut self, done: bool) {
        if let Some(bullet) = &mut self.bullet {
            *bullet = bullet.replace("• ", "");
            bullet.push_str(if done { "☑ " } else { "☐ " });
        }
        self.put_bullet();
    }

    fn put_bullet(&mut self) {
        if let Some(bullet) = self.bullet.take() {
            self.out.indent(self.lists.len().saturating_sub(1));
            self.text(&bullet);
            self.out.indent(self.lists.len());
        }
    }

    /// Links cannot stand inside links, as a picture inside a link would.
    fn start_link(&mut self, target: &str) {
        let linked = self.links.is_empty() && Link::is_address(target) && self.out.open_link(target);
        self.links.push(Link::new(target, linked));
    }

    fn end_link(&mut self) {
        let Some(link) = self.links.pop() else {
            return;
        };
        if let Some(rest) = link.rest() {
            self.out.text(&rest);
        }
        if link.is_linked() {
            self.out.close();
        }
        if let Some(outer) = self.links.last_mut() {
            outer.saw(link.seen());
        }
    }

    /// In columns where a phone has room for them, otherwise row by row.
    fn end_table(&mut self) {
        let Some(table) = self.table.take() else {
            return;
        };
        if self.form == Form::Compact {
            self.text(&table.lines().join("\n"));
        } else if let Some(grid) = table.grid() {
            self.out.gap(1);
            self.out.open(Entity::Pre(None));
            self.out.text(&grid);
            self.out.close();
        } else {
            self.rows(table);
        }
        self.end_block();
    }

    /// The first cell of a row is its title, the others get the names of their columns.
    fn rows(&mut self, table: Table<'m>) {
        let names = table.names();
        for row in table.into_rows() {
            self.out.gap(2);
            for (index, cell) in row.into_iter().enumerate() {
                if cell.is_empty() {
                    continue;
                }
                self.out.gap(1);
                match names.get(index) {
                    Some(name) if index > 0 && !name.is_empty() => self.text(&format!("{name}: ")),
                    _ => {}
                }
                if index == 0 {
                    self.out.open(Entity::Bold);
                }
                cell.into_iter().for_each(|event| self.event(event));
                if index == 0 {
                    self.out.close();
                }
            }
        }
    }
}

/// What models write for a line break within a cell of a table.
pub(super) fn is_line_break(html: &str) -> bool {
    matches!(html.to_ascii_lowercase().as_str(), "<br>" | "<br/>" | "<br />")
}

/// The language in a fence's info string, with the characters that Telegram needs in a class name.
fn language(info: &str) -> Option<&str> {
    let word = info.split([' ', ',', '{', '\t']).next()?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"+-#._".contains(&byte);
    (!word.is_empty() && word.bytes().all(valid)).then_some(word)
}
