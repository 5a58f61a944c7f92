//! How delivering goes, as Telegram tells it.

use serde::Deserialize;

use crate::update::lenient::lenient;

/// What is read of `getWebhookInfo`.
#[derive(Default, Deserialize)]
pub(super) struct Info {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) url: String,
    #[serde(default, deserialize_with = "lenient")]
    pending_update_count: u64,
    #[serde(default, deserialize_with = "lenient")]
    last_error_date: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) last_error_message: String,
}

/// What the looks so far told.
#[derive(Default)]
pub(super) struct Health {
    /// Updates that had been delivered.
    seen: u64,
    /// When Telegram failed last to deliver; `None` before the first look.
    last_error: Option<i64>,
    failing: bool,
}

impl Health {
    /// Whether deliveries fail, `taken` of which succeeded so far. Failures from before the first look are the past;
    /// later ones count until a delivery succeeds, or none waits any more.
    pub(super) fn fails(&mut self, info: &Info, taken: u64) -> bool {
        let recovered = taken != self.seen || info.pending_update_count == 0;
        self.seen = taken;
        let before = self.last_error.replace(info.last_error_date);
        let failed = before.is_some_and(|before| info.last_error_date > before);
        self.failing = !recovered && (self.failing || failed);
        self.failing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_counts_until_something_is_delivered_or_nothing_waits() {
        let mut health = Health::default();
        for (pending, last_error_date, taken, expected) in [
            (3, 100, 0, false),
            (3, 100, 0, false),
            (3, 110, 0, true),
            (3, 110, 0, true),
            (2, 110, 1, false),
            (2, 120, 2, false),
            (2, 120, 2, false),
            (2, 130, 2, true),
            (0, 130, 2, false),
            (1, 130, 2, false),
        ] {
            let info = Info {
                pending_update_count: pending,
                last_error_date,
                ..Info::default()
            };
            let fails = health.fails(&info, taken);
            assert_eq!(fails, expected, "{pending} {last_error_date} {taken}");
        }
    }

    #[test]
    fn odd_answer_is_read_for_what_it_has() {
        let info: Info =
            serde_json::from_str(r#"{"url":"u","pending_update_count":"x","last_error_date":null}"#).unwrap();
        assert_eq!((info.url.as_str(), info.pending_update_count), ("u", 0));
    }
}
