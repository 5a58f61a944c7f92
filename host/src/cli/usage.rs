//! What answers cost, as the spool tells it, with or without a gateway that runs.

use serde_json::{Value, json};

use super::{Failure, setup};
use crate::agent::Sums;
use crate::config::Config;
use crate::sessions::SessionKey;
use crate::spool::{Spent, day_of, wall_ms};

/// What was spent, in all and today.
pub(super) struct Used {
    spent: Vec<Spent>,
    currency: String,
}

impl Used {
    /// Of a session.
    ///
    /// # Errors
    /// Where the spool cannot be read.
    pub(super) fn of(config: &Config, session: &SessionKey) -> Result<Self, Failure> {
        Self::read(config, Some(session), 0)
    }

    /// Of all conversations, today alone.
    ///
    /// # Errors
    /// Where the spool cannot be read.
    pub(super) fn today(config: &Config) -> Result<Self, Failure> {
        Self::read(config, None, day_of(wall_ms()))
    }

    fn read(config: &Config, session: Option<&SessionKey>, since_day: i64) -> Result<Self, Failure> {
        let spent = match setup::reader(config)? {
            Some(reader) => reader
                .spent(session, since_day)
                .map_err(|error| Failure::chain(1, &error))?,
            None => Vec::new(),
        };
        Ok(Self {
            spent,
            currency: config.currency.clone(),
        })
    }

    /// Two lines for people; none where nothing was spent.
    pub(super) fn lines(&self) -> String {
        if self.spent.is_empty() {
            return String::new();
        }
        let total = Sums::since(0, &self.spent).told(&self.currency);
        format!("used today: {}\nused in total: {total}\n", self.told_today())
    }

    /// Today's sums for people, as `2 requests, 30 tokens read, 12 written`.
    pub(super) fn told_today(&self) -> String {
        let sums = Sums::since(day_of(wall_ms()), &self.spent);
        sums.told(&self.currency).to_string()
    }

    /// Today's sums for programs.
    pub(super) fn json_of_today(&self) -> Value {
        let mut sums = json!(Sums::since(day_of(wall_ms()), &self.spent));
        sums["currency"] = json!(self.currency);
        sums
    }

    /// All sums for programs, with those of each model.
    pub(super) fn json(&self) -> Value {
        let mut models: Vec<(&str, Option<&str>)> = self.spent.iter().map(of_model).collect();
        models.sort_unstable();
        models.dedup();
        let models = models.into_iter().map(|model| {
            let own: Vec<_> = self
                .spent
                .iter()
                .filter(|spent| of_model(spent) == model)
                .cloned()
                .collect();
            json!({ "provider": model.0, "model": model.1, "total": Sums::since(0, &own) })
        });
        json!({
            "currency": self.currency,
            "today": Sums::since(day_of(wall_ms()), &self.spent),
            "total": Sums::since(0, &self.spent),
            "models": models.collect::<Vec<_>>(),
        })
    }
}

fn of_model(spent: &Spent) -> (&str, Option<&str>) {
    (&spent.provider, spent.model.as_deref())
}
