//! Examples and properties of splitting.

use miniclaw_tests::chance::Chance;
use miniclaw_tests::texts::random_text;
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::fuzzing::{check, rejoin, spare};
use super::*;

fn split_chars(text: &str, limit: usize) -> Vec<String> {
    split(text, limit, TextUnit::Chars)
}

#[test]
fn text_that_fits_is_left_alone() {
    assert_eq!(split_chars("  a\n", 4), ["  a\n"]);
    let faces = "\u{1f600}\u{1f600}";
    assert_eq!(split(faces, 4, TextUnit::Utf16), [faces]);
    let long = "x".repeat(10_000);
    assert_eq!(split_chars(&long, 0), [long]);
}

#[test]
fn nothing_visible_is_no_chunk() {
    assert!(split_chars("", 10).is_empty());
    assert!(split_chars(&" \n".repeat(100), 10).is_empty());
    let blank = " \n".repeat(50);
    assert_eq!(split_chars(&format!("{blank}a{blank}b{blank}"), 10), ["a", "b"]);
}

#[test]
fn best_border_in_the_later_half_wins() {
    let cases: [(&str, usize, &[&str]); 6] = [
        (
            "one two.\n\nthree four. five\nsix seven",
            30,
            &["one two.\n\nthree four. five", "six seven"],
        ),
        (
            "one two three four.\n\nfour. five\nsix seven",
            30,
            &["one two three four.", "four. five\nsix seven"],
        ),
        (
            "one two six. three four five",
            16,
            &["one two six.", "three four five"],
        ),
        ("onetwothreefour five", 16, &["onetwothreefour", "five"]),
        ("onetwothreefour", 10, &["onetwothre", "efour"]),
        (
            "\u{4e00}\u{4e8c}\u{3002}\u{4e09}\u{56db}",
            4,
            &["\u{4e00}\u{4e8c}\u{3002}", "\u{4e09}\u{56db}"],
        ),
    ];
    for (text, limit, chunks) in cases {
        assert_eq!(split_chars(text, limit), chunks);
    }
}

#[test]
fn indentation_stays_and_blank_lines_go() {
    assert_eq!(
        split_chars("first line\n\n\n    second", 12),
        ["first line", "    second"]
    );
}

#[test]
fn grapheme_is_only_cut_where_it_is_over_the_limit() {
    let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
    let flag = "\u{1f1eb}\u{1f1f7}";
    assert_eq!(
        split_chars(&family.repeat(3), 11),
        [family.repeat(2), family.to_owned()]
    );
    assert_eq!(split_chars(&flag.repeat(3), 5), [flag.repeat(2), flag.to_owned()]);
    assert_eq!(split_chars("\r\n\r\naaaa\r\nbbbb", 5), ["aaaa", "bbbb"]);
    let pile = format!("e{}", "\u{301}".repeat(9));
    let chunks = split_chars(&pile, 4);
    assert_eq!((chunks.len(), chunks.concat()), (3, pile));
}

#[test]
fn block_that_fits_is_never_cut() {
    let block = "```rust\nfn a() {}\n\nfn b() {}\n```";
    let text = format!("Look at this:\n{block}\nand so on");
    assert_eq!(split_chars(&text, 40), ["Look at this:", block, "and so on"]);
}

#[test]
fn block_over_the_limit_is_closed_and_opened_again() {
    let lines: Vec<String> = (0..8).map(|n| format!("    line {n};")).collect();
    let text = format!("Before.\n\n```rust\n{}\n```\n\nAfter.", lines.join("\n"));
    assert_eq!(
        split_chars(&text, 64),
        [
            "Before.\n\n```rust\n    line 0;\n    line 1;\n    line 2;\n```",
            "```rust\n    line 3;\n    line 4;\n    line 5;\n    line 6;\n```",
            "```rust\n    line 7;\n```\n\nAfter.",
        ]
    );
}

#[test]
fn closing_fence_that_is_left_over_is_replaced() {
    let line = "x".repeat(60);
    let text = format!("```\n{line}\n{line}\n\n\n\n\n   `````````\nend");
    assert_eq!(
        split_chars(&text, 130),
        [format!("```\n{line}\n{line}\n```"), "end".to_owned()]
    );
}

#[test]
fn block_that_never_ends_is_a_block() {
    let text = format!("```\n{}", "word ".repeat(30));
    for chunk in split_chars(&text, 50) {
        assert!(chunk.starts_with("```\nword"), "{chunk}");
    }
}

#[test]
fn cut_within_a_line_makes_no_fence() {
    let text = format!("{}```rust x``` {}", "word ".repeat(6), "more ".repeat(6));
    let chunks = split_chars(&text, 36);
    assert!(
        chunks.len() == 3 && !chunks.iter().any(|chunk| chunk.starts_with("```")),
        "{chunks:?}"
    );
    let text = format!("```\n{}\n``` {}\n```", "x".repeat(20), "y".repeat(60));
    for chunk in split_chars(&text, 48) {
        assert_eq!(fences(&chunk).len(), 1, "{chunk}");
    }
}

#[test]
fn opening_line_that_leaves_no_room_is_plain_text() {
    let text = format!("```{}\ncode\n```", "info".repeat(30));
    let chunks = split_chars(&text, 50).concat();
    assert_eq!(chunks.replace('\n', ""), text.replace('\n', ""));
}

