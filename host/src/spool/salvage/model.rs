use std::collections::BTreeMap;

use rusqlite::Connection;

use super::cells::Value;

/// The shape of every table and index, as an empty spool has it.
pub(super) struct Model {
    pub(super) tables: Vec<Table>,
    /// Root pages by the name of a table or an index. A spool that never had another version has the same.
    pub(super) roots: BTreeMap<String, u32>,
}

pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// Kept by its first column as the row's number; otherwise it is a tree of entries without numbers.
    pub(super) numbered: bool,
}

pub(super) struct Column {
    pub(super) name: String,
    pub(super) text: bool,
    required: bool,
    optional_at_end: bool,
}

impl Model {
    pub(super) fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let mut select = conn.prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0")?;
        let roots = select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut select = conn.prepare("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%'")?;
        let names: Vec<(String, bool)> = select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let table = |(name, without_rowid): (String, bool)| {
            Ok(Table {
                columns: columns(conn, &name)?,
                name,
                numbered: !without_rowid,
            })
        };
        let tables = names.into_iter().map(table).collect::<rusqlite::Result<_>>()?;
        Ok(Self { tables, roots })
    }
}

fn columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    let mut select = conn
        .prepare(r#"SELECT name, type, "notnull", dflt_value IS NOT NULL, pk FROM pragma_table_info(?1)"#)?;
    let column = |row: &rusqlite::Row<'_>| {
        let (kind, required, default, key): (String, bool, bool, bool) =
            (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(Column {
            name: row.get(0)?,
            text: kind == "TEXT",
            required: required || key,
            optional_at_end: default || !(required || key),
        })
    };
    select.query_map([table], column)?.collect()
}

impl Table {
    /// A row with its number in place; `None` where it is not one of this table. A row that is older than a column
    /// lacks it. A body that is no text is told apart, as [`Value::Foreign`].
    pub(super) fn row(&self, rowid: Option<i64>, values: &[Value]) -> Option<Vec<Value>> {
        let mut values = values.to_vec();
        if self.numbered != rowid.is_some() {
            return None;
        }
        if let (Some(rowid), Some(first)) = (rowid, values.first_mut()) {
            if *first != Value::Null || rowid < 1 {
                return None;
            }
            *first = Value::Integer(rowid);
        }
        let missing = self.columns.get(values.len()..)?;
        let fits = |(column, value): (&Column, &Value)| match value {
            Value::Null => !column.required,
            Value::Integer(_) => !column.text,
            Value::Text(_) => column.text,
            Value::Foreign => column.name == "body",
        };
        let whole =
            missing.iter().all(|column| column.optional_at_end) && self.columns.iter().zip(&values).all(fits);
        whole.then_some(values)
    }

    pub(super) fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|own| own.name == column)
    }
}
