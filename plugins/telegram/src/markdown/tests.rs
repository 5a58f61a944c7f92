use super::fuzzing::{check, visible};
use super::*;
use crate::TEXT_LIMIT;
use proptest::prelude::*;

#[test]
fn markdown_becomes_telegram_html() {
    for (markdown, html) in [
        ("plain", "plain"),
        ("a < b && c > \"d\"", "a &lt; b &amp;&amp; c &gt; &quot;d&quot;"),
        (
            "**bold** *italic* ~~gone~~ `x < y`",
            "<b>bold</b> <i>italic</i> <s>gone</s> <code>x &lt; y</code>",
        ),
        ("***both***", "<i><b>both</b></i>"),
        ("**a __b__ c**", "<b>a b c</b>"),
        ("one\ntwo\n\nthree", "one\ntwo\n\nthree"),
        ("one  \ntwo", "one\ntwo"),
        ("# Title\ntext", "<b>Title</b>\n\ntext"),
        ("# **Title**", "<b>Title</b>"),
        ("> a\n> > b\n\nc", "<blockquote>a\n\nb</blockquote>\n\nc"),
        ("a\n\n---\n\nb", "a\n\n──────────\n\nb"),
        ("<b>x</b> <script>", "&lt;b&gt;x&lt;/b&gt; &lt;script&gt;"),
        ("<div>\nx\n</div>\n\ny", "&lt;div&gt;\nx\n&lt;/div&gt;\n\ny"),
        ("&lt; &amp;lt;", "&lt; &amp;lt;"),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
        ("**unclosed `code", "**unclosed `code"),
    ] {
        assert_eq!(to_html(markdown, TEXT_LIMIT).as_deref(), Some(html), "{markdown}");
    }
}

#[test]
fn code_blocks_keep_their_text_and_language() {
    for (markdown, html) in [
        (
            "a\n```rust\nlet x = \"<\";\n\n  **y**\n```\nb",
            "a\n\n<pre><code class=\"language-rust\">let x = &quot;&lt;&quot;;\n\n  **y**</code></pre>\n\nb",
        ),
        ("```\nx\n```", "<pre>x</pre>"),
        (
            "```c++ title=\"x\"\nx\n```",
            "<pre><code class=\"language-c++\">x</code></pre>",
        ),
        ("```\"><b>\nx\n```", "<pre>x</pre>"),
        ("    indented\n    more", "<pre>indented\nmore</pre>"),
        ("- a\n\n  ```\n  x\n  ```\n- b", "• a\n<pre>x</pre>\n• b"),
    ] {
        assert_eq!(to_html(markdown, TEXT_LIMIT).as_deref(), Some(html), "{markdown}");
    }
}

