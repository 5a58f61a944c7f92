// The list of conversations, and on a phone the drawer that it is in.
import { at, day, clock, h, icon } from './dom.js';
import { ask } from './net.js';

const EVERY_MS = 20000;

// `webchat_c%5F1_2` is channel, chat and thread.
export function parts(key) {
  const [channel, ...rest] = key.split('_').map((part) => part.replaceAll('%5F', '_'));
  return { channel, name: `${channel}: ${rest.join(', ')}` };
}

export class Sidebar {
  #store;
  #own = 'webchat';
  #sessions = [];
  #route = '';

  constructor(store, events) {
    this.#store = store;
    at('menu').append(icon('menu'));
    at('menu').addEventListener('click', () => this.#drawer(true));
    at('veil').addEventListener('click', () => this.#drawer(false));
    at('side').addEventListener('click', (event) => { if (event.target.closest('a')) this.#drawer(false); });
    document.addEventListener('keydown', (event) => { if (event.key === 'Escape' && at('side').classList.contains('open')) this.#drawer(false); });
    matchMedia('(min-width: 48rem)').addEventListener('change', () => this.#drawer(false));
    store.addEventListener('chats', () => this.render());
    events.addEventListener('hello', ({ detail }) => {
      this.#own = detail.instance ?? this.#own;
      this.#look();
    });
    setInterval(() => { if (!document.hidden) this.#look(); }, EVERY_MS);
  }

  show(route) {
    this.#route = route;
    this.render();
  }

  #drawer(open) {
    const side = at('side');
    if (side.classList.contains('open') === open) return;
    side.classList.toggle('open', open);
    at('veil').hidden = !open;
    at('stage').inert = open;
    at('menu').setAttribute('aria-expanded', open);
    if (open) at('new-chat').focus();
    else at('menu').focus();
  }

  async #look() {
    const { sessions } = await ask('/api/sessions').catch(() => ({}));
    if (!sessions) return;
    this.#sessions = sessions.filter(({ key }) => parts(key).channel !== this.#own);
    this.render();
  }

  render() {
    const chats = [...this.#store.chats.values()].sort((one, other) => other.at_ms - one.at_ms);
    fill(at('chats'), chats.map(({ chat, title, at_ms }) => [`#/chat/${chat}`, title || 'New chat', at_ms, this.#store.unread.has(chat)]), this.#route);
    fill(at('others'), this.#sessions.map(({ key, updated_ms }) => [`#/session/${encodeURIComponent(key)}`, parts(key).name, updated_ms, false]), this.#route);
    at('others-title').hidden = !this.#sessions.length;
  }
}

// Links that stay keep their focus.
function fill(list, rows, route) {
  const known = new Map([...list.children].map((item) => [item.firstChild.getAttribute('href'), item]));
  const items = rows.map(([href, title, at_ms, unread]) => {
    const item = known.get(href) ?? h('li', {}, h('a', { href }, h('span', { class: 'name' }), h('span', { class: 'when' })));
    const link = item.firstChild;
    const today = at_ms && day(at_ms) === 'Today';
    const texts = [title, unread ? 'new' : at_ms ? (today ? clock(at_ms) : day(at_ms).replace(/ \d{4}$/, '')) : ''];
    texts.forEach((text, index) => { if (link.children[index].textContent !== text) link.children[index].textContent = text; });
    link.classList.toggle('unread', unread);
    if (href === route) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
    return item;
  });
  if (items.length !== list.children.length || items.some((item, index) => list.children[index] !== item)) {
    const focused = document.activeElement;
    list.replaceChildren(...items);
    if (list.contains(focused)) focused.focus({ preventScroll: true });
  }
}
