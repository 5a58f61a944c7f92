// Two small plots of the last hour.
import { h, s } from './dom.js';

const HIGH = 150;
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 8, 10, 22];
const SLOTS = 60;

// Replaces what is in `box` by a plot of `high` values a slot, `top` being the largest one that has to fit.
function plot(box, top, label, words, draw) {
  const wide = Math.max(box.clientWidth, 220);
  const x = (slot) => LEFT + (slot / SLOTS) * (wide - LEFT - RIGHT);
  const y = (value) => HIGH - BOTTOM - (value / top) * (HIGH - TOP - BOTTOM);
  const level = (value) => [s('line', { class: 'grid', x1: LEFT, x2: wide - RIGHT, y1: y(value), y2: y(value) }),
    s('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, label(value))];
  const hours = [[0, 'an hour ago', 'start'], [30, '30 min', 'middle'], [SLOTS, 'now', 'end']];
  const svg = s('svg', { viewBox: `0 0 ${wide} ${HIGH}`, width: wide, height: HIGH, role: 'img', 'aria-label': words },
    [0, top / 2, top].flatMap(level), hours.map(([slot, text, anchor]) => s('text', { x: x(slot), y: HIGH - 5, 'text-anchor': anchor }, text)), draw(x, y));
  box.replaceChildren(svg);
}

// The next value whose half is a plain one too.
function round(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 3, 4, 6, 8, 10].find((step) => step * power >= value) * power;
}

// Minutes by their place, the current one being the last; those that are missing stay empty.
function places(minutes) {
  const last = Math.floor(Date.now() / 60000);
  return minutes.map((minute) => ({ ...minute, slot: SLOTS - 1 - (last - Math.floor(minute.minute / 60)) })).filter(({ slot }) => slot >= 0 && slot < SLOTS);
}



export function bars(box, minutes) {
  const found = places(minutes);
  const most = Math.max(0, ...found.map(({ received }) => received));
  const top = round(Math.max(most + (most % 2), 2));
  const total = found.reduce((sum, { received }) => sum + received, 0);
  plot(box, top, (value) => value.toLocaleString(), `${total} messages received in the last hour, at most ${most} in a minute`, (x, y) => {
    const wide = x(1) - x(0);
    return found.filter(({ received }) => received > 0).map(({ slot, received }) => s('rect', { class: 'bar', x: x(slot) + wide * 0.15, width: wide * 0.7, y: y(received), height: y(0) - y(received), rx: 1.5 }));
  });
}

const spoken = (ms) => (ms >= 1000 ? `${+(ms / 1000).toPrecision(2)} s` : `${+ms.toPrecision(2)} ms`);

export function lines(box, minutes) {
  const found = places(minutes).filter(({ p50_ms }) => p50_ms !== null && p50_ms !== undefined);
  const top = round(Math.max(2, ...found.map(({ p99_ms, p50_ms }) => Math.max(p99_ms ?? 0, p50_ms))));
  const last = found.at(-1);
  const words = last ? `Time to the answer: in the last minute with answers half within ${spoken(last.p50_ms)}, 99 of 100 within ${spoken(last.p99_ms ?? last.p50_ms)}` : 'No answers in the last hour';
  plot(box, top, spoken, words, (x, y) => ['p99', 'p50'].flatMap((name) => {
    const points = found.map((minute) => [x(minute.slot + 0.5), y(minute[`${name}_ms`] ?? minute.p50_ms), minute.slot]);
    const path = points.map(([px, py, slot], index) => `${index && points[index - 1][2] === slot - 1 ? 'L' : 'M'}${px.toFixed(1)} ${py.toFixed(1)}`).join('');
    return [s('path', { class: name, d: path || 'M0 0' }), ...points.map(([cx, cy]) => s('circle', { class: name, cx, cy, r: 2 }))];
  }));
  box.append(h('p', { class: 'legend muted' }, h('i', { class: 'p50' }), 'half of them ', h('i', { class: 'p99' }), '99 of 100'));
}
