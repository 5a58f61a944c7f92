// Markdown to elements. Text becomes text nodes; a link becomes one only with a scheme of the list.
import { copy, h } from './dom.js';

const SCHEMES = ['http:', 'https:', 'mailto:'];
const DEPTH = 8;
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?: +|$)/;
const QUOTE = /^ {0,3}> ?/;
const DIVIDER = /^ *\|? *:?-+:? *(?:\| *:?-+:? *)*\|? *$/;
const indent = (line) => line.length - line.trimStart().length;

// Shows `text` in `element`, whose blocks that did not change stay the same elements.
export function show(element, text) {
  const before = element.blocks ?? [];
  const blocks = parse(text.replace(/\r\n?/g, '\n').replace(/\t/g, '    ').split('\n'));
  element.blocks = blocks.map((block, index) => {
    const old = before[index];
    if (old && old.source === block.source && old.kind === block.kind) return old;
    block.node = block.make(0);
    if (old) old.node.replaceWith(block.node);
    else element.append(block.node);
    return block;
  });
  before.slice(blocks.length).forEach((block) => block.node.remove());
}

function parse(lines) {
  const blocks = [];
  for (let at = 0; at < lines.length;) {
    if (!lines[at].trim()) { at += 1; continue; }
    const reader = [code, heading, rule, quote, table, list, paragraph].find((one) => one.starts(lines, at));
    const [end, make] = reader(lines, at);
    blocks.push({ kind: reader.name, source: lines.slice(at, end).join('\n'), make });
    at = end;
  }
  return blocks;
}

const nested = (lines, depth) => (depth >= DEPTH ? [h('p', {}, lines.join('\n'))] : parse(lines).map((block) => block.make(depth + 1)));

function code(lines, at) {
  const [, fence, info] = lines[at].match(FENCE);
  let end = at + 1;
  while (end < lines.length && !(lines[end].trim().startsWith(fence) && !lines[end].trim().replaceAll(fence[0], ''))) end += 1;
  const margin = indent(lines[at]);
  const text = lines.slice(at + 1, end).map((line) => line.slice(Math.min(margin, indent(line)))).join('\n');
  const language = info.trim().split(/\s/)[0].slice(0, 30);
  return [Math.min(end + 1, lines.length), () => {
    const button = h('button', { type: 'button', class: 'copy', 'aria-label': 'Copy the code', click: () => copy(text, button) }, 'Copy');
    const label = language ? `Code, ${language}` : 'Code';
    return h('figure', { class: 'code' },
      h('figcaption', {}, h('span', {}, language || 'code'), button),
      h('pre', { tabindex: 0, role: 'region', 'aria-label': label }, h('code', {}, text)));
  }];
}
code.starts = (lines, at) => FENCE.test(lines[at]);

function heading(lines, at) {
  const [, marks, text] = lines[at].match(HEADING);
  // The page has levels one and two.
  return [at + 1, () => h(`h${Math.min(marks.length + 2, 6)}`, {}, inline(text))];
}
heading.starts = (lines, at) => HEADING.test(lines[at]);

function rule(lines, at) {
  return [at + 1, () => h('hr')];
}
rule.starts = (lines, at) => RULE.test(lines[at]);

function quote(lines, at) {
  let end = at;
  while (end < lines.length && (QUOTE.test(lines[end]) || (end > at && lines[end].trim() && !breaks(lines, end)))) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ''));
  return [end, (depth) => h('blockquote', {}, nested(inner, depth))];
}
quote.starts = (lines, at) => QUOTE.test(lines[at]);

const cells = (line) => {
  const inner = line.trim().replace(/^\|/, '').replace(/\\\|/g, '\u0000').replace(/\|$/, '');
  return inner.split('|').map((cell) => cell.trim().replaceAll('\u0000', '|'));
};

function table(lines, at) {
  let end = at + 2;
  while (end < lines.length && lines[end].includes('|') && lines[end].trim()) end += 1;
  const sides = cells(lines[at + 1]).map((cell) => (cell.endsWith(':') ? (cell.startsWith(':') ? 'middle' : 'right') : null));
  const row = (line, tag) => h('tr', {}, cells(line).slice(0, 50).map((cell, index) => h(tag, { class: sides[index], scope: tag === 'th' && 'col' }, inline(cell))));
  return [end, () => h('div', { class: 'wide', tabindex: 0, role: 'region', 'aria-label': 'Table' },
    h('table', {}, h('thead', {}, row(lines[at], 'th')), h('tbody', {}, lines.slice(at + 2, end).map((line) => row(line, 'td')))))];
}
table.starts = (lines, at) => lines[at].includes('|') && at + 1 < lines.length && lines[at + 1].includes('-') && DIVIDER.test(lines[at + 1])
  && cells(lines[at]).length === cells(lines[at + 1]).length;

function list(lines, at) {
  const [, margin, mark] = lines[at].match(ITEM);
  const ordered = mark.length > 1;
  const items = [];
  let [end, loose, blank] = [at, false, false];
  for (; end < lines.length; end += 1) {
    const line = lines[end];
    if (!line.trim()) { blank = true; continue; }
    const item = line.match(ITEM);
    if (item && indent(line) < margin.length + 2 && !RULE.test(line)) {
      if ((item[2].length > 1) !== ordered) break;
      if (blank && items.length) loose = true;
      items.push({ lines: [line.slice(item[0].length)], inset: item[0].length });
    } else if (indent(line) >= margin.length + 2 || (!blank && !breaks(lines, end))) {
      if (blank) { items.at(-1).lines.push(''); loose = true; }
      items.at(-1).lines.push(line.slice(Math.min(indent(line), items.at(-1).inset)));
    } else break;
    blank = false;
  }
  const make = (depth) => h(ordered ? 'ol' : 'ul', { start: ordered && parseInt(mark, 10) !== 1 && parseInt(mark, 10) }, items.map((item) => point(item.lines, loose, depth)));
  return [end, make];
}
list.starts = (lines, at) => ITEM.test(lines[at]);

