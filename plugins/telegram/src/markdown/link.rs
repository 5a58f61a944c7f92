//! Links, of which Telegram takes only absolute ones.

/// A link that is being written.
pub(super) struct Link {
    target: String,
    linked: bool,
    seen: String,
}

impl Link {
    /// `allowed` says whether a link may stand at this place.
    pub(super) fn new(target: &str, allowed: bool) -> Self {
        Self {
            target: target.to_owned(),
            linked: allowed && is_absolute(target),
            seen: String::new(),
        }
    }

    /// The address, where there is one that Telegram takes.
    pub(super) fn href(&self) -> Option<&str> {
        self.linked.then_some(&self.target)
    }

    /// Takes note of text between the link's start and end.
    pub(super) fn saw(&mut self, text: &str) {
        self.seen.push_str(text);
    }

    /// All text of it.
    pub(super) fn seen(&self) -> &str {
        &self.seen
    }

    /// What must follow the text, so that no address is lost: the address where the link has no text, and the
    /// address in parentheses where it cannot be a link.
    pub(super) fn rest(&self) -> Option<String> {
        let shown = self.target.trim_start_matches("mailto:");
        if self.seen.trim().is_empty() {
            return (!shown.is_empty()).then(|| shown.to_owned());
        }
        let hidden = !self.linked && !shown.is_empty() && !shown.starts_with('#');
        (hidden && self.seen != shown).then(|| format!(" ({shown})"))
    }
}

fn is_absolute(target: &str) -> bool {
    ["http://", "https://", "tg://", "ton://"].iter().any(|scheme| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && target.len() > scheme.len()
    })
}
