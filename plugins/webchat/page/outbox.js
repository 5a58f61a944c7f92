// Messages that the gateway has not confirmed. Each is a key of its own in localStorage, which all tabs see; its id
// makes it the same message however often it is sent.
import { uuid } from './dom.js';
import { Refusal, ask, pause } from './net.js';

const PREFIX = 'miniclaw.out.';
const LONGEST_MS = 10000;
const LIMIT_BYTES = 16 * 1024;
// Not for good: the gateway is away, is busy, or wants a new login.
const passes = (status) => status === 0 || status === 401 || status === 408 || status === 429 || status >= 500;

export class Outbox extends EventTarget {
  // Where the browser stores nothing.
  #memory = new Map();
  #last = 0;
  #busy = false;
  #again = false;
  #wake = () => {};
  sending = null;
  trouble = null;

  constructor() {
    super();
    window.addEventListener('storage', (event) => {
      if (event.key && !event.key.startsWith(PREFIX)) return;
      this.#changed();
      if (event.newValue) this.pump();
    });
  }

  all() {
    const found = [...this.#memory.values()];
    for (let index = 0; index < localStorage.length; index += 1) {
      const key = localStorage.key(index);
      if (!key.startsWith(PREFIX)) continue;
      try { found.push(JSON.parse(localStorage.getItem(key))); } catch { /* not ours */ }
    }
    return found.sort((one, other) => one.at_ms - other.at_ms);
  }

  // Why a text cannot be sent.
  static objection(text) {
    const bytes = new TextEncoder().encode(text).length;
    return bytes > LIMIT_BYTES ? `This is too long by ${(bytes - LIMIT_BYTES).toLocaleString()} bytes.` : null;
  }

  add(chat, text) {
    this.#last = Math.max(Date.now(), this.#last + 1);
    const message = { id: uuid(), chat, text, at_ms: this.#last };
    this.#put(message);
    this.pump();
    return message;
  }

  // As another message: the gateway has refused the one with that id for good.
  again(message) {
    this.drop(message.id);
    this.#put({ ...message, id: uuid(), refused: undefined });
    this.pump();
  }

  drop(id) {
    this.#memory.delete(id);
    localStorage.removeItem(PREFIX + id);
    this.#changed();
  }

  dropChat(chat) {
    this.all().filter((message) => message.chat === chat).forEach((message) => this.drop(message.id));
  }

  // Sends what waits, at once.
  pump() {
    this.#again = true;
    this.#wake();
    if (!this.#busy) this.#run();
  }

  async #run() {
    this.#busy = true;
    for (let wait = 500; ;) {
      this.#again = false;
      const done = await this.#locked().catch(() => false);
      if (done && !this.#again) break;
      if (done) continue;
      wait = Math.min(wait * 2, LONGEST_MS);
      await Promise.race([pause(wait), new Promise((wake) => { this.#wake = wake; })]);
    }
    this.#busy = false;
  }

  // One tab at a time, where the browser can tell.
  #locked() {
    return navigator.locks ? navigator.locks.request('miniclaw.outbox', () => this.#pass()) : this.#pass();
  }

  async #pass() {
    for (;;) {
      const message = this.all().find((one) => !one.refused);
      if (!message) return true;
      this.sending = message.id;
      this.#changed();
      try {
        await ask(`/api/chats/${message.chat}/messages`, { id: message.id, text: message.text });
        this.trouble = null;
        this.dispatchEvent(new CustomEvent('accepted', { detail: message }));
        this.drop(message.id);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        if (passes(error.status)) {
          this.trouble = error.status > 0 && error.status !== 401 ? error.message : null;
          return false;
        }
        this.#put({ ...message, refused: error.message });
      } finally {
        this.sending = null;
        this.#changed();
      }
    }
  }

  #put(message) {
    try {
      localStorage.setItem(PREFIX + message.id, JSON.stringify(message));
    } catch {
      // An older copy would be sent as if it were this one.
      localStorage.removeItem(PREFIX + message.id);
      this.#memory.set(message.id, message);
    }
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
