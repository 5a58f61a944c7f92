// What is lost, and what is doubled, when things end in the middle: nothing.
const assert = require('node:assert/strict');
const { answered, has, messages, quiet, say, shows } = require('../browser');
const { STORY } = require('../model');
const { until } = require('../until');

const texts = async (page, role) => (await messages(page)).filter(({ who }) => who === role).map(({ text }) => text);
const away = { away: true };

module.exports = {
  async 'a kill in the middle of an answer: the message is answered exactly once'({ browser, gateway, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`, away);
    await say(page, 'a story to be killed');
    await has(page, 'part 6');
    await gateway.kill();
    await until('the page says so', () => page.$eval('#banner', (banner) => /No connection/.test(banner.innerText)));
    await gateway.start();
    await shows(page, '#link-state.on');
    await until('the answer is whole', async () => (await texts(page, 'agent')).includes(STORY));
    await quiet(page);
    assert.deepEqual(await texts(page, 'user'), ['a story to be killed']);
    assert.deepEqual(await texts(page, 'agent'), [STORY]);
    assert.ok(await page.$eval('#banner', (banner) => banner.hidden), 'the banner is gone');
    await page.reload();
    await has(page, 'part 40');
    assert.equal((await messages(page)).length, 2);
  },

  async 'what is written while the gateway is away is sent when it is back, once and in order'({ browser, gateway, ada, origin, teller }) {
    const page = await browser.chat(ada, `${origin}/#/new`, away);
    await say(page, 'before the outage');
    await answered(page, 'I heard: before the outage');
    await gateway.kill();
    for (const text of ['outage one', 'outage two', 'outage three']) await say(page, text);
    await until('they wait, and say so', async () => (await messages(page)).filter(({ foot }) => foot.includes('Waiting for the gateway')).length >= 2);
    await gateway.start();
    for (const text of ['one', 'two', 'three']) await answered(page, `I heard: outage ${text}`);
    assert.deepEqual(await texts(page, 'user'), ['before the outage', 'outage one', 'outage two', 'outage three']);
    assert.equal((await texts(page, 'agent')).filter((text) => text.includes('outage two')).length, 1);
    assert.equal(teller.asked.filter((text) => text.includes('outage two')).length, 1);
    assert.ok((await messages(page)).every(({ foot }) => !foot.includes('Waiting')));
  },

  async 'what waited in a tab that was closed is sent by the next one'({ browser, gateway, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`, away);
    const nobody = await browser.chat(ada, `${origin}/#/status`, away);
    await gateway.kill();
    await page.bringToFront();
    await say(page, 'written and closed');
    await until('it waits', async () => (await messages(page))[0]?.foot.includes('Waiting'));
    const url = page.url();
    await Promise.all([page.close(), nobody.close()]);
    await gateway.start();
    const next = await browser.chat(ada, url);
    await answered(next, 'I heard: written and closed');
    assert.deepEqual(await texts(next, 'user'), ['written and closed']);
    assert.equal((await texts(next, 'agent')).length, 1);
  },

  async 'an answer of the gateway that is lost on its way doubles nothing'({ browser, ada, origin, teller }) {
    // The first two requests arrive; nobody hears what came of them.
    const before = () => {
      const real = window.fetch;
      let lost = 2;
      window.fetch = async (path, options) => {
        const response = await real(path, options);
        if (options?.method !== 'POST' || !lost) return response;
        lost -= 1;
        throw new TypeError('lost');
      };
    };
    const page = await browser.chat(ada, `${origin}/#/new`, { before });
    await say(page, 'into the void');
    await answered(page, 'I heard: into the void');
    await until('nothing waits', () => page.evaluate(() => !Object.keys(localStorage).some((key) => key.startsWith('miniclaw.out.'))));
    assert.equal((await messages(page)).length, 2);
    assert.equal(teller.asked.filter((text) => text.includes('into the void')).length, 1);
  },

  async 'three tabs that come back at once send what waits once'({ browser, gateway, ada, origin, teller }) {
    const pages = [];
    for (let tab = 0; tab < 3; tab += 1) pages.push(await browser.chat(ada, `${origin}/#/status`, away));
    await pages[0].evaluate(() => { location.hash = '#/new'; });
    await gateway.kill();
    await pages[0].bringToFront();
    await say(pages[0], 'from one of three');
    await until('it waits', async () => (await messages(pages[0]))[0]?.foot.includes('Waiting'));
    await gateway.start();
    await answered(pages[0], 'I heard: from one of three');
    assert.equal((await messages(pages[0])).length, 2);
    assert.equal(teller.asked.filter((text) => text.includes('from one of three')).length, 1);
  },

  async 'a gateway that stops says so, and the page goes on when it is back'({ browser, gateway, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`, away);
    await say(page, 'before the stop');
    await answered(page, 'I heard: before the stop');
    await page.evaluate(() => {
      window.told = [];
      new MutationObserver(() => window.told.push(document.getElementById('banner').innerText)).observe(document.getElementById('banner'), { childList: true, attributes: true });
    });
    await gateway.kill('SIGTERM');
    await until('a banner is there', () => page.evaluate(() => window.told.some((text) => /stopping|No connection/.test(text))));
    await gateway.start();
    await shows(page, '#link-state.on');
    await say(page, 'after the stop');
    await answered(page, 'I heard: after the stop');
  },
};
