// Puts the parts together: routes, the banner, the door.
import { ChatView } from './chat.js';
import { at, icon } from './dom.js';
import { Events, ask, door } from './net.js';
import { Outbox } from './outbox.js';
import { Sidebar, parts } from './sidebar.js';
import { StatusView } from './status.js';
import { Store } from './store.js';

const LAST = 'miniclaw.last';
// A hidden tab gives its connection back: a browser has six for all tabs of a gateway.
const HIDDEN_MS = 30000;

const events = new Events();
const outbox = new Outbox();
const store = new Store(events, outbox);
const sidebar = new Sidebar(store, events);
const chat = new ChatView(store, outbox, notice);
const status = new StatusView(at('status'));

function route() {
  const [, name, rest] = location.hash.match(/^#\/(\w*)\/?(.*)$/) ?? [];
  let id = '';
  try { id = decodeURIComponent(rest ?? ''); } catch { /* none of ours */ }
  if (name === 'chat' && /^[A-Za-z0-9-]{1,64}$/.test(id)) {
    try { localStorage.setItem(LAST, id); } catch { /* no room */ }
    return show('chat', () => chat.open({ chat: id }));
  }
  if (name === 'session' && id) return show('chat', () => chat.open({ key: id, ...parts(id) }));
  if (name === 'status') return show('status', () => status.open());
  if (name === 'new') return show('chat', () => chat.open({}));
  const last = localStorage.getItem(LAST);
  location.replace(last ? `#/chat/${last}` : '#/new');
}

function show(view, open) {
  document.body.dataset.view = view;
  chat.close();
  status.close();
  for (const name of ['chat', 'status', 'locked']) at(name).hidden = name !== view;
  at('delete').hidden = true;
  for (const name of ['chat', 'status']) at(`tab-${name}`).toggleAttribute('data-on', name === view);
  open();
  sidebar.show(location.hash);
  title();
}

function title() {
  const view = document.body.dataset.view;
  const text = { status: 'Status', locked: 'Signed out' }[view] ?? chat.title;
  if (at('title').textContent !== text) at('title').textContent = text;
  const unread = store.unread.size ? `(${store.unread.size}) ` : '';
  document.title = `${unread}${text === 'New chat' ? '' : `${text} · `}miniclaw`;
}

let banner = null;

// What stands above the conversation: the text of it, and what a button does.
function tell(text, label, click) {
  clearTimeout(banner);
  at('banner').hidden = !text;
  at('banner').replaceChildren(text ?? '');
  if (!label) return;
  const button = document.createElement('button');
  Object.assign(button, { type: 'button', className: 'plain', textContent: label, onclick: click });
  at('banner').append(button);
}

function notice(text) {
  tell(text, 'Close', () => tell(null));
  banner = setTimeout(() => tell(null), 8000);
}

let down = null;

function connected(up) {
  at('link-state').textContent = up ? 'Connected' : 'Not connected';
  at('link-state').classList.toggle('on', up);
  clearTimeout(down);
  down = null;
}

function locked() {
  if (document.body.dataset.view === 'locked') return;
  show('locked', () => {});
  connected(false);
  tell(null);
  events.want(false);
}

async function unlock() {
  try {
    await ask('/api/chats');
  } catch {
    return;
  }
  events.want(true);
  outbox.pump();
  route();
}

door.addEventListener('locked', locked);
events.addEventListener('up', () => {
  connected(true);
  tell(null);
  outbox.pump();
});
events.addEventListener('bye', () => tell('The gateway is stopping. This page goes on when it is back.'));
events.addEventListener('down', () => {
  if (document.body.dataset.view === 'locked') return;
  at('link-state').textContent = 'Not connected';
  at('link-state').classList.remove('on');
  down ??= setTimeout(() => tell('No connection to the gateway. What you write waits here and is sent when it is back.', 'Try now', () => events.retry()), 600);
});
store.addEventListener('chats', title);
store.addEventListener('thread', title);
store.addEventListener('gone', ({ detail }) => {
  if (localStorage.getItem(LAST) === detail) localStorage.removeItem(LAST);
  if (location.hash === `#/chat/${detail}`) location.replace('#/new');
});

let hidden = null;
document.addEventListener('visibilitychange', () => {
  clearTimeout(hidden);
  if (document.hidden) {
    const rest = () => {
      if (store.current && store.mood(store.current)) hidden = setTimeout(rest, HIDDEN_MS);
      else events.want(false);
    };
    hidden = setTimeout(rest, HIDDEN_MS);
    return;
  }
  if (document.body.dataset.view === 'locked') return unlock();
  store.unread.delete(store.current);
  events.want(true);
  events.retry();
  sidebar.render();
  title();
});
window.addEventListener('online', () => events.retry());
window.addEventListener('hashchange', route);

at('delete').append(icon('bin'));
at('delete').addEventListener('click', () => {
  const gone = store.current;
  at('confirm-text').textContent = `Delete “${store.title(gone)}”? It cannot be brought back.`;
  at('confirm').returnValue = '';
  at('confirm').showModal();
  at('confirm').onclose = async () => {
    if (at('confirm').returnValue !== 'yes') return;
    await store.remove(gone).catch((error) => notice(`Not deleted: ${error.message}`));
  };
});
at('logout').addEventListener('click', async () => {
  await ask('/api/logout', {}).then(locked, (error) => { if (error.status !== 401) notice(`Not signed out: ${error.message}`); });
});
at('unlock').addEventListener('click', unlock);
at('skip').addEventListener('click', (event) => {
  event.preventDefault();
  at('main').focus();
});

route();
events.run();
outbox.pump();