#[test]
fn lists_get_bullets_numbers_and_indentation() {
    for (markdown, html) in [
        ("- a\n- b\n\nc", "• a\n• b\n\nc"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("- a\n  - b\n    1. c\n- d", "• a\n  • b\n    1. c\n• d"),
        ("- a\n\n- b", "• a\n• b"),
        ("- a\n  more\n\n  second", "• a\n  more\n  second"),
        ("- [x] done\n- [ ] open\n- a", "☑ done\n☐ open\n• a"),
        ("1. [x] done\n\n2. [ ] **open**", "1. ☑ done\n2. ☐ <b>open</b>"),
        ("- **a** b", "• <b>a</b> b"),
        ("- ```\n  x\n  ```", "• \n<pre>x</pre>"),
        ("- - a", "• \n  • a"),
        ("text\n- a", "text\n\n• a"),
        ("> - a\n> - b", "<blockquote>• a\n• b</blockquote>"),
    ] {
        assert_eq!(to_html(markdown, TEXT_LIMIT).as_deref(), Some(html), "{markdown}");
    }
}

#[test]
fn links_keep_their_address() {
    for (markdown, html) in [
        (
            "[a](https://x.y/?p=1&q=2)",
            "<a href=\"https://x.y/?p=1&amp;q=2\">a</a>",
        ),
        ("[a](HTTP://x.y)", "<a href=\"HTTP://x.y\">a</a>"),
        ("[**a**](https://x.y)", "<a href=\"https://x.y\"><b>a</b></a>"),
        ("<https://x.y>", "<a href=\"https://x.y\">https://x.y</a>"),
        ("[](https://x.y)", "<a href=\"https://x.y\">https://x.y</a>"),
        ("[a](docs/b.md)", "a (docs/b.md)"),
        ("[a](#part)", "a"),
        ("[a](javascript:alert(1))", "a (javascript:alert(1))"),
        ("<me@x.y>", "me@x.y"),
        (
            "![alt](https://x.y/p.png)",
            "<a href=\"https://x.y/p.png\">alt</a>",
        ),
        (
            "[![alt](https://x.y/p.png)](https://x.y)",
            "<a href=\"https://x.y\">alt (https://x.y/p.png)</a>",
        ),
    ] {
        assert_eq!(to_html(markdown, TEXT_LIMIT).as_deref(), Some(html), "{markdown}");
    }
}

#[test]
fn narrow_table_is_in_columns() {
    let markdown = "| Name | **N** |\n|---|--:|\n| ä `x` | 5 |\n| [l](b.md) | 1000 |\n| 漢字<br>😀 | 2 |";
    let html =
        "<pre>Name     |    N\n---------+-----\nä x      |    5\nl (b.md) | 1000\n漢字 😀  |    2</pre>";
    assert_eq!(to_html(markdown, TEXT_LIMIT).as_deref(), Some(html));
}

#[test]
fn wide_table_is_a_list_of_its_rows() {
    let markdown = "Cities:\n\n| City | What it is | Link |\n|---|---|---|\n| Paris | The *capital* of France, on the Seine | [more](https://x.y) |\n| Lyon | | `a|b` |\n\nEnd";
    let html = "Cities:\n\n<b>Paris</b>\nWhat it is: The <i>capital</i> of France, on the Seine\n\
        Link: <a href=\"https://x.y\">more</a>\n\n<b>Lyon</b>\nLink: <code>a|b</code>\n\nEnd";
    assert_eq!(
        to_html(&markdown.replace("`a|b`", "`a\\|b`"), TEXT_LIMIT).as_deref(),
        Some(html)
    );
    let head = format!("| {} | b |\n|---|---|", "a".repeat(40));
    assert_eq!(visible(&head).unwrap(), format!("{}\nb: b", "a".repeat(40)));
}

#[test]
fn telegrams_rules_of_nesting_are_kept() {
    for (markdown, html) in [
        ("**run `x` now**", "<b>run </b><code>x</code><b> now</b>"),
        ("# Use `x`", "<b>Use </b><code>x</code>"),
        ("[see `x`](https://x.y)", "<a href=\"https://x.y\">see x</a>"),
        ("**[a](https://x.y)**", "<b><a href=\"https://x.y\">a</a></b>"),
        (
            "> **a `b`**\n>\n> ```\n> c\n> ```",
            "<blockquote><b>a </b><code>b</code>\n\n<pre>c</pre></blockquote>",
        ),
        (
            "> a\n\n---\n> b",
            "<blockquote>a</blockquote>\n\n──────────\n\n<blockquote>b</blockquote>",
        ),
        ("***~~all~~***", "<i><b><s>all</s></b></i>"),
    ] {
        assert_eq!(to_html(markdown, TEXT_LIMIT).as_deref(), Some(html), "{markdown}");
    }
}

#[test]
fn quotations_footnotes_and_hidden_text_are_shown_as_such() {
    for (markdown, html) in [
        (
            "> [!WARNING]\n> Hot",
            "<blockquote><b>Warning</b>\nHot</blockquote>",
        ),
        ("So[^1].\n\n[^1]: Because.", "So[1].\n\n[1] Because."),
        ("So[^1].", "So[^1]."),
        ("It was ||me||.", "It was <tg-spoiler>me</tg-spoiler>."),
        ("`a ||b|| c`", "<code>a ||b|| c</code>"),
        ("a<br>b", "a\nb"),
    ] {
        assert_eq!(to_html(markdown, TEXT_LIMIT).as_deref(), Some(html), "{markdown}");
    }
    let long = to_html(&"> line\n".repeat(10), TEXT_LIMIT).unwrap();
    assert!(long.starts_with("<blockquote expandable>line\n"), "{long}");
}

#[test]
fn text_that_is_still_being_written_is_shown_as_it_will_be() {
    for (markdown, html) in [
        (
            "Look:\n```rust\nfn a() {",
            "Look:\n\n<pre><code class=\"language-rust\">fn a() {</code></pre>",
        ),
        ("Look:\n```ru", "Look:"),
        ("Things:\n-", "Things:"),
        ("Things:\n- a\n-", "Things:\n\n• a"),
        ("a **half", "a **half"),
        ("a [half](https://x", "a [half](https://x"),
        ("| a | b |\n|--", "| a | b |\n|--"),
    ] {
        assert_eq!(to_html(markdown, TEXT_LIMIT).as_deref(), Some(html), "{markdown}");
    }
}

#[test]
fn beyond_a_hundred_entities_links_keep_their_addresses() {
    let html = to_html(&"**a** [b](https://x.y) ".repeat(60), TEXT_LIMIT).unwrap();
    assert_eq!(html.matches("<b>").count() + html.matches("<a ").count(), 100);
    assert!(html.ends_with("a b (https://x.y)"), "{html}");
}

#[test]
fn what_grows_beyond_the_limit_takes_a_plainer_form() {
    let rules = "a\n\n---\n\n".repeat(400);
    assert!(visible(&rules).unwrap().starts_with("a\n\n—\n\na"));
    let narrow = format!("|a|{}|\n|-|-:|\n", "b".repeat(30)) + &"|z|z|\n".repeat(400);
    assert_eq!(visible(&narrow).unwrap().lines().nth(1), Some("z | z"));
    assert_eq!(visible(&"-\n".repeat(2000)), None);
}

#[test]
fn what_cannot_be_seen_or_is_too_long_stays_plain() {
    for markdown in ["", " \n", "[]()", "\u{a0}", "[a]: https://x.y"] {
        assert_eq!(to_html(markdown, TEXT_LIMIT), None, "{markdown:?}");
    }
    assert!(visible(&"x".repeat(4096)).is_some());
    assert_eq!(visible(&"x".repeat(4097)), None);
    assert_eq!(visible(&"😀".repeat(2049)), None);
    assert_eq!(visible(&"+ ".repeat(2048)), None);
    let wide = format!("|a|b|\n|-|-|\n{}|x|", "y".repeat(1000)) + &"\n|z|z|".repeat(500);
    assert!(to_html(&wide, TEXT_LIMIT).is_none_or(|html| html.len() < 20_000));
}

proptest! {
    #[test]
    fn any_text_is_taken_by_telegram(text in ".{0,200}") {
        check(&text);
    }

    #[test]
    fn any_markdown_is_taken_by_telegram(pieces in prop::collection::vec(piece(), 0..40)) {
        check(&pieces.concat());
    }

    /// A chunk as the host cuts it: as much as it gets into the limit.
    #[test]
    fn any_full_chunk_is_taken_by_telegram(pieces in prop::collection::vec(piece(), 1..12), nested in nested()) {
        let pattern = pieces.concat() + &nested;
        let units = pattern.encode_utf16().count();
        check(&pattern.repeat(4096 / units.max(1)));
    }

    #[test]
    fn any_nesting_is_taken_by_telegram(nested in nested()) {
        check(&nested);
    }

    #[test]
    fn letters_survive(words in prop::collection::vec("[a-z]{1,8}", 1..20), marks in prop::collection::vec(piece(), 20)) {
        let markdown: String = words.iter().zip(&marks).map(|(word, mark)| format!("{word} {mark} ")).collect();
        if let Some(html) = to_html(&markdown, TEXT_LIMIT) {
            prop_assert!(html.contains(words[0].as_str()));
        }
    }
}

/// Markup in markup: each layer wraps the lines of what is inside.
fn nested() -> impl Strategy<Value = String> {
    let wrap = |text: &str, kind: usize| {
        let lines = |first: &str, other: &str| {
            let text = text.replace('\n', &format!("\n{other}"));
            format!("{first}{text}\n")
        };
        match kind {
            0 => lines("> ", "> "),
            1 => lines("- ", "  "),
            2 => lines("12. ", "    "),
            3 => format!("**{text}**"),
            4 => format!("*x {text}* y"),
            5 => format!("~~{text}~~"),
            6 => format!("[{text}](https://x.y/?a&b)"),
            7 => format!("![{text}](https://x.y)"),
            8 => format!("`{text}`"),
            9 => format!("```rust\n{text}\n```\n"),
            10 => format!("||{text}||"),
            11 => format!("# {text}\n"),
            12 => format!("| a | {text} |\n|---|--:|\n| {text} | b |\n"),
            13 => format!("> [!NOTE]\n> {text}\n"),
            14 => lines("- [x] ", "  "),
            15 => format!("{text}[^1]\n\n[^1]: {text}\n"),
            _ => format!("<b>{text}</b>"),
        }
    };
    prop::collection::vec(0..17usize, 0..10)
        .prop_map(move |kinds| {
            kinds
                .into_iter()
                .fold("a 😀".to_owned(), |text, kind| wrap(&text, kind))
        })
        .prop_filter("text of a sensible length", |text| text.len() < 20_000)
}

fn piece() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "*",
        "**",
        "_",
        "~~",
        "`",
        "```",
        "```rust\n",
        "\n",
        "\n\n",
        "> ",
        "- ",
        "  - ",
        "1. ",
        "# ",
        "a",
        "ä 😀",
        "[",
        "](",
        "](https://x.y)",
        ")",
        "![",
        "<b>",
        "</b>",
        "<",
        ">",
        "&",
        "&amp;",
        "\"",
        "|",
        "\n|---|\n",
        "| a | b |\n",
        "---\n",
        "    ",
        "\t",
        "\\",
        "\0",
        "<!--",
        "[x] ",
        "<https://x.y>",
        "||",
        "[^1]",
        "\n[^1]: ",
        "> [!TIP]\n",
        "<br>",
        "- [ ] ",
        "| wide cell of a table, which no phone has room for |",
        "[a `b`](https://x.y)",
        "**a `b` c**",
    ])
    .prop_map(str::to_owned)
}
