// Chromium, and pages that note whatever a console of a good page does not show.
const puppeteer = require('puppeteer-core');
const { until } = require('./until');

// What Chromium says by itself where a gateway is away, or refuses.
const AWAY = /net::ERR_(CONNECTION|INCOMPLETE|EMPTY|FAILED|ABORTED|INTERNET)/;
const REFUSED = /status of (401|409|413|422|503)/;

class Browser {
  #browser;
  // Complaints of all pages.
  complaints = [];

  async start() {
    const args = ['--no-sandbox', '--disable-dev-shm-usage', '--lang=en-GB', '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding'];
    this.#browser = await puppeteer.launch({ executablePath: process.env.BROWSER_BINARY, headless: true, protocolTimeout: 30000, args, env: { ...process.env, LANGUAGE: 'en_GB', LANG: 'en_GB.UTF-8' } });
  }

  close() {
    return this.#browser.close();
  }

  // What is on show, for whoever looks for the reason of a failure.
  async shown() {
    const pages = await this.#browser.pages();
    const texts = pages.map((page) => page.evaluate(() => `${location.href}: ${document.body?.innerText.slice(0, 600)}`).catch(() => 'a page that does not answer'));
    return (await Promise.all(texts)).filter((text) => !text.startsWith('about:')).map((text) => text.replace(/\s*\n\s*/g, ' | '));
  }

  // A browser of its own: no cookies, nothing stored.
  person() {
    return this.#browser.createBrowserContext();
  }

  // `away`: the gateway ends while the page is open. `refused`: it refuses something.
  async page(person, { away, refused, wide = 1200, high = 800, scheme = 'light', phone = false, before } = {}) {
    const page = await person.newPage();
    const complain = (text) => this.complaints.push(text);
    page.on('console', (message) => {
      const text = message.text();
      if (!['error', 'warn'].includes(message.type())) return;
      if ((away && AWAY.test(text)) || (refused && REFUSED.test(text))) return;
      complain(`console: ${text} ${message.location().url ?? ''}`);
    });
    page.on('pageerror', (error) => complain(`error: ${error.message}`));
    page.on('dialog', async (dialog) => { complain(`dialog: ${dialog.message()}`); await dialog.dismiss(); });
    await page.evaluateOnNewDocument(() => {
      document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    });
    if (before) await page.evaluateOnNewDocument(before);
    await page.setViewport({ width: wide, height: high, isMobile: phone, hasTouch: phone });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    return page;
  }

  // A page of somebody who is logged in, with the chat on show.
  async chat(person, url, options) {
    const page = await this.page(person, options);
    await page.goto(url);
    await shows(page, '#link-state.on');
    return page;
  }
}

// Asked from here: a tab in the background looks at nothing by itself. A page that is just being left has nothing.
const shows = (page, selector) => until(`${selector} is there`, () => page.$(selector).catch(() => null));

const say = async (page, text) => {
  await page.focus('#text');
  await page.type('#text', text);
  await page.keyboard.press('Enter');
};

// The messages as a person sees them.
const messages = (page) => page.$$eval('.message', (all) => all.map((one) => ({
  who: one.classList.contains('user') ? 'user' : 'agent',
  text: one.querySelector('.text').innerText.trim(),
  foot: one.querySelector('.meta').innerText,
  draft: one.classList.contains('draft'),
})));

const has = (page, text, seconds) => until(`“${text}” is on the page`, async () => (await messages(page)).some((one) => one.text.includes(text)), seconds);
const quiet = (page, seconds) => until('the answer is whole', () => page.$eval('#stop', (stop) => stop.hidden), seconds);
const answered = async (page, text, seconds) => { await has(page, text, seconds); await quiet(page, seconds); };
const newChat = async (page) => {
  await page.evaluate(() => { location.hash = '#/new'; });
  await until('the chat is new', async () => (await messages(page)).length === 0 && page.$eval('#title', (title) => title.textContent === 'New chat'));
};

module.exports = { Browser, answered, has, messages, newChat, quiet, say, shows };
