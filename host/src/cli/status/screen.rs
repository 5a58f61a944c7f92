//! What fits on a terminal.

/// The lines that fit; what was drawn beyond them would push the first ones out, and each time into what scrolled by.
pub(super) fn fitting(text: &str) -> String {
    match rustix::termios::tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => cut(text, size.ws_row.into(), size.ws_col.into()),
        _ => text.to_owned(),
    }
}

fn cut(text: &str, rows: usize, columns: usize) -> String {
    let height = |line: &str| line.chars().count().div_ceil(columns).max(1);
    // The cursor stands below.
    let room = rows.saturating_sub(1);
    if text.lines().map(height).sum::<usize>() <= room {
        return text.to_owned();
    }
    let mut taken = 0;
    let fits = |line: &&str| {
        taken += height(line);
        taken < room
    };
    let shown: Vec<&str> = text.lines().take_while(fits).collect();
    let hidden = text.lines().count() - shown.len();
    let mut cut: String = shown.iter().flat_map(|line| [line, "\n"]).collect();
    let note = format!("… {hidden} lines more");
    cut.extend(note.chars().take(columns));
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_never_scrolls() {
        let text = "one\ntwo two\nthree\nfour\n";
        assert_eq!(cut(text, 5, 80), text);
        assert_eq!(cut(text, 4, 80), "one\ntwo two\n… 2 lines more");
        // The second line takes two rows.
        assert_eq!(cut(text, 5, 5), "one\ntwo two\n… 2 l");
        assert_eq!(cut(text, 4, 5), "one\n… 3 l");
        assert_eq!(cut(text, 6, 5), text);
        assert_eq!(cut(text, 1, 80), "… 4 lines more");
        for (rows, columns) in (1..12).flat_map(|rows| (1..12).map(move |columns| (rows, columns))) {
            let text = cut(&text.repeat(3), rows, columns);
            let taken: usize = text
                .lines()
                .map(|line| line.chars().count().div_ceil(columns))
                .sum();
            assert!(taken <= rows, "{rows} x {columns}: {text}");
        }
    }
}
