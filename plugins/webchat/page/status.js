// The status view: looked at again and again while somebody can see it.
import { h, span } from './dom.js';
import { ask } from './net.js';
import { bars, lines } from './chart.js';

const EVERY_MS = 3000;
const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'];
const GOOD = ['running'];
const BAD = ['failed', 'quarantined'];

export class StatusView {
  #root;
  #timer = null;
  #parts = {};
  #level = 'info';
  #log = [];

  constructor(root) {
    this.#root = root;
    document.addEventListener('visibilitychange', () => { if (this.#timer && !document.hidden) this.#look(); });
  }

  open() {
    if (!this.#parts.tiles) this.#build();
    this.#timer = setInterval(() => { if (!document.hidden) this.#look(); }, EVERY_MS);
    this.#look();
  }

  close() {
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #build() {
    const part = (name, title, tag = 'div', attributes = {}) => {
      this.#parts[name] = h(tag, attributes);
      return h('section', { class: `card ${name}-card`, 'aria-label': title }, h('h2', {}, title), this.#parts[name]);
    };
    const choose = h('select', { change: () => { this.#level = choose.value; this.#lines(); } }, LEVELS.map((level) => h('option', { value: level, selected: level === this.#level }, level)));
    this.#parts.about = h('p', { class: 'about muted' }, 'Asking the gateway…');
    this.#parts.tiles = h('dl', { class: 'tiles' });
    const log = part('lines', 'Log', 'ol', { tabindex: 0, 'aria-label': 'Recent log lines' });
    log.firstChild.append(h('label', { class: 'level' }, 'from level ', choose));
    this.#root.replaceChildren(this.#parts.about, this.#parts.tiles,
      h('div', { class: 'pair' }, part('rate', 'Messages a minute'), part('latency', 'Time to the answer')),
      h('div', { class: 'pair' }, part('channels', 'Channels', 'ul'), part('providers', 'Providers', 'ul')), log);
  }

  async #look() {
    try {
      const [status, log] = await Promise.all([ask('/api/status'), ask('/api/logs').catch(() => [])]);
      if (!this.#timer) return;
      this.#show(status);
      this.#log = log;
      this.#lines();
      this.#root.classList.remove('stale');
    } catch (error) {
      this.#root.classList.add('stale');
      this.#parts.about.textContent = `No news: ${error.message}.`;
    }
  }

  #show(status) {
    const { version, pid, up_ms, queue = {}, counters = {}, minutes = [] } = status;
    this.#parts.about.textContent = `miniclaw ${version}, process ${pid}, up for ${span(up_ms)}`;
    if (status.disk_error) {
      const trouble = ` The disk takes nothing (${status.disk_error}): messages wait until it does.`;
      this.#parts.about.append(h('strong', { class: 'alarm', role: 'alert' }, trouble));
    }
    const last = minutes.at(-1) ?? {};
    const tiles = [['Waiting', queue.waiting], ['Under way', queue.turns], ['Dead letters', queue.dead_letters, queue.dead_letters > 0],
      ['Last minute', last.received], ['Received', counters.received], ['Delivered', counters.delivered]];
    this.#parts.tiles.replaceChildren(...tiles.map(([name, value, bad]) => h('div', { class: bad && 'alarm' }, h('dt', {}, name), h('dd', {}, value?.toLocaleString() ?? '–'))));
    bars(this.#parts.rate, minutes);
    lines(this.#parts.latency, minutes);
    this.#parts.channels.replaceChildren(...(status.channels ?? []).map((one) => instance(one, channelWords(one))));
    this.#parts.providers.replaceChildren(...(status.providers ?? []).map((one) => instance(one, providerWords(one))));
  }

  #lines() {
    const wanted = LEVELS.indexOf(this.#level);
    const shown = this.#log.filter(({ level }) => LEVELS.indexOf(level.toLowerCase()) <= wanted);
    const box = this.#parts.lines;
    const mark = JSON.stringify([this.#level, shown.length, shown.at(-1)]);
    if (box.mark === mark) return;
    box.mark = mark;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
    box.replaceChildren(...(shown.length ? shown.map(line) : [h('li', { class: 'muted' }, 'No lines of this level.')]));
    if (atEnd) box.scrollTop = box.scrollHeight;
  }
}

function line({ timestamp, level, target, text }) {
  const when = Number.isNaN(Date.parse(timestamp)) ? timestamp : new Date(timestamp).toLocaleTimeString();
  return h('li', {}, h('time', {}, when), h('b', { class: `level-${level.toLowerCase()}` }, level.toLowerCase()), h('span', {}, text, h('i', {}, ` ${target}`)));
}

function instance(one, words) {
  const tone = GOOD.includes(one.state) ? 'good' : BAD.includes(one.state) ? 'worse' : 'so-so';
  const plugin = one.plugin === one.instance ? '' : one.plugin;
  const about = [plugin, one.version, one.account].filter(Boolean).join(' · ');
  return h('li', {}, h('p', { class: 'head' }, h('b', {}, one.instance), h('span', { class: `state ${tone}` }, one.state)),
    about && h('p', { class: 'muted' }, about), words.filter(Boolean).map(([text, bad]) => h('p', { class: bad ? 'bad' : 'muted' }, text)));
}

const known = (ms) => ms !== undefined && ms !== null;
const failed = ({ last_error: error }) => error && [`Last error ${span(error.ago_ms)} ago: ${error.error}`, true];

function channelWords(one) {
  const { heard_ms, outage, flood_wait: flood, replies_waiting: replies } = one;
  return [
    one.reason && [one.reason, true],
    known(heard_ms) && [`Heard ${heard_ms < 2000 ? 'just now' : `${span(heard_ms)} ago`}`],
    outage && (known(outage.over_ms) ? [`Last outage over ${span(outage.over_ms)} ago: ${outage.reason}`] : [`Outage for ${span(outage.began_ms)}: ${outage.reason}`, true]),
    flood && [`The platform asks ${flood.all_chats ? 'all sends' : 'sends to a chat'} to wait for ${span(flood.left_ms)}`, true],
    replies > 0 && [`${replies} ${replies === 1 ? 'reply waits' : 'replies wait'}`],
    one.nobody_may_write && ['Nobody may write: allow_from is empty, and pairing is off', true],
    ...(one.groups_not_heard ?? []).map(({ group, ago_ms }) => [`Asked ${span(ago_ms)} ago in group ${group}, which is not in groups.allow`, true]),
    failed(one),
  ];
}

const providerWords = (one) => [
  one.reason && [one.reason, true],
  known(one.left_alone_ms) && [`Failed repeatedly, is asked again in ${span(one.left_alone_ms)}`, true],
  failed(one),
];
