//! The HTML parse mode (<https://core.telegram.org/bots/api#html-style>, read 2026-11): which markup is refused, and
//! what a person sees. Stricter than Telegram where that repairs in silence: what its documentation forbids is refused.
//!
//! The plugin's own tests hold its rendering against this file (`plugins/telegram/src/markdown/fuzzing.rs`), so that
//! there is one set of rules; it uses nothing of its crate.

/// Tags by what they mean.
const TAGS: [(&str, Kind); 16] = [
    ("b", Kind::Bold),
    ("strong", Kind::Bold),
    ("i", Kind::Italic),
    ("em", Kind::Italic),
    ("u", Kind::Underline),
    ("ins", Kind::Underline),
    ("s", Kind::Strike),
    ("strike", Kind::Strike),
    ("del", Kind::Strike),
    ("span", Kind::Spoiler),
    ("tg-spoiler", Kind::Spoiler),
    ("tg-emoji", Kind::Emoji),
    ("a", Kind::Link),
    ("code", Kind::Code),
    ("pre", Kind::Pre),
    ("blockquote", Kind::Quote),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bold,
    Italic,
    Underline,
    Strike,
    Spoiler,
    Emoji,
    Link,
    Code,
    Pre,
    Quote,
}

impl Kind {
    /// Styles contain each other at will.
    fn is_style(self) -> bool {
        use Kind::{Bold, Italic, Spoiler, Strike, Underline};
        matches!(self, Bold | Italic | Underline | Strike | Spoiler)
    }

    /// Whether it may stand inside `outer`.
    fn fits_in(self, outer: Self) -> bool {
        match outer {
            _ if self == outer => false,
            Self::Pre | Self::Code => false,
            Self::Quote => true,
            outer if outer.is_style() => !matches!(self, Self::Pre | Self::Code),
            _ => self.is_style(),
        }
    }
}

/// A text as Telegram shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Without its markup.
    pub(super) text: String,
    /// `<pre><code class="language-…">` is one.
    pub(super) entities: usize,
}

/// Reads HTML.
///
/// # Errors
/// The reason as Telegram words it, without `Bad Request: `.
pub(super) fn parse(html: &str) -> Result<Shown, String> {
    let mut reader = Reader {
        html,
        at: 0,
        open: Vec::new(),
        shown: Shown {
            text: String::with_capacity(html.len()),
            entities: 0,
        },
    };
    reader
        .run()
        .map_err(|reason| format!("can't parse entities: {reason}"))?;
    Ok(reader.shown)
}

struct Reader<'h> {
    html: &'h str,
    at: usize,
    open: Vec<(&'h str, Kind)>,
    shown: Shown,
}

impl<'h> Reader<'h> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(found) = self.html[self.at..].find(['<', '&', '>']) {
            self.shown.text.push_str(&self.html[self.at..self.at + found]);
            self.at += found;
            match self.html.as_bytes()[self.at] {
                b'&' => {
                    let symbol = self.symbol()?;
                    self.shown.text.push(symbol);
                }
                b'>' => return self.fault("Unescaped \">\""),
                _ if self.html[self.at..].starts_with("</") => self.end_tag()?,
                _ => self.start_tag()?,
            }
        }
        self.shown.text.push_str(&self.html[self.at..]);
        match self.open.last() {
            Some((name, _)) => Err(format!(
                "Can't find end tag corresponding to start tag \"{name}\""
            )),
            None => Ok(()),
        }
    }

    fn fault<T>(&self, reason: &str) -> Result<T, String> {
        Err(format!("{reason} at byte offset {}", self.at))
    }

    /// The symbol that stands at `at`, which moves behind it.
    fn symbol(&mut self) -> Result<char, String> {
        let rest = &self.html[self.at..];
        let name = rest.split_once(';').map_or("", |(name, _)| &name[1..]);
        let symbol = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            name => name
                .strip_prefix("#x")
                .map(|digits| u32::from_str_radix(digits, 16))
                .or_else(|| name.strip_prefix('#').map(str::parse))
                .and_then(Result::ok)
                .and_then(char::from_u32),
        };
        let Some(symbol) = symbol else {
            return self.fault("Unescaped \"&\"");
        };
        self.at += name.len() + 2;
        Ok(symbol)
    }

    fn end_tag(&mut self) -> Result<(), String> {
        let Some((tag, _)) = self.html[self.at..].split_once('>') else {
            return self.fault("Unclosed end tag");
        };
        let name = tag[2..].trim_end();
        match self.open.pop() {
            None => self.fault("Unexpected end tag"),
            Some((expected, _)) if !name.eq_ignore_ascii_case(expected) => Err(format!(
                "Unmatched end tag at byte offset {}, expected \"</{expected}>\", found \"</{name}>\"",
                self.at
            )),
            Some(_) => {
                self.at += tag.len() + 1;
                Ok(())
            }
        }
    }

    fn start_tag(&mut self) -> Result<(), String> {
        let Some((tag, _)) = self.html[self.at..].split_once('>') else {
            return self.fault("Unclosed start tag");
        };
        let (name, attributes) = tag[1..]
            .split_once(char::is_whitespace)
            .unwrap_or((&tag[1..], ""));
        let known = TAGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((_, kind)) = known else {
            return self.fault(&format!("Unsupported start tag \"{name}\""));
        };
        let allowed = match kind {
            Kind::Link => is_address(attributes),
            Kind::Quote => matches!(attributes, "" | "expandable"),
            Kind::Code if self.is_in_pre() => {
                attributes.is_empty() || value(attributes, "class").is_some_and(is_language)
            }
            Kind::Spoiler if name == "span" => value(attributes, "class") == Some("tg-spoiler"),
            Kind::Emoji => !attributes.is_empty(),
            _ => attributes.is_empty(),
        };
        if !allowed {
            return self.fault(&format!("Unsupported attributes of the tag \"{name}\""));
        }
        self.nest(name, *kind)?;
        self.at += tag.len() + 1;
        Ok(())
    }

    /// Opens a tag where its kind may stand. Code at the begin of preformatted text is a part of that.
    fn nest(&mut self, name: &'h str, kind: Kind) -> Result<(), String> {
        let is_language = kind == Kind::Code && self.is_in_pre() && self.html[..self.at].ends_with("<pre>");
        let mut outer = self.open.iter().map(|(_, outer)| *outer);
        if !is_language && !outer.all(|outer| kind.fits_in(outer)) {
            return self.fault(&format!("Misplaced start tag \"{name}\""));
        }
        self.shown.entities += usize::from(!is_language);
        self.open.push((name, kind));
        Ok(())
    }

    fn is_in_pre(&self) -> bool {
        matches!(self.open.last(), Some((_, Kind::Pre)))
    }
}

