// Talking to the gateway: requests, and the stream of events.

// `locked` when the gateway does not know this browser.
export const door = new EventTarget();
const knock = () => door.dispatchEvent(new Event('locked'));

// Status 0: nobody answered.
export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export async function ask(path, body) {
  const options = { signal: AbortSignal.timeout(20000) };
  if (body) Object.assign(options, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  let response;
  let answer;
  try {
    response = await fetch(path, options);
    answer = await response.json().catch((error) => { if (response.ok) throw error; });
  } catch {
    throw new Refusal(0, 'the gateway does not answer');
  }
  if (response.status === 401) knock();
  if (!response.ok) throw new Refusal(response.status, answer?.error ?? `the gateway answered with status ${response.status}`);
  return answer;
}

export const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
// What the gateway sends at the least, every 15 s, and some patience.
const SILENCE_MS = 40000;
const LONGEST_MS = 15000;

// Emits `up`, `down` (detail: when it is tried again) and what the gateway sends.
export class Events extends EventTarget {
  rev = 0;
  #abort = null;
  #wake = () => {};
  #wanted = true;

  // Never ends.
  async run() {
    for (let wait = 300; ;) {
      if (!this.#wanted) await new Promise((wake) => { this.#wake = wake; });
      const up = await this.#once();
      if (!this.#wanted) continue;
      wait = up ? 300 : Math.min(wait * 2, LONGEST_MS);
      const ms = wait * (0.75 + Math.random() / 2);
      this.#tell('down', { ms });
      await Promise.race([pause(ms), new Promise((wake) => { this.#wake = wake; })]);
    }
  }

  // At once, where it waits.
  retry() {
    this.#wake();
  }

  want(wanted) {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    if (wanted) this.#wake();
    else this.#abort?.abort();
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  async #once() {
    this.#abort = new AbortController();
    let up = false;
    let watchdog = setTimeout(() => this.#abort.abort(), SILENCE_MS);
    try {
      const response = await fetch(`/api/events${this.rev ? `?after=${this.rev}` : ''}`, { signal: this.#abort.signal, cache: 'no-store' });
      if (response.status === 401) knock();
      if (!response.ok) return up;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let buffer = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return up;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => this.#abort.abort(), SILENCE_MS);
        const events = (buffer + value).replace(/\r\n/g, '\n').split('\n\n');
        buffer = events.pop();
        for (const text of events) up = this.#take(text) || up;
      }
    } catch {
      return up;
    } finally {
      clearTimeout(watchdog);
      this.#abort.abort();
    }
  }

  #take(text) {
    const field = {};
    for (const line of text.split('\n')) {
      const [, name, value] = line.match(/^(\w+): ?(.*)$/) ?? [];
      if (name) field[name] = name === 'data' && field.data !== undefined ? `${field.data}\n${value}` : value;
    }
    if (!field.event) return false;
    const data = JSON.parse(field.data || '{}');
    this.#tell(field.event, data);
    if (field.id) this.rev = Math.max(this.rev, Number(field.id));
    if (field.event === 'hello') this.#tell('up');
    return field.event === 'hello';
  }
}
