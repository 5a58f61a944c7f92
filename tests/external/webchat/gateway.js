// The real gateway, with the web chat and a second channel beside it.
const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const { until } = require('./until');

const binary = process.env.MINICLAW;
const home = process.env.MINICLAW_HOME;
// Says one thing when it is told to receive, and takes every reply.
const BRIDGE = `const say = (line) => console.log(JSON.stringify(line));
require('node:readline').createInterface({ input: process.stdin }).on('line', (text) => {
  const { type, id } = JSON.parse(text);
  if (type === 'start') say({ type: 'ready', account: 'bridge', name: 'Bridge' });
  if (type === 'receive') say({ type: 'message', id: '1', chat: '7_1', sender: '7', text: 'When does the train leave?' });
  if (type === 'send') say({ type: 'sent', id, ids: ['r' + id] });
  if (type === 'stop') process.exit(0);
}).on('close', () => process.exit(0));`;

class Gateway {
  #child = null;

  constructor(modelUrl, port) {
    const settings = { plugin: 'webchat', settings: { listen: `127.0.0.1:${port}` } };
    this.origin = `http://127.0.0.1:${port}`;
    fs.writeFileSync(path.join(home, 'config.json'), JSON.stringify({
      provider: 'openai',
      agent: { retries: 0 },
      gateway: { max_message_bytes: 8000 },
      providers: { openai: { settings: { base_url: modelUrl, model: 'teller' } } },
      channels: { webchat: settings, bridge: { plugin: 'exec', allow_from: ['7'], settings: { command: [process.execPath, '-e', BRIDGE] } } },
    }), { mode: 0o600 });
  }

  // Where it does not run already.
  async start() {
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) return;
    const log = fs.openSync(path.join(process.env.SCRATCH, 'gateway.log'), 'a');
    this.#child = spawn(binary, ['gateway'], { stdio: ['ignore', log, log] });
    fs.closeSync(log);
    await until('the web chat answers', async () => {
      if (this.#child.exitCode !== null) throw new Error(`the gateway ended with status ${this.#child.exitCode}`);
      return (await fetch(`${this.origin}/`).catch(() => null))?.status === 401;
    });
  }

  // Ends it at once, as a loss of power does.
  async kill(signal = 'SIGKILL') {
    const ended = new Promise((done) => { this.#child.once('exit', done); });
    this.#child.kill(signal);
    await ended;
  }

  // A fresh one-time link.
  async link() {
    let said = '';
    await until('`miniclaw web` prints a link', async () => {
      said = (await promisify(execFile)(binary, ['web']).catch((error) => ({ stdout: `${error.stdout}${error.stderr}` }))).stdout;
      return /login\?token=/.test(said);
    });
    return said.match(/https?:\/\/\S+\/login\?token=[^\s"]+/)[0];
  }

  get pid() {
    return this.#child.pid;
  }
}

// A gateway in a home of its own, without a configuration: its link, and how to end it.
async function unconfigured() {
  const fresh = fs.mkdtempSync(path.join(process.env.SCRATCH, 'fresh-'));
  const child = spawn(binary, ['gateway'], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, MINICLAW_HOME: fresh } });
  const ended = new Promise((done) => { child.once('exit', done); });
  let said = '';
  child.stdout.on('data', (data) => { said += data; });
  const end = async () => { child.kill('SIGTERM'); await ended; };
  try {
    const [link] = await until('the gateway prints a link', () => said.match(/https?:\/\/\S+\/login\?token=[^\s"]+/));
    return { link, said, end };
  } catch (error) {
    await end();
    throw error;
  }
}

module.exports = { Gateway, unconfigured };
