// Markdown, by the page's own module.
const assert = require('node:assert/strict');

const CASES = [
  ['plain', '<p>plain</p>'],
  ['one\ntwo\n\nthree', '<p>one<br>two</p><p>three</p>'],
  ['**bold** *it* _it_ __bold__ ***both*** ~~gone~~', '<p><strong>bold</strong> <em>it</em> <em>it</em> <strong>bold</strong> <strong><em>both</em></strong> <del>gone</del></p>'],
  ['snake_case_name and 2 * 3 * 4', '<p>snake_case_name and 2 * 3 * 4</p>'],
  ['**a *b* c** and *a **b** c*', '<p><strong>a <em>b</em> c</strong> and <em>a <strong>b</strong> c</em></p>'],
  ['**not closed and *neither', '<p>**not closed and *neither</p>'],
  ['`a *b* <c>` and ``a ` b``', '<p><code>a *b* &lt;c&gt;</code> and <code>a ` b</code></p>'],
  ['*a `*` b*', '<p><em>a <code>*</code> b</em></p>'],
  ['\\*not it\\* \\`', '<p>*not it* `</p>'],
  ['# One\n### Three', '<h3>One</h3><h5>Three</h5>'],
  ['#no heading', '<p>#no heading</p>'],
  ['text\n---\nmore', '<p>text</p><hr><p>more</p>'],
  ['- a\n- b\n  - c\n- d', '<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>'],
  ['3. a\n4. b', '<ol start="3"><li>a</li><li>b</li></ol>'],
  ['- a\n\n- b', '<ul><li><p>a</p></li><li><p>b</p></li></ul>'],
  ['1. a\n   ```\n   x\n   ```\n2. b', '<ol><li>a<pre>x</pre></li><li>b</li></ol>'],
  ['- [x] a\n- [ ] b', '<ul><li class="task">☑ a</li><li class="task">☐ b</li></ul>'],
  ['> a\n> > b\n\nc', '<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote><p>c</p>'],
  ['```rust\nfn main() {}\n\n# x\n```\nafter', '<pre>fn main() {}\n\n# x</pre><p>after</p>'],
  ['~~~\n```\n~~~', '<pre>```</pre>'],
  ['```\nnot closed', '<pre>not closed</pre>'],
  ['| a | b |\n|--|:-:|\n| 1 | `x\\|y` |', '<table><tr><th>a</th><th class="middle">b</th></tr><tr><td>1</td><td class="middle"><code>x|y</code></td></tr></table>'],
  ['a | b\nno table', '<p>a | b<br>no table</p>'],
  ['see https://example.org/a?b=1. And (https://example.org/x)', '<p>see <a>https://example.org/a?b=1</a>. And (<a>https://example.org/x</a>)</p>'],
  ['[a](https://example.org "title") <mailto:a@example.org> [b](mailto:b@example.org)', '<p><a>a</a> <a>mailto:a@example.org</a> <a>b</a></p>'],
  ['[no](/etc/passwd) [no](javascript:x)', '<p><span class="dead">no</span> <span class="dead">no</span></p>'],
  ['[**a** https://example.org/x](https://example.org/y)', '<p><a><strong>a</strong> https://example.org/x</a></p>'],
  ['<b>x</b> &amp; &lt;', '<p>&lt;b&gt;x&lt;/b&gt; &amp;amp; &amp;lt;</p>'],
];

// In the page: what `show` makes, without what is the same everywhere.
const shown = async (source) => {
  const { show } = await import('/markdown.js');
  const box = document.createElement('div');
  show(box, source);
  for (const figure of box.querySelectorAll('figure')) {
    const pre = document.createElement('pre');
    pre.textContent = figure.querySelector('code').textContent;
    figure.replaceWith(pre);
  }
  for (const one of box.querySelectorAll('.wide, thead, tbody')) one.replaceWith(...one.childNodes);
  for (const one of box.querySelectorAll('a, th')) ['href', 'rel', 'target', 'scope'].forEach((name) => one.removeAttribute(name));
  for (const one of box.querySelectorAll('.dead')) one.removeAttribute('title');
  return box.innerHTML;
};

