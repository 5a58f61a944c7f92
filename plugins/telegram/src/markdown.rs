//! Markdown, as models write it, in the HTML that Telegram takes.
//!
//! Telegram knows few tags (<https://core.telegram.org/bots/api#html-style>, read 2026-11), so that headings
//! become bold lines, list items get their bullets as text, and tables become preformatted text. HTML in the
//! input is text like any other.

#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod link;
mod table;
mod writer;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use link::Link;
use table::Table;
use writer::{Style, Writer};

use crate::TEXT_LIMIT;

const RULE: &str = "──────────";

/// The HTML for `markdown`; `None` where the text is better sent as it stands, because nothing of it would be
/// visible or more than [`TEXT_LIMIT`] UTF-16 units.
pub(crate) fn to_html(markdown: &str) -> Option<String> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut renderer = Renderer::default();
    for event in Parser::new_ext(markdown, options) {
        renderer.event(event);
        if renderer.out.visible_units() > TEXT_LIMIT as usize {
            return None;
        }
    }
    renderer.out.finish()
}

#[derive(Default)]
struct Renderer {
    out: Writer,
    /// The next number of each open list; `None` for bullets.
    lists: Vec<Option<u64>>,
    links: Vec<Link>,
    table: Option<Table>,
}

impl Renderer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Code(code) => {
                self.style(Style::Code, true);
                self.text(&code);
                self.style(Style::Code, false);
            }
            Event::Text(text) | Event::InlineHtml(text) => self.text(&text),
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&text);
            }
            Event::Html(html) => {
                self.text(html.trim_end_matches('\n'));
                self.out.gap(1);
            }
            Event::SoftBreak | Event::HardBreak => match &mut self.table {
                Some(table) => table.text(" "),
                None => self.out.gap(1),
            },
            Event::Rule => {
                self.text(RULE);
                self.end_block();
            }
            Event::TaskListMarker(done) => self.text(if done { "☑ " } else { "☐ " }),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } | Tag::Strong => self.style(Style::Bold, true),
            Tag::Emphasis => self.style(Style::Italic, true),
            Tag::Strikethrough => self.style(Style::Strike, true),
            Tag::BlockQuote(_) => self.style(Style::Quote, true),
            Tag::CodeBlock(kind) => self.out.open_block(match &kind {
                CodeBlockKind::Fenced(info) => language(info),
                CodeBlockKind::Indented => None,
            }),
            Tag::List(first) => {
                if !self.lists.is_empty() {
                    self.out.gap(1);
                }
                self.lists.push(first);
                self.out.indent(self.lists.len());
            }
            Tag::Item => self.start_item(),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.start_link(&dest_url),
            Tag::Table(columns) => self.table = Some(Table::new(columns)),
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.row();
                }
            }
            Tag::TableCell => {
                if let Some(table) = &mut self.table {
                    table.cell();
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.style(Style::Bold, false);
                self.end_block();
            }
            TagEnd::Strong => self.style(Style::Bold, false),
            TagEnd::Emphasis => self.style(Style::Italic, false),
            TagEnd::Strikethrough => self.style(Style::Strike, false),
            TagEnd::BlockQuote(_) => {
                self.style(Style::Quote, false);
                self.end_block();
            }
            TagEnd::CodeBlock => {
                self.out.close_block();
                self.end_block();
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.out.indent(self.lists.len());
                self.end_block();
            }
            TagEnd::Item => self.out.gap(1),
            TagEnd::Link | TagEnd::Image => self.end_link(),
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.out.open_block(None);
                    self.out.text(&table.render(TEXT_LIMIT as usize));
                    self.out.close_block();
                }
                self.end_block();
            }
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.end_block(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(link) = self.links.last_mut() {
            link.saw(text);
        }
        match &mut self.table {
            Some(table) => table.text(text),
            None => self.out.text(text),
        }
    }

    /// A table is preformatted, and preformatted text has no styles.
    fn style(&mut self, style: Style, open: bool) {
        if self.table.is_none() {
            self.out.style(style, open);
        }
    }

    fn end_block(&mut self) {
        self.out.gap(if self.lists.is_empty() { 2 } else { 1 });
    }

    fn start_item(&mut self) {
        let depth = self.lists.len();
        let bullet = match self.lists.last_mut() {
            Some(Some(number)) => {
                let bullet = format!("{number}. ");
                *number = number.saturating_add(1);
                bullet
            }
            _ => "• ".to_owned(),
        };
        self.out.indent(depth.saturating_sub(1));
        self.out.text(&bullet);
        self.out.indent(depth);
    }

    /// Links cannot stand inside links, as a picture inside a link would.
    fn start_link(&mut self, target: &str) {
        let link = Link::new(target, self.links.is_empty() && self.table.is_none());
        if let Some(href) = link.href() {
            self.out.open_link(href);
        }
        self.links.push(link);
    }

    fn end_link(&mut self) {
        let Some(link) = self.links.pop() else {
            return;
        };
        if let Some(rest) = link.rest() {
            self.text(&rest);
        }
        if link.href().is_some() {
            self.out.close_link();
        }
        if let Some(outer) = self.links.last_mut() {
            outer.saw(link.seen());
        }
    }
}

/// The language in a fence's info string, with the characters that Telegram needs in a class name.
fn language(info: &str) -> Option<&str> {
    let word = info.split([' ', ',', '{', '\t']).next()?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"+-#._".contains(&byte);
    (!word.is_empty() && word.bytes().all(valid)).then_some(word)
}

#[cfg(test)]
mod tests;
