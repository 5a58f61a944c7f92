//! Text that is hidden until it is touched: `||…||`.

const MARK: &str = "||";

/// The text in pieces, each with whether it is hidden.
pub(super) fn pieces(text: &str) -> Vec<(bool, &str)> {
    let mut pieces = Vec::new();
    let (mut shown, mut at) = (0, 0);
    while let Some(found) = text[at..].find(MARK) {
        let start = at + found;
        match hidden(text, start) {
            Some(end) => {
                pieces.push((false, &text[shown..start]));
                pieces.push((true, &text[start + MARK.len()..end]));
                (shown, at) = (end + MARK.len(), end + MARK.len());
            }
            None => at = start + MARK.len(),
        }
    }
    pieces.push((false, &text[shown..]));
    pieces
}

/// Where the text that is hidden from the mark at `start` on ends. The marks stand close to it and apart from
/// words outside, so that the `||` of a program is none.
fn hidden(text: &str, start: usize) -> Option<usize> {
    let inside = &text[start + MARK.len()..];
    let length = inside.find(MARK)?;
    let after = &inside[length + MARK.len()..];
    let inside = &inside[..length];
    let is_close = !inside.is_empty()
        && !inside.starts_with(char::is_whitespace)
        && !inside.ends_with(char::is_whitespace);
    let is_apart =
        !text[..start].ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
    (is_close && is_apart && !inside.contains('|')).then_some(start + MARK.len() + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_hide_what_is_close_between_them() {
        assert_eq!(
            pieces("It was ||the *gardener*||."),
            [(false, "It was "), (true, "the *gardener*"), (false, ".")]
        );
        for text in ["a || b || c", "a||b||c", "if x ||y", "||||", "|| a||", "||a|b||"] {
            assert!(pieces(text).iter().all(|(hidden, _)| !hidden), "{text}");
        }
    }
}
