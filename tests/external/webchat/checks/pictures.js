// The pictures of the README, where WEBCHAT_PICTURES names the folder for them.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { answered, has, newChat, say } = require('../browser');
const { until } = require('../until');

const folder = process.env.WEBCHAT_PICTURES;
const LIMIT_BYTES = 160 * 1024;

async function picture(page, name) {
  if (!folder) return;
  fs.mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${name}.png`);
  await page.screenshot({ path: file });
  assert.ok(fs.statSync(file).size <= LIMIT_BYTES, `${file} has ${fs.statSync(file).size} bytes`);
}

// An hour of a gateway that has more to do than the one of these checks.
const hour = () => {
  const real = window.fetch;
  window.fetch = async (address, options) => {
    const response = await real(address, options);
    if (address !== '/api/status') return response;
    const status = await response.json();
    const now = Math.floor(Date.now() / 60000);
    status.minutes = Array.from({ length: 60 }, (_, index) => {
      const wave = Math.sin(index / 6) + Math.sin(index / 2.3) / 3;
      const received = Math.max(0, Math.round(11 + 7 * wave + ((index * 7919) % 5) - 2));
      return { minute: (now - 59 + index) * 60, received, delivered: received, turns: received, p50_ms: 820 + 170 * wave + ((index * 7919) % 90), p99_ms: 2100 + 520 * wave + ((index * 104729) % 500) };
    });
    return new Response(JSON.stringify(status), response);
  };
};

module.exports = {
  async 'pictures of the chat, a phone and the status'({ browser, gateway }) {
    const cleo = await browser.person();
    const page = await browser.chat(cleo, await gateway.link(), { wide: 1120, high: 880 });
    for (const text of ['Which bread keeps longest?', 'Notes for the board meeting']) {
      await newChat(page);
      await say(page, text);
      await answered(page, `I heard: ${text}`);
    }
    await newChat(page);
    await say(page, 'Plan my weekend in Vienna, please');
    await answered(page, 'Shall I look up the trains');
    const plan = page.url();
    await page.$eval('#scroll', (scroll) => { scroll.scrollTop = scroll.scrollHeight; });
    await picture(page, 'chat');
    await page.close();

    const small = await browser.chat(cleo, plan, { wide: 390, high: 780, scheme: 'dark', phone: true });
    await answered(small, 'Shall I look up the trains');
    await small.$eval('#scroll', (scroll) => { scroll.scrollTop = 0; });
    await picture(small, 'phone');
    await small.close();

    const status = await browser.chat(cleo, `${gateway.origin}/#/status`, { wide: 1120, high: 880, scheme: 'dark', before: hour });
    await until('the plots are there', () => status.$eval('.rate-card svg', (plot) => plot.querySelectorAll('rect').length > 30));
    await until('log lines are there', () => status.$$eval('.lines-card li b', (all) => all.length > 0));
    await picture(status, 'status');
    await cleo.close();
  },
};
