//! The HTML parse mode, as far as a bot's text goes: which markup is refused, and what a person sees.

const TAGS: [&str; 15] = [
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "span",
    "tg-spoiler",
    "a",
    "code",
    "pre",
    "blockquote",
];

/// The text without its markup.
///
/// # Errors
/// The reason as Telegram words it.
pub(super) fn visible(html: &str) -> Result<String, String> {
    let mut open: Vec<&str> = Vec::new();
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('&') {
            let (symbol, length) = entity(rest);
            text.push(symbol);
            rest = &rest[length..];
            continue;
        }
        let end = rest.find('>').ok_or_else(|| parse_error("unclosed start tag"))?;
        tag(&rest[1..end], &mut open)?;
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    match open.last() {
        Some(name) => Err(parse_error(&format!(
            "can't find end tag corresponding to start tag \"{name}\""
        ))),
        None => Ok(text),
    }
}

fn tag<'a>(inside: &'a str, open: &mut Vec<&'a str>) -> Result<(), String> {
    if let Some(name) = inside.strip_prefix('/') {
        return match open.pop() {
            Some(expected) if expected.eq_ignore_ascii_case(name.trim()) => Ok(()),
            _ => Err(parse_error(&format!("unexpected end tag \"{name}\""))),
        };
    }
    let name = inside
        .split(|symbol: char| symbol.is_whitespace())
        .next()
        .unwrap_or_default();
    if !TAGS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Err(parse_error(&format!("unsupported start tag \"{name}\"")));
    }
    open.push(name);
    Ok(())
}

/// The symbol at the front of `text`, and the bytes that it takes; an entity that is none stands for itself.
fn entity(text: &str) -> (char, usize) {
    let Some(end) = text.find(';').filter(|end| *end <= 10) else {
        return ('&', 1);
    };
    let symbol = match &text[1..end] {
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
    symbol.map_or(('&', 1), |symbol| (symbol, end + 1))
}

fn parse_error(reason: &str) -> String {
    format!("can't parse entities: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_removed_and_entities_are_resolved() {
        let html = "<b>a &lt;b&gt;</b> &amp; <a href=\"x\">l</a> &#65;&#x42; &unknown; & <pre><code class=\"language-rust\">x</code></pre>";
        assert_eq!(visible(html).unwrap(), "a <b> & l AB &unknown; & x");
    }

    #[test]
    fn bad_markup_is_refused() {
        for html in ["<b>", "a < b", "</b>", "<b><i></b></i>", "<div>x</div>", "<br>"] {
            assert!(visible(html).is_err(), "{html}");
        }
    }
}
