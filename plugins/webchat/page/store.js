// What this tab knows of the chats. The gateway's `rev` says which of two versions of a message is the later one.
import { ask } from './net.js';

// The host asks for the sign every 4 s.
const TYPING_MS = 6000;
// After these an answer is not expected any more: it may have become a dead letter.
const ANSWER_MS = 120000;
// What follows the text of an answer that goes on.
const MORE = ' …';

const by = (key) => (one, other) => one[key] - other[key];
const first = (text) => text.trim().split('\n')[0].slice(0, 80);

export const isDraft = (message) => message.role === 'agent' && (message.draft ?? message.text.endsWith(MORE)) && Date.now() - message.heard < ANSWER_MS;
export const written = (message) => (message.role === 'agent' && isDraft(message) && message.text.endsWith(MORE) ? message.text.slice(0, -MORE.length) : message.text);

// Emits `chats`; `thread` and `gone` (detail: the chat's id); `final` (detail: an agent's message that is whole).
export class Store extends EventTarget {
  chats = new Map();
  // By chat: `messages` by seq, `whole` once the history is there.
  #threads = new Map();
  #typing = new Map();
  // Confirmed, and not seen in the transcript yet.
  #accepted = new Map();
  unread = new Set();
  current = null;
  #outbox;
  #soon = null;

  constructor(events, outbox) {
    super();
    this.#outbox = outbox;
    events.addEventListener('hello', ({ detail }) => this.#hello(events, detail));
    events.addEventListener('message', ({ detail }) => this.#heard(detail));
    events.addEventListener('typing', ({ detail }) => {
      this.#typing.set(detail.chat, Date.now());
      this.#tell('thread', detail.chat);
    });
    outbox.addEventListener('accepted', ({ detail }) => this.#accepted.set(detail.id, detail));
    outbox.addEventListener('change', () => this.#tell('thread', this.current));
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #hello(events, { rev }) {
    // The gateway's store is another one than the one before.
    if (rev < events.rev) {
      this.#threads.clear();
      this.chats.clear();
    }
    if (rev < events.rev || !events.rev) events.rev = rev;
    this.refresh();
    if (this.current) this.load(this.current);
  }

  async refresh() {
    const { chats } = await ask('/api/chats').catch(() => ({}));
    if (!chats) return;
    this.chats = new Map(chats.map((chat) => [chat.chat, chat]));
    this.#tell('chats');
  }

  // Brings what is missing of a chat. Where the gateway does not answer, the next `hello` does it.
  async load(chat) {
    const thread = this.#thread(chat);
    const known = thread.whole ? Math.max(0, ...[...thread.messages.values()].map((message) => message.rev)) : 0;
    const { messages } = await ask(`/api/chats/${chat}/messages?after=${known}`).catch(() => ({}));
    if (!messages || this.#threads.get(chat) !== thread) return;
    messages.forEach((message) => this.#take(thread, message, message.at_ms));
    thread.whole = true;
    this.#tell('thread', chat);
    if (messages.some((message) => message.deleted)) this.#bury(chat, thread);
  }

  #thread(chat) {
    if (!this.#threads.has(chat)) this.#threads.set(chat, { messages: new Map(), whole: false });
    return this.#threads.get(chat);
  }

  #take(thread, message, heard) {
    const known = thread.messages.get(message.seq);
    if (known && known.rev >= message.rev) return false;
    thread.messages.set(message.seq, { ...message, heard });
    this.#accepted.delete(message.id);
    return true;
  }

  #heard({ chat, ...message }) {
    const thread = this.#thread(chat);
    if (!this.#take(thread, message, Date.now())) return;
    if (message.role === 'agent') this.#typing.delete(chat);
    if (message.deleted) this.#bury(chat, thread);
    else this.#list(chat, message);
    const whole = { ...message, heard: Date.now() };
    if (message.role === 'agent' && !message.deleted && !isDraft(whole)) {
      if (chat !== this.current || document.hidden) this.unread.add(chat);
      this.#tell('final', { chat, ...message });
    }
    this.#tell('thread', chat);
    this.#tell('chats');
  }

  #list(chat, message) {
    const known = this.chats.get(chat) ?? { chat, title: '', messages: 0 };
    const title = known.title || (message.role === 'user' ? first(message.text) : '');
    this.chats.set(chat, { ...known, title, at_ms: Math.max(known.at_ms ?? 0, message.at_ms) });
  }

  messages(chat) {
    const messages = [...(this.#threads.get(chat)?.messages.values() ?? [])];
    return messages.filter((message) => !message.deleted).sort(by('seq'));
  }

  isWhole(chat) {
    return this.#threads.get(chat)?.whole ?? false;
  }

  // What was written here and does not stand in the transcript yet, with its state.
  pending(chat) {
    const known = new Set(this.messages(chat).map((message) => message.id));
    const waiting = this.#outbox.all().map((message) => ({ ...message, state: this.#state(message) }));
    const ids = new Set(waiting.map((message) => message.id));
    const accepted = [...this.#accepted.values()].filter((message) => !ids.has(message.id)).map((message) => ({ ...message, state: 'sent' }));
    return [...accepted, ...waiting].filter((message) => message.chat === chat && !known.has(message.id)).sort(by('at_ms'));
  }

  #state(message) {
    if (message.refused) return 'refused';
    return this.#outbox.sending === message.id ? 'sending' : 'waiting';
  }

  // `writing` while an answer grows, `thinking` while one is expected.
  mood(chat) {
    const last = this.messages(chat).at(-1);
    if (last && isDraft(last)) return 'writing';
    if (Date.now() - (this.#typing.get(chat) ?? 0) < TYPING_MS) return 'thinking';
    if (this.pending(chat).some((message) => message.state === 'sent')) return 'thinking';
    return last?.role === 'user' && Date.now() - last.heard < ANSWER_MS ? 'thinking' : null;
  }

  title(chat) {
    const mine = this.pending(chat)[0];
    return this.chats.get(chat)?.title || (mine ? first(mine.text) : '') || 'New chat';
  }

  async remove(chat) {
    await ask(`/api/chats/${chat}/delete`, {});
    this.#outbox.dropChat(chat);
    this.#forget(chat);
  }

  // A chat whose messages are all deleted is gone, wherever that was done.
  #bury(chat, thread) {
    if (thread.whole && thread.messages.size && !this.messages(chat).length && !this.pending(chat).length) return this.#forget(chat);
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.refresh(), 300);
  }

  #forget(chat) {
    this.chats.delete(chat);
    this.#threads.delete(chat);
    this.unread.delete(chat);
    this.#tell('chats');
    this.#tell('gone', chat);
  }
}
