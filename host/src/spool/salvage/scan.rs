use std::collections::{BTreeMap, HashMap};

use super::cells::{Cell, Kind, Tree, Value, tree};
use super::model::Model;
use super::pages::{Mapped, Pages};

/// Everything that stands on pages that can be read.
#[derive(Default)]
pub(super) struct Found {
    /// Rows by the name of their table, each by its key; what a page with a known owner says comes first.
    pub(super) rows: BTreeMap<String, BTreeMap<String, Vec<Value>>>,
    /// Entries by the name of their index.
    pub(super) entries: BTreeMap<String, Vec<Vec<Value>>>,
    /// Pages of trees that cannot be read, and rows on readable ones that make no sense.
    pub(super) broken_pages: u64,
    pub(super) broken_rows: u64,
}

/// Who a page belongs to.
enum Owner<'m> {
    Known(&'m str),
    Nobody,
    /// The page's own content has to tell.
    Unknown,
}

/// Looks at every page. Which table a page belongs to is told by the trees from their roots down, where a page in
/// between is ruined by the pointer map, and where that is ruined, too, by the shape of the rows.
pub(super) fn scan(pages: &Pages, model: &Model) -> Found {
    let roots = roots(pages, model);
    let walked = walk(pages, &roots);
    let mut found = Found::default();
    let mut unknown = Vec::new();
    for number in 2..=pages.last() {
        if pages.is_map(number) {
            continue;
        }
        match owner(pages, number, &roots, &walked) {
            Owner::Nobody => {}
            Owner::Known(name) => match tree(pages, number) {
                Some(tree) => found.take(model, name, tree),
                None => found.broken_pages += 1,
            },
            Owner::Unknown => unknown.push(number),
        }
    }
    for number in unknown {
        match tree(pages, number) {
            Some(tree) => found.guess(model, tree),
            None => found.broken_pages += 1,
        }
    }
    found
}

/// The schema's own root pages where they can be read, those of an empty spool otherwise.
fn roots<'m>(pages: &Pages, model: &'m Model) -> HashMap<u32, &'m str> {
    let mut places: BTreeMap<&str, u32> = model.roots.iter().map(|(name, &root)| (&**name, root)).collect();
    let schema = walk(pages, &HashMap::from([(1, "sqlite_schema")]));
    for &number in schema.keys() {
        let cells = tree(pages, number).map(|tree| tree.cells).unwrap_or_default();
        for cell in cells.into_iter().flatten() {
            let [_, Value::Text(name), _, Value::Integer(root), _] = &cell.values[..] else {
                continue;
            };
            let root = u32::try_from(*root)
                .ok()
                .filter(|&root| root > 2 && root <= pages.last());
            if let (Some(root), Some(place)) = (root, places.get_mut(&**name)) {
                *place = root;
            }
        }
    }
    places.into_iter().map(|(name, root)| (root, name)).collect()
}

/// The owner of each page that can be reached from a root.
fn walk<'m>(pages: &Pages, roots: &HashMap<u32, &'m str>) -> HashMap<u32, &'m str> {
    let mut owners: HashMap<u32, &str> = HashMap::new();
    for (&root, &name) in roots {
        let mut open = vec![root];
        while let Some(number) = open.pop() {
            // Where two trees claim a page, one of the claims is garbage; its own root always wins.
            if owners.contains_key(&number) || (number != root && roots.contains_key(&number)) {
                continue;
            }
            if let Some(tree) = tree(pages, number) {
                owners.insert(number, name);
                open.extend(tree.children);
            }
        }
    }
    owners
}

fn owner<'m>(
    pages: &Pages,
    number: u32,
    roots: &HashMap<u32, &'m str>,
    walked: &HashMap<u32, &'m str>,
) -> Owner<'m> {
    let mut at = number;
    for _ in 0..64 {
        if let Some(name) = roots.get(&at).or_else(|| walked.get(&at)) {
            return Owner::Known(name);
        }
        match pages.mapped(at) {
            Mapped::Free | Mapped::Overflow if at == number => return Owner::Nobody,
            Mapped::Child(parent) => at = parent,
            _ => return Owner::Unknown,
        }
    }
    Owner::Unknown
}

impl Found {
    fn take(&mut self, model: &Model, name: &str, tree: Tree) {
        let table = model.tables.iter().find(|table| table.name == name);
        for cell in tree.cells {
            match (table, cell) {
                (_, None) => self.broken_rows += 1,
                (None, Some(cell)) => self.entries.entry(name.to_owned()).or_default().push(cell.values),
                (Some(table), Some(cell)) => match table.row(cell.rowid, &cell.values) {
                    Some(row) => self.keep(name, row),
                    None => self.broken_rows += 1,
                },
            }
        }
    }

    fn guess(&mut self, model: &Model, tree: Tree) {
        if tree.kind == Kind::TableInner {
            return;
        }
        for cell in tree.cells {
            match cell.as_ref().and_then(|cell| guess(model, cell)) {
                Some((name, row)) => self.keep(name, row),
                None => self.broken_rows += 1,
            }
        }
    }

    fn keep(&mut self, name: &str, row: Vec<Value>) {
        let keys = match name {
            "usage" => 4,
            "aliases" | "cursors" => 2,
            _ => 1,
        };
        let key = format!("{:?}", &row[..row.len().min(keys)]);
        self.rows
            .entry(name.to_owned())
            .or_default()
            .entry(key)
            .or_insert(row);
    }
}

/// The row's table by its shape alone. A row of `sessions` looks like an entry of an index, one of `aliases` like a
/// cursor; those are nobody's.
fn guess<'m>(model: &'m Model, cell: &Cell) -> Option<(&'m str, Vec<Value>)> {
    let tables = model
        .tables
        .iter()
        .filter(|table| !matches!(&*table.name, "sessions" | "aliases"));
    let fitting = tables.filter_map(|table| {
        let row = table.row(cell.rowid, &cell.values)?;
        Some((table.columns.len(), &*table.name, row))
    });
    let closest = fitting.min_by_key(|(columns, ..)| *columns)?;
    Some((closest.1, closest.2))
}
