// What an operator sees.
const assert = require('node:assert/strict');
const { until } = require('../until');

const shown = (page, card) => page.$eval(card, (one) => one.innerText);

module.exports = {
  async 'the status names channels, provider, counts, plots and log lines'({ browser, gateway, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/status`);
    await until('the channels are there', async () => /webchat[\s\S]*running/.test(await shown(page, '.channels-card')));
    assert.match(await shown(page, '.channels-card'), /bridge\s+running[\s\S]*exec/);
    assert.match(await shown(page, '.providers-card'), /openai\s+running/);
    assert.match(await shown(page, '.about'), new RegExp(`process ${gateway.pid},`));
    assert.match(await shown(page, '.tiles'), /Waiting\s+\d+\s+Under way\s+\d+\s+Dead letters\s+\d+/);
    const plots = await page.$$eval('.card svg', (all) => all.map((one) => one.getAttribute('aria-label')));
    assert.equal(plots.length, 2);
    await until('log lines are there', () => page.$$eval('.lines-card li b', (all) => all.length > 0));
    await page.select('.level select', 'error');
    assert.ok(await page.$$eval('.lines-card li b', (all) => all.every((one) => one.textContent === 'error')));
  },

  async 'the status is asked for every few seconds, and only while somebody can see it'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/status`);
    let asked = 0;
    page.on('request', (request) => { if (request.url().endsWith('/api/status')) asked += 1; });
    await until('it is asked again', () => asked >= 2, 12);
    await page.evaluate(() => { location.hash = '#/new'; });
    const before = asked;
    await page.evaluate(() => new Promise((done) => { setTimeout(done, 6500); }));
    assert.ok(asked <= before + 1, `it was asked ${asked - before} times in the chat`);
    await page.evaluate(() => { location.hash = '#/status'; });
    await until('it is asked again', () => asked > before + 1, 12);
  },
};