function point(lines, loose, depth) {
  const task = lines[0].match(/^\[([ xX])\] +/);
  if (task) lines = [lines[0].slice(task[0].length), ...lines.slice(1)];
  const inner = nested(lines, depth).flatMap((node) => (!loose && node.tagName === 'P' ? [...node.childNodes] : [node]));
  return h('li', { class: task && 'task' }, task && `${task[1] === ' ' ? '☐' : '☑'} `, inner);
}

// Whether a line ends the paragraph before it.
const breaks = (lines, at) => [code, heading, rule, quote, list].some((one) => one.starts(lines, at));

function paragraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !breaks(lines, end) && !table.starts(lines, end)) end += 1;
  return [end, () => h('p', {}, inline(lines.slice(at, end).map((line) => line.trim()).join('\n')))];
}
paragraph.starts = () => true;

const TOKEN = /\\([!-/:-@[-`{-~])|(`+)|(\*\*\*|\*\*|\*|__|_|~~)|(!?\[)|<((?:https?:\/\/|mailto:)[^\s<>]+)>|(https?:\/\/[^\s<>"`]+)|\n/gi;
const LINK = /\[((?:[^[\]\\]|\\.|\[[^[\]]*\])*)\]\(\s*(<[^<>\n]*>|[^\s()<>]*(?:\([^\s()]*\)[^\s()]*)*)(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/y;
const TAGS = { '***': ['strong', 'em'], '**': ['strong'], __: ['strong'], '*': ['em'], _: ['em'], '~~': ['del'] };

function inline(text, depth = 0) {
  const nodes = [];
  // Marks that nothing closes from here on: looked for once.
  const open = new Set();
  let done = 0;
  const put = (upto, node, next) => { nodes.push(text.slice(done, upto), node); done = next; TOKEN.lastIndex = next; };
  TOKEN.lastIndex = 0;
  for (let token = TOKEN.exec(text); token; token = TOKEN.exec(text)) {
    const [all, escaped, ticks, mark, bracket, angle, bare] = token;
    const { index } = token;
    const end = index + all.length;
    if (escaped) put(index, escaped, end);
    else if (ticks) {
      const close = open.has(ticks) ? -1 : closing(text, end, ticks);
      if (close < 0) { open.add(ticks); continue; }
      const inner = text.slice(end, close).replaceAll('\n', ' ');
      put(index, h('code', {}, /^ .*[^ ].* $/.test(inner) ? inner.slice(1, -1) : inner), close + ticks.length);
    } else if (mark) {
      const close = depth < DEPTH && !open.has(mark) && opens(text, index, mark) ? closing(text, end, mark) : -1;
      if (close < 0) { if (depth < DEPTH && opens(text, index, mark)) open.add(mark); continue; }
      const inner = inline(text.slice(end, close), depth + 1);
      put(index, TAGS[mark].reduceRight((content, tag) => h(tag, {}, content), inner), close + mark.length);
    } else if (bracket) {
      LINK.lastIndex = index + bracket.length - 1;
      const found = depth < DEPTH && LINK.exec(text);
      if (!found) continue;
      const stop = LINK.lastIndex;
      // A picture is a link: nothing is fetched from where the text wants it to be.
      put(index, link(found[2].replace(/^<|>$/g, ''), inline(found[1] || found[2], depth + 2)), stop);
    } else if (angle) put(index, link(angle, [angle]), end);
    else if (bare) {
      let url = bare.replace(/[.,;:!?'*_~\]]+$/, '');
      if (url.endsWith(')') && !url.includes('(')) url = url.replace(/\)+$/, '');
      put(index, link(url, [url]), index + url.length);
    } else put(index, h('br'), end);
    TOKEN.lastIndex = done;
  }
  nodes.push(text.slice(done));
  return nodes.filter((node) => node !== '');
}

const letter = /[\p{L}\p{N}]/u;

function opens(text, index, mark) {
  const next = text[index + mark.length] ?? ' ';
  return next.trim() !== '' && !(mark[0] === '_' && letter.test(text[index - 1] ?? ' '));
}

// Where the mark is closed; the code in between counts for nothing.
function closing(text, from, mark) {
  const char = mark[0];
  const plain = char === '`';
  for (let at = from; at < text.length; at += 1) {
    if (!plain && text[at] === '\\') { at += 1; continue; }
    if (!plain && text[at] === '`') {
      let run = at;
      while (text[run] === '`') run += 1;
      const close = text.indexOf(text.slice(at, run), run);
      at = close < 0 ? run - 1 : close + (run - at) - 1;
      continue;
    }
    if (text[at] !== char) continue;
    let run = at;
    while (text[run] === char) run += 1;
    const whole = plain ? run - at === mark.length : run - at === mark.length || (run - at === 3 && mark.length < 3);
    const tight = plain || (at > from && text[at - 1].trim() !== '' && !(char === '_' && letter.test(text[run] ?? ' ')));
    if (whole && tight) return run - mark.length;
    at = run - 1;
  }
  return -1;
}

function link(address, content) {
  let url = null;
  try { url = new URL(address); } catch { /* no address */ }
  if (!url || !SCHEMES.includes(url.protocol)) return h('span', { class: 'dead', title: address.slice(0, 200) }, content);
  // Links in links are none.
  const flat = content.map((node) => (node.tagName === 'A' ? node.textContent : node));
  return h('a', { href: url.href, rel: 'noopener noreferrer', target: '_blank' }, flat);
}
