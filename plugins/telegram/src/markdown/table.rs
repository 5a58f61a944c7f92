//! Tables: in columns, or as lines.

use pulldown_cmark::{Alignment, Event, Tag, TagEnd};

use super::events::is_line_break;
use super::link::Link;

/// The columns of preformatted text that a phone shows without a break.
const PHONE_WIDTH: usize = 36;
const BETWEEN: &str = " | ";

/// A table that is being read.
pub(super) struct Table<'m> {
    columns: Vec<Alignment>,
    /// The first is the heading.
    rows: Vec<Vec<Cell<'m>>>,
}

/// What a cell holds, to be rendered like any other text.
pub(super) type Cell<'m> = Vec<Event<'m>>;

impl<'m> Table<'m> {
    pub(super) fn new(columns: Vec<Alignment>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Takes whatever is in the table.
    pub(super) fn event(&mut self, event: Event<'m>) {
        match event {
            Event::Start(Tag::TableHead | Tag::TableRow) => self.rows.push(Vec::new()),
            Event::Start(Tag::TableCell) => {
                if let Some(row) = self.rows.last_mut() {
                    row.push(Vec::new());
                }
            }
            Event::End(TagEnd::TableHead | TagEnd::TableRow | TagEnd::TableCell) => {}
            event => {
                if let Some(cell) = self.rows.last_mut().and_then(|row| row.last_mut()) {
                    cell.push(event);
                }
            }
        }
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> Vec<String> {
        let head = self.rows.first().into_iter().flatten();
        head.map(|cell| plain(cell)).collect()
    }

    /// The rows below the heading; the heading itself where it stands alone.
    pub(super) fn into_rows(mut self) -> Vec<Vec<Cell<'m>>> {
        if self.rows.len() > 1 {
            self.rows.remove(0);
        }
        self.rows
    }

    /// One line for each row.
    pub(super) fn lines(&self) -> Vec<String> {
        let rows = self.plain_rows();
        rows.iter().map(|row| row.join(BETWEEN)).collect()
    }

    /// The table in columns; `None` where they are too wide for a phone.
    pub(super) fn grid(&self) -> Option<String> {
        let rows = self.plain_rows();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| width(cell)).max().unwrap_or_default().max(1)
            })
            .collect();
        let between = BETWEEN.len() * widths.len().saturating_sub(1);
        if widths.iter().sum::<usize>() + between > PHONE_WIDTH {
            return None;
        }
        let mut lines: Vec<_> = rows.iter().map(|row| self.line(row, &widths)).collect();
        let dashes: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
        lines.insert(1.min(lines.len()), dashes.join("-+-"));
        Some(lines.join("\n"))
    }

    fn plain_rows(&self) -> Vec<Vec<String>> {
        let plain_row = |row: &Vec<Cell<'m>>| row.iter().map(|cell| plain(cell)).collect();
        self.rows.iter().map(plain_row).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let columns = self.columns.iter().zip(widths).enumerate();
        let cells: Vec<_> = columns
            .map(|(column, (alignment, full))| {
                let cell = row.get(column).map_or("", String::as_str);
                let space = full.saturating_sub(width(cell));
                let before = match alignment {
                    Alignment::Right => space,
                    Alignment::Center => space / 2,
                    Alignment::Left | Alignment::None => 0,
                };
                format!("{}{cell}{}", " ".repeat(before), " ".repeat(space - before))
            })
            .collect();
        cells.join(BETWEEN).trim_end().to_owned()
    }
}

/// The text of a cell; addresses follow their links.
fn plain(cell: &[Event<'_>]) -> String {
    let mut text = String::new();
    let mut links: Vec<(Link, usize)> = Vec::new();
    for event in cell {
        match event {
            Event::InlineHtml(html) if is_line_break(html) => text.push(' '),
            Event::Text(part) | Event::Code(part) | Event::InlineHtml(part) | Event::InlineMath(part) => {
                text.push_str(part);
            }
            Event::FootnoteReference(label) => text.extend(["[", label, "]"]),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push((Link::new(dest_url, false), text.len()));
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                if let Some((mut link, start)) = links.pop() {
                    link.saw(&text[start..]);
                    text.push_str(&link.rest().unwrap_or_default());
                }
            }
            _ => {}
        }
    }
    text
}

/// Columns that a text takes in a font of fixed width, near enough: emoji and the signs of East Asia take two.
fn width(text: &str) -> usize {
    let columns = |symbol: char| match u32::from(symbol) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f | 0x1f3fb..=0x1f3ff => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    };
    text.chars().map(columns).sum()
}
