//! Links, as far as Telegram can show them.

/// A link that is being written.
pub(super) struct Link {
    target: String,
    linked: bool,
    seen: String,
}

impl Link {
    /// `linked` says whether the text becomes a link, and not only text.
    pub(super) fn new(target: &str, linked: bool) -> Self {
        Self {
            target: target.to_owned(),
            linked,
            seen: String::new(),
        }
    }

    pub(super) fn is_linked(&self) -> bool {
        self.linked
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
    /// address in parentheses where it cannot be a link. Telegram makes links of addresses of mail by itself, and
    /// takes them in no other way.
    pub(super) fn rest(&self) -> Option<String> {
        let shown = self.target.trim_start_matches("mailto:");
        if self.seen.trim().is_empty() {
            return (!shown.is_empty()).then(|| shown.to_owned());
        }
        let hidden = !self.linked && !shown.is_empty() && !shown.starts_with('#');
        (hidden && self.seen != shown).then(|| format!(" ({shown})"))
    }

    /// Whether Telegram takes the address. It drops others in silence, which would lose them; a host without a dot,
    /// such as `localhost`, is one of those.
    pub(super) fn is_address(target: &str) -> bool {
        let Some((scheme, rest)) = target.split_once("://") else {
            return false;
        };
        let known = |known: &[&str]| known.iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if rest.contains(|symbol: char| symbol.is_whitespace() || symbol.is_control()) {
            return false;
        }
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        known(&["tg", "ton"]) && !rest.is_empty()
            || known(&["http", "https"]) && (host.trim_matches('.').contains('.') || host.contains("]"))
    }
}
