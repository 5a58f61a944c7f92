use super::fuzzing::check;
use super::*;
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
        assert_eq!(to_html(markdown).as_deref(), Some(html), "{markdown}");
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
        assert_eq!(to_html(markdown).as_deref(), Some(html), "{markdown}");
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
        ("- [x] done\n- [ ] open", "• ☑ done\n• ☐ open"),
        ("text\n- a", "text\n\n• a"),
        ("> - a\n> - b", "<blockquote>• a\n• b</blockquote>"),
    ] {
        assert_eq!(to_html(markdown).as_deref(), Some(html), "{markdown}");
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
        assert_eq!(to_html(markdown).as_deref(), Some(html), "{markdown}");
    }
}

#[test]
fn table_is_preformatted() {
    let markdown = "| Name | **N** |\n|---|--:|\n| ä `x` | 5 |\n| [l](b.md) | 1000 |";
    let html = "<pre>Name     |    N\n---------+-----\nä x      |    5\nl (b.md) | 1000</pre>";
    assert_eq!(to_html(markdown).as_deref(), Some(html));
}

#[test]
fn what_cannot_be_seen_or_is_too_long_stays_plain() {
    for markdown in ["", " \n", "[]()", "\u{a0}", "[a]: https://x.y"] {
        assert_eq!(to_html(markdown), None, "{markdown:?}");
    }
    assert!(to_html(&"x".repeat(4096)).is_some());
    assert_eq!(to_html(&"x".repeat(4097)), None);
    assert_eq!(to_html(&"😀".repeat(2049)), None);
    assert_eq!(to_html(&"+ ".repeat(2048)), None);
    let wide = format!("|a|b|\n|-|-|\n{}|x|", "y".repeat(1000)) + &"\n|z|z|".repeat(500);
    assert!(to_html(&wide).is_none_or(|html| html.len() < 20_000));
}

proptest! {
    #[test]
    fn any_text_gives_balanced_tags(text in ".{0,200}") {
        check(&text);
    }

    #[test]
    fn any_markdown_gives_balanced_tags(pieces in prop::collection::vec(piece(), 0..40)) {
        check(&pieces.concat());
    }

    #[test]
    fn letters_survive(words in prop::collection::vec("[a-z]{1,8}", 1..20), marks in prop::collection::vec(piece(), 20)) {
        let markdown: String = words.iter().zip(&marks).map(|(word, mark)| format!("{word} {mark} ")).collect();
        if let Some(html) = to_html(&markdown) {
            prop_assert!(html.contains(words[0].as_str()));
        }
    }
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
    ])
    .prop_map(str::to_owned)
}
