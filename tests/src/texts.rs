//! Random texts as models write them, and worse.

use crate::chance::Chance;

/// What a text is made of: words, white space, Markdown, and signs that must not be cut.
const FRAGMENTS: [&str; 64] = [
    "a",
    "word",
    "Sentence. ",
    "really! ",
    "longerwordthanmost",
    "snake_case_name",
    "x = 1;",
    "1,024.5",
    " ",
    " ",
    "  ",
    "\t",
    "\n",
    "\n",
    "\n\n",
    "\r\n",
    "\r\n\r\n",
    " \n",
    "    ",
    "\u{a0}",
    "\u{3000}",
    "\u{200b}",
    "**",
    "*",
    "_",
    "~~",
    "`",
    "``",
    "# ",
    "## ",
    "> ",
    "> > ",
    "- ",
    "  - ",
    "    - ",
    "1. ",
    "- [x] ",
    "---\n",
    "\n```\n",
    "\n```rust\n",
    "\n````md\n",
    "\n````\n",
    "\n~~~\n",
    "\n~~~~ python title=\"x\"\n",
    "\n~~~~\n",
    "\n  ```\n",
    "```",
    "\n   ~~~\n",
    "[a](https://x.y)",
    "![b](",
    "| a | b |\n",
    "|---|--:|\n",
    "| cell `c` | \u{4e00} |\n",
    "e\u{301}",
    " \u{301}",
    "\u{1f600}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "\u{1f1eb}\u{1f1f7}",
    "\u{1f44d}\u{1f3fd}",
    "\u{4e00}\u{3002}",
    "\u{5d0}\u{5d1}",
    "\u{e01}\u{e33}",
    "\0",
    "\u{ff01}",
];

/// A text of a length that differs by orders of magnitude from one to the next; some are longer than a message may be.
pub fn random_text(chance: &mut Chance) -> String {
    let mut text = String::new();
    let most = [8, 8, 40, 40, 80, 80, 160, 800][index(chance, 8)];
    let fragments = chance.below(most);
    for _ in 0..fragments {
        let fragment = FRAGMENTS[index(chance, FRAGMENTS.len())];
        match chance.below(60) {
            // Long words, deep piles of accents, blocks larger than any chunk.
            0 => text.push_str(&fragment.repeat(index(chance, 30))),
            1 => text.push_str(&"line of code();\n".repeat(index(chance, 20))),
            2 => text.push_str(&"x".repeat(index(chance, 200))),
            3 => text.extend(char::from_u32(
                u32::try_from(chance.below(0x11_0000)).unwrap_or_default(),
            )),
            _ => text.push_str(fragment),
        }
    }
    text
}

fn index(chance: &mut Chance, below: usize) -> usize {
    usize::try_from(chance.below(below as u64)).unwrap_or_default()
}