/// The value of the only attribute, with its symbols as they are written.
fn value<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let value = attributes
        .strip_prefix(name)?
        .strip_prefix("=\"")?
        .strip_suffix('"')?;
    (!value.contains(['"', '<'])).then_some(value)
}

fn is_language(class: &str) -> bool {
    class
        .strip_prefix("language-")
        .is_some_and(|language| !language.is_empty() && !language.contains(char::is_whitespace))
}

/// Telegram drops a link to another place in silence, and its address with it.
fn is_address(attributes: &str) -> bool {
    let schemes = ["http://", "https://", "tg://", "ton://"];
    value(attributes, "href").is_some_and(|target| {
        let lower = target.to_ascii_lowercase();
        schemes
            .iter()
            .any(|scheme| lower.len() > scheme.len() && lower.starts_with(scheme))
            && !target.contains(|symbol: char| symbol.is_whitespace() || symbol.is_control())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_removed_and_symbols_are_resolved() {
        let html = "<b>a &lt;b&gt;</b> &amp; <a href=\"https://x.y/?a&amp;b\">l</a> &#65;&#x42; \
            <pre><code class=\"language-rust\">x</code></pre><blockquote expandable>q <code>c</code></blockquote>";
        let shown = parse(html).unwrap();
        assert_eq!((shown.text.as_str(), shown.entities), ("a <b> & l AB xq c", 5));
    }

    #[test]
    fn bad_markup_is_refused_in_telegrams_words() {
        for (html, reason) in [
            ("<b>", "Can't find end tag corresponding to start tag \"b\""),
            ("a < b", "Unclosed start tag at byte offset 2"),
            ("</b>", "Unexpected end tag at byte offset 0"),
            (
                "<b><i></b></i>",
                "Unmatched end tag at byte offset 6, expected \"</i>\", found \"</b>\"",
            ),
            ("<div>x</div>", "Unsupported start tag \"div\" at byte offset 0"),
            ("a<br>", "Unsupported start tag \"br\" at byte offset 1"),
        ] {
            assert_eq!(
                parse(html),
                Err(format!("can't parse entities: {reason}")),
                "{html}"
            );
        }
    }

    #[test]
    fn what_telegram_would_repair_in_silence_is_refused() {
        for html in [
            "a & b",
            "a > b",
            "&nbsp;",
            "<b><b>x</b></b>",
            "<b><code>x</code></b>",
            "<code><b>x</b></code>",
            "<pre><i>x</i></pre>",
            "<pre>a<code>x</code></pre>",
            "<a href=\"https://x.y\"><code>x</code></a>",
            "<a href=\"https://x.y\"><a href=\"https://x.y\">x</a></a>",
            "<blockquote>a<b><blockquote>b</blockquote></b></blockquote>",
            "<a>x</a>",
            "<a href=\"docs/x.md\">x</a>",
            "<b class=\"x\">x</b>",
            "<code class=\"language-x\">x</code>",
            "<span>x</span>",
        ] {
            assert!(parse(html).is_err(), "{html}");
        }
    }
}
