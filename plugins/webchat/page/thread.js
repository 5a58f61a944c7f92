// The messages of one chat, as elements that stay the same while their message does.
import { at, clock, copy, day, h } from './dom.js';
import { show } from './markdown.js';
import { isDraft, written } from './store.js';

// More of them are shown when asked for.
const SHOWN = 150;

export class Thread {
  #log = at('log');
  #scroll = at('scroll');
  #down = at('down');
  #items = new Map();
  #stuck = true;
  #limit = SHOWN;
  #actions;

  // `actions`: `again(message)`, `drop(message)`.
  constructor(actions) {
    this.#actions = actions;
    this.#scroll.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
      this.#stuck = scrollHeight - scrollTop - clientHeight < 60;
      if (this.#stuck) this.#down.hidden = true;
    }, { passive: true });
    new ResizeObserver(() => this.#follow()).observe(this.#log);
    new ResizeObserver(() => this.#follow()).observe(this.#scroll);
    this.#down.addEventListener('click', () => this.toEnd());
  }

  clear() {
    this.#items.clear();
    this.#log.replaceChildren();
    this.#limit = SHOWN;
    this.toEnd();
  }

  toEnd() {
    this.#stuck = true;
    this.#follow();
  }

  #follow() {
    if (this.#stuck) this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  // `messages` of the transcript, `pending` ones, and at the end what is there beside them.
  render(messages, pending, mood, empty) {
    const all = [...messages, ...pending.map((message) => ({ role: 'user', ...message }))];
    const wanted = [];
    if (all.length > this.#limit) wanted.push(this.#item('earlier', () => this.#earlier(() => this.render(messages, pending, mood, empty))));
    let before = null;
    for (const message of all.slice(-this.#limit)) {
      const date = day(message.at_ms);
      if (date !== before) wanted.push(this.#item(`day ${date}`, () => h('p', { class: 'day' }, date)));
      before = date;
      wanted.push(this.#message(message));
    }
    if (!all.length && empty) wanted.push(this.#item('empty', empty));
    if (mood === 'thinking') wanted.push(this.#item('thinking', thinking));
    this.#arrange(wanted);
  }

  #item(key, make) {
    if (!this.#items.has(key)) this.#items.set(key, { node: make() });
    return key;
  }

  #arrange(wanted) {
    const keep = new Set(wanted);
    for (const [key, { node }] of this.#items) {
      if (keep.has(key)) continue;
      node.remove();
      this.#items.delete(key);
    }
    const grown = this.#log.lastElementChild;
    wanted.forEach((key, index) => {
      const { node } = this.#items.get(key);
      if (this.#log.children[index] !== node) this.#log.insertBefore(node, this.#log.children[index] ?? null);
    });
    if (!this.#stuck && grown && grown !== this.#log.lastElementChild) this.#down.hidden = false;
  }

  #earlier(again) {
    return h('p', { class: 'day' }, h('button', { type: 'button', class: 'plain', click: () => { this.#limit += SHOWN; again(); } }, 'Earlier messages'));
  }

  #message(message) {
    const key = `message ${message.id ?? message.seq}`;
    const item = this.#items.get(key) ?? { node: blank(message), mark: null };
    this.#items.set(key, item);
    const draft = isDraft(message);
    const mark = [message.rev, message.state, message.refused, draft].join(' ');
    if (mark !== item.mark) {
      item.mark = mark;
      this.#fill(item.node, message, draft);
    }
    return key;
  }

  #fill(node, message, draft) {
    const [text, foot] = node.children;
    node.classList.toggle('draft', draft);
    node.classList.toggle('pending', message.state !== undefined && message.state !== 'sent');
    if (message.role === 'user') text.textContent = message.text;
    else show(text, written(message));
    foot.replaceChildren(...this.#foot(message, draft));
  }

  #foot(message, draft) {
    const button = (label, click) => h('button', { type: 'button', class: 'quiet', click }, label);
    switch (message.state) {
      case 'sending': return ['Sending…'];
      case 'waiting': return ['Waiting for the gateway'];
      case 'refused': return [h('span', { class: 'bad' }, `Not sent: ${message.refused}`),
        button('Try again', () => this.#actions.again(message)), button('Discard', () => this.#actions.drop(message))];
      default:
    }
    if (draft) return [];
    const copied = button('Copy', () => copy(message.text, copied));
    copied.setAttribute('aria-label', `Copy the message of ${clock(message.at_ms)}`);
    return [h('time', { datetime: new Date(message.at_ms).toISOString() }, clock(message.at_ms)), copied];
  }
}

const blank = ({ role }) => h('article', { class: `message ${role}`, 'aria-label': role === 'user' ? 'You' : 'miniclaw' }, h('div', { class: 'text' }), h('div', { class: 'meta' }));
const thinking = () => h('div', { class: 'thinking', role: 'img', 'aria-label': 'miniclaw is thinking' }, h('i'), h('i'), h('i'));
