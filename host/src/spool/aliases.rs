use std::sync::Arc;

use rusqlite::params;

use super::work::{Need, Tx, Work};

/// Chats that go on under another id.
pub(super) const SCHEMA: &str = "
CREATE TABLE aliases (
    channel TEXT NOT NULL,
    old_chat TEXT NOT NULL,
    new_chat TEXT NOT NULL,
    PRIMARY KEY (channel, old_chat)
) STRICT, WITHOUT ROWID;
";

/// A chat that goes on under another id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) channel: Arc<str>,
    pub(crate) old: String,
    pub(crate) new: String,
}

/// Stores aliases; answers with all there are, in any order.
pub(super) struct Aliases(pub(super) Vec<Alias>);

impl Work for Aliases {
    type Answer = Vec<Alias>;
    const NEED: Need = Need::Synced;

    fn need(&self) -> Need {
        if self.0.is_empty() {
            Need::Read
        } else {
            Need::Synced
        }
    }

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Vec<Alias>> {
        for alias in &self.0 {
            tx.conn.execute(
                "INSERT INTO aliases (channel, old_chat, new_chat) VALUES (?1, ?2, ?3)
                 ON CONFLICT (channel, old_chat) DO NOTHING",
                params![&*alias.channel, alias.old, alias.new],
            )?;
        }
        let mut select = tx
            .conn
            .prepare("SELECT channel, old_chat, new_chat FROM aliases")?;
        let rows = select.query_map([], |row| {
            Ok(Alias {
                channel: row.get::<_, String>(0)?.into(),
                old: row.get(1)?,
                new: row.get(2)?,
            })
        })?;
        rows.collect()
    }
}
