// The chat view: a thread, the composer, the stop button.
import { at, clock, h, icon, uuid } from './dom.js';
import { ask } from './net.js';
import { Outbox } from './outbox.js';
import { Thread } from './thread.js';

const DRAFT = 'miniclaw.draft.';
const NEW = 'new';
const LIVE_MS = 5000;
const SPOKEN = 800;
const STARTS = ['/help', '/model', '/status'];

export class ChatView {
  #store;
  #outbox;
  #notice;
  #thread;
  #text = at('text');
  #stop = at('stop');
  // What is on show: `{ chat }`, `{ key }` of another channel's session, or `{}` for a chat that has no message yet.
  #shown = {};
  #timer = null;

  constructor(store, outbox, notice) {
    this.#store = store;
    this.#outbox = outbox;
    this.#notice = notice;
    this.#thread = new Thread({ again: (message) => outbox.again(message), drop: (message) => outbox.drop(message.id) });
    at('send').append(icon('send'));
    store.addEventListener('thread', ({ detail }) => { if (detail === this.#shown.chat) this.render(); });
    store.addEventListener('final', ({ detail }) => this.#announce(detail));
    at('composer').addEventListener('submit', (event) => { event.preventDefault(); this.#send(this.#text.value); });
    this.#text.addEventListener('keydown', (event) => this.#key(event));
    this.#text.addEventListener('input', () => this.#typed());
    this.#stop.addEventListener('click', () => this.#halt());
    // Signs of life end with time.
    setInterval(() => { if (this.#shown.chat && !document.hidden) this.render(); }, 2000);
  }

  get title() {
    if (this.#shown.key) return this.#shown.name;
    return this.#shown.chat ? this.#store.title(this.#shown.chat) : 'New chat';
  }

  open(shown) {
    this.#shown = shown;
    this.#store.current = shown.chat ?? null;
    clearInterval(this.#timer);
    this.#thread.clear();
    at('composer').hidden = Boolean(shown.key);
    at('readonly').hidden = !shown.key;
    at('delete').hidden = !shown.chat;
    if (shown.key) return this.#follow(shown);
    this.#text.value = localStorage.getItem(DRAFT + (shown.chat ?? NEW)) ?? '';
    this.#grow();
    this.render();
    if (shown.chat) {
      this.#store.unread.delete(shown.chat);
      this.#store.load(shown.chat);
    }
    if (!matchMedia('(pointer: coarse)').matches) this.#text.focus({ preventScroll: true });
  }

  close() {
    clearInterval(this.#timer);
    this.#store.current = null;
    this.#shown = {};
  }

  render() {
    const { chat } = this.#shown;
    const mood = chat ? this.#store.mood(chat) : null;
    const loading = chat && !this.#store.isWhole(chat);
    this.#thread.render(chat ? this.#store.messages(chat) : [], chat ? this.#store.pending(chat) : [], mood, loading ? null : () => this.#welcome());
    if (this.#stop.hidden === Boolean(mood)) {
      const focused = document.activeElement === this.#stop;
      this.#stop.hidden = !mood;
      this.#stop.ariaDisabled = null;
      if (focused) this.#text.focus();
    }
  }

  #welcome() {
    const start = (text) => h('button', { type: 'button', class: 'plain', click: () => this.#send(text) }, text);
    return h('div', { class: 'welcome' }, h('img', { src: '/icon.svg', alt: '', width: 44, height: 44 }), h('h2', {}, 'What is on your mind?'),
      h('p', { class: 'muted' }, 'What you write is kept until it is answered, whatever happens to this page or to the gateway.'), h('p', { class: 'starts' }, STARTS.map(start)));
  }

  #send(text) {
    if (!text.trim()) return;
    const objection = Outbox.objection(text);
    if (objection) return this.#hint(objection);
    const typed = text === this.#text.value;
    const fresh = !this.#shown.chat;
    const chat = this.#shown.chat ?? `c-${uuid()}`;
    if (fresh) this.#shown = { chat };
    this.#store.current = chat;
    this.#outbox.add(chat, text.trim());
    if (typed) {
      this.#text.value = '';
      localStorage.removeItem(DRAFT + (fresh ? NEW : chat));
      this.#typed();
    }
    this.#thread.toEnd();
    if (fresh) location.hash = `#/chat/${chat}`;
    else this.render();
  }

  #key(event) {
    // While an input method composes, Enter chooses a candidate.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#send(this.#text.value);
  }

  #typed() {
    const key = DRAFT + (this.#shown.chat ?? NEW);
    try {
      if (this.#text.value) localStorage.setItem(key, this.#text.value);
      else localStorage.removeItem(key);
    } catch { /* a browser without room */ }
    this.#grow();
    const objection = Outbox.objection(this.#text.value);
    if (objection) this.#hint(objection);
    else this.#hint(null);
  }

  #hint(text) {
    const hint = at('hint');
    hint.classList.toggle('bad', Boolean(text));
    const wanted = text ?? 'Enter sends, Shift and Enter starts a new line';
    if (hint.textContent !== wanted) hint.textContent = wanted;
  }

  #grow() {
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }

  async #halt() {
    // A button that is disabled loses the focus.
    if (this.#stop.ariaDisabled) return;
    this.#stop.ariaDisabled = 'true';
    try {
      await ask(`/api/chats/${this.#shown.chat}/stop`, {});
    } catch (error) {
      this.#stop.ariaDisabled = null;
      this.#notice(`Not stopped: ${error.message}`);
    }
  }

  // Steps of an answer are not read out, its end is.
  #announce({ chat, text }) {
    if (chat !== this.#shown.chat) return;
    at('announce').textContent = `miniclaw: ${text.length > SPOKEN ? `${text.slice(0, SPOKEN)} … and more` : text}`;
  }

  // Another channel's conversation: it is looked at again and again while it is on show.
  async #follow(shown) {
    at('readonly').textContent = `You can read this conversation here; it takes place in ${shown.channel}.`;
    const look = async () => {
      if (document.hidden) return;
      try {
        const entries = await ask(`/api/sessions/${encodeURIComponent(shown.key)}`);
        if (this.#shown === shown) this.#thread.render(entries.map(entry), [], null, () => h('p', { class: 'day' }, 'Nothing was said here yet.'));
      } catch (error) {
        if (error.status > 0) this.#notice(error.message);
      }
    };
    this.#timer = setInterval(look, LIVE_MS);
    await look();
  }
}

// A session's entry as a message.
function entry({ role, text, at_ms, media, summary }, index) {
  const files = media?.length ? `${media.length === 1 ? 'a file' : `${media.length} files`} beside it` : '';
  const words = [summary && '*Summary of what was said before:*\n', text, role === 'user' && files && `\n(${files})`];
  return { id: `${index} ${at_ms}`, role: role === 'user' ? 'user' : 'agent', text: words.filter(Boolean).join('\n'), at_ms, rev: clock(at_ms), heard: 0 };
}
