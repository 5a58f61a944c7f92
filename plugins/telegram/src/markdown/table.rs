//! Tables as text in columns.

use pulldown_cmark::Alignment;

/// A table that is being read.
pub(super) struct Table {
    columns: Vec<Alignment>,
    /// The first is the heading.
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: Vec<Alignment>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Starts a row.
    pub(super) fn row(&mut self) {
        self.rows.push(Vec::new());
    }

    /// Starts a cell.
    pub(super) fn cell(&mut self) {
        if let Some(row) = self.rows.last_mut() {
            row.push(String::new());
        }
    }

    /// Adds to the cell.
    pub(super) fn text(&mut self, text: &str) {
        if let Some(cell) = self.rows.last_mut().and_then(|row| row.last_mut()) {
            cell.push_str(text);
        }
    }

    /// The table in columns; one cell after the other where columns would take more than `limit` characters,
    /// which wide cells can make of a short text.
    pub(super) fn render(&self, limit: usize) -> String {
        let mut widths = self.widths();
        let line: usize = widths.iter().map(|width| width + " | ".len()).sum();
        if line.saturating_mul(self.rows.len() + 1) > limit {
            widths.fill(1);
        }
        let mut lines = Vec::with_capacity(self.rows.len() + 1);
        for (index, row) in self.rows.iter().enumerate() {
            lines.push(self.line(row, &widths));
            if index == 0 {
                let dashes: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
                lines.push(dashes.join("-+-"));
            }
        }
        lines.join("\n")
    }

    fn widths(&self) -> Vec<usize> {
        (0..self.columns.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or_default()
                    .max(1)
            })
            .collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells: Vec<_> = self
            .columns
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (alignment, width))| {
                let cell = row.get(column).map_or("", String::as_str);
                match alignment {
                    Alignment::Right => format!("{cell:>width$}"),
                    Alignment::Center => format!("{cell:^width$}"),
                    Alignment::Left | Alignment::None => format!("{cell:<width$}"),
                }
            })
            .collect();
        cells.join(" | ").trim_end().to_owned()
    }
}