// In the page: texts made of what Markdown is made of, whole and as they grow. Gives what is wrong.
const fuzz = async (rounds) => {
  const { show } = await import('/markdown.js');
  const parts = ['[a](', 'javascript:x)', '*', '**', '_', '~~', '`', '```', '\n', '\n\n', '> ', '- ', '1. ', '# ', '|', '|--|', '[', '](', ')', '!', '<', '>', '\\', 'javascript:', 'https://a.b/', 'data:', '<script>', '"', "'", '    ', '&#106;', 'a', 'word ', 'ä', '😀'];
  const allowed = new Set('P BR STRONG EM DEL CODE PRE FIGURE FIGCAPTION SPAN BUTTON H3 H4 H5 H6 HR BLOCKQUOTE UL OL LI DIV TABLE THEAD TBODY TR TH TD A'.split(' '));
  let seed = 7;
  const random = (below) => { seed = (seed * 1103515245 + 12345) % 2147483648; return Math.floor((seed / 2147483648) * below); };
  const growing = document.createElement('div');
  for (let round = 0; round < rounds; round += 1) {
    const text = Array.from({ length: random(40) }, () => parts[random(parts.length)]).join('');
    const whole = document.createElement('div');
    show(whole, text);
    for (const one of whole.querySelectorAll('*')) {
      if (!allowed.has(one.tagName)) return `${one.tagName} from ${JSON.stringify(text)}`;
      if (one.tagName === 'A' && !['http:', 'https:', 'mailto:'].includes(one.protocol)) return `${one.href} from ${JSON.stringify(text)}`;
    }
    const letters = (of) => of.replace(/[^a-zä]/g, '');
    const seen = letters(whole.innerText.replaceAll('Copy', ''));
    if ([...seen].length < [...letters(text.replace(/`{3,}[^\n]*/g, '').replace(/\([^)]*\)/g, ''))].length / 2) return `letters are lost: ${JSON.stringify(text)}`;
    // An answer that grew looks like one that came at once.
    for (let upto = random(5); upto < text.length; upto += 1 + random(9)) show(growing, text.slice(0, upto));
    show(growing, text);
    if (growing.innerHTML !== whole.innerHTML) return `it looks different when it grows: ${JSON.stringify(text)}`;
  }
  return null;
};

// In the page: texts that make careless parsers slow.
const slowest = async () => {
  const { show } = await import('/markdown.js');
  const texts = ['*', '**a', '_a ', '`', '[', '[a](', '![', '> ', '- ', '|', '\\', '<https://', 'a*b_', '``a', '~~', '***', '(((', '[a](b(', 'https://a.b/(', '|a\n|-', '1. \n', '  - a\n'];
  let worst = [0, ''];
  for (const text of texts) {
    const began = performance.now();
    show(document.createElement('div'), text.repeat(Math.ceil(32768 / text.length)));
    const took = performance.now() - began;
    if (took > worst[0]) worst = [took, text];
  }
  return worst;
};

module.exports = {
  async 'Markdown reads as its author meant it'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    for (const [source, wanted] of CASES) assert.equal(await page.evaluate(shown, source), wanted, source);
  },

  async 'whatever Markdown makes is of the allowed kind, and the same when it grows'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    assert.equal(await page.evaluate(fuzz, 3000), null);
  },

  async 'no text of 32 KiB keeps the page busy'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    const [took, text] = await page.evaluate(slowest);
    assert.ok(took < 3000, `${Math.round(took)} ms for ${JSON.stringify(text)}`);
    console.log(`        the slowest took ${Math.round(took)} ms: ${JSON.stringify(text)}`);
  },
};