#[test]
fn megabyte_takes_no_time() {
    let size = 1_000_000;
    let texts = [
        "word ".repeat(size / 5),
        "x".repeat(size),
        "\u{301}".repeat(size / 2),
        "\u{1f1eb}\u{1f1f7}".repeat(size / 8),
        "\u{4e00}".repeat(size / 3),
        format!("a{}b", " ".repeat(size)),
        format!("```\n{}```", "line\n".repeat(size / 5)),
        format!("```\n{}\nx\n```", "\n".repeat(size)),
        "```\nx\n```\n".repeat(size / 10),
        "```\n".repeat(size / 4),
    ];
    for text in texts {
        let begin: String = text.chars().take(8).collect();
        let start = std::time::Instant::now();
        let chunks = split(&text, 4096, TextUnit::Utf16);
        let took = start.elapsed();
        assert!(
            took.as_secs() < 5,
            "{took:?} for {} chunks of {begin:?}",
            chunks.len()
        );
    }
}

#[test]
fn a_hundred_thousand_characters_are_split_by_the_rules() {
    let lines = "Some *words* e\u{301} \u{1f468}\u{200d}\u{1f469} and 漢字。\n\n";
    let code = format!("```rust\n{}```\n", "let x = \"😀\";\n".repeat(900));
    let block = "~~~\nshort\n~~~\n\0\u{202e}bidi\u{202c}\n";
    let mut text = String::new();
    while text.chars().count() < 100_000 {
        text.extend([lines, block, &lines.repeat(40), &code]);
    }
    check(&text, 4096, TextUnit::Utf16);
    let chunks = split(&text, 4096, TextUnit::Utf16);
    assert!((25..70).contains(&chunks.len()), "{}", chunks.len());
}

#[test]
fn one_grapheme_longer_than_the_limit_is_cut_between_its_characters() {
    for giant in [
        format!("e{}", "\u{301}".repeat(9_000)),
        format!("\u{1f468}{}", "\u{200d}\u{1f469}".repeat(3_000)),
    ] {
        check(&giant, 4096, TextUnit::Utf16);
        let chunks = split(&giant, 4096, TextUnit::Utf16);
        assert!(chunks.len() > 2 && chunks.concat() == giant);
        assert!(
            chunks[..chunks.len() - 1]
                .iter()
                .all(|chunk| chunk.encode_utf16().count() > 3_000)
        );
    }
}

/// `cargo bench -p miniclaw --bench split` does the same a million times.
#[test]
fn random_texts_are_split_by_the_rules() {
    let mut chance = Chance::seeded(5);
    for _ in 0..1_000 {
        let text = random_text(&mut chance);
        let limit = 32 + usize::try_from(chance.below(600)).unwrap();
        check(&text, limit, TextUnit::Utf16);
        check(&text, 4096, TextUnit::Utf16);
    }
}

/// Text as models write it, and worse.
fn texts() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "a",
        "word",
        " ",
        " ",
        "\n",
        "\n",
        "\n\n",
        "\r\n",
        ". ",
        "! ",
        "\t",
        "    ",
        "\n```rust\n",
        "\n```\n",
        "\n  ```\n",
        "```",
        "\n~~~~\n",
        "`",
        "\u{e9}",
        "e\u{301}",
        " \u{301}",
        "\u{1f468}\u{200d}\u{1f469}",
        "\u{1f1eb}\u{1f1f7}",
        "\u{4e00}\u{3002}",
        "\u{200b}",
        "\0",
        "longerwordthanmost",
        "line of code;\n",
    ]);
    prop::collection::vec(fragment, 0..120).prop_map(|fragments| fragments.concat())
}

fn units() -> impl Strategy<Value = TextUnit> {
    prop::sample::select(vec![TextUnit::Bytes, TextUnit::Utf16, TextUnit::Chars])
}

proptest! {
    #[test]
    fn chunks_keep_the_limit_and_are_visible(text in texts(), limit in 4usize..150, unit in units()) {
        let ruler = Ruler::new(&text, unit);
        for chunk in split(&text, limit, unit) {
            prop_assert!(ruler.size(&chunk) <= limit, "{chunk:?}");
            prop_assert!(!chunk.trim().is_empty());
        }
    }

    #[test]
    fn pieces_are_the_text_but_for_white_space(text in texts(), limit in 4usize..150, unit in units()) {
        let text = text.trim_end();
        rejoin(text, &Splitter::new(text, limit, unit).pieces());
    }

    #[test]
    fn cuts_spare_graphemes_and_blocks(text in texts(), limit in 32usize..150, unit in units()) {
        let text = text.trim_end();
        let splitter = Splitter::new(text, limit, unit);
        let mut borders: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
        borders.push(text.len());
        let pieces = splitter.pieces();
        for piece in &pieces {
            for at in [piece.range.start, piece.range.end] {
                prop_assert!(borders.binary_search(&at).is_ok(), "{at}");
            }
        }
        spare(text, &splitter, &pieces);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn long_texts_are_split_by_the_rules_for_telegram(parts in prop::collection::vec(texts(), 1..60)) {
        check(&parts.concat(), 4096, TextUnit::Utf16);
    }
}
