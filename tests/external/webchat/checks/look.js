// Phones, the dark, keyboards, screen readers.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const { answered, has, messages, quiet, say, shows } = require('../browser');
const { until } = require('../until');

const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth && document.body.scrollWidth <= window.innerWidth);
const phone = { wide: 360, high: 640, phone: true };
const path = '#/new';

// What axe finds that is serious or worse. It is run by the debugger: the policy allows no script of others.
async function violations(page) {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return found.filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary.replaceAll('\n', ' ')}`));
}

const focused = (page) => page.evaluate(() => {
  const one = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const box = one.id === 'text' ? getComputedStyle(one.parentElement).borderColor !== getComputedStyle(document.querySelector('.bar')).borderBottomColor : false;
  return { id: one.id, text: one.textContent.trim().slice(0, 30), tag: one.tagName, seen: box || (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) };
});

async function tabTo(page, id, limit = 40) {
  for (let step = 0; step < limit; step += 1) {
    await page.keyboard.press('Tab');
    const one = await focused(page);
    if (one.tag !== 'BODY') assert.ok(one.seen, `the focus on ${JSON.stringify(one)} can be seen`);
    if (one.id === id) return;
  }
  throw new Error(`no way to #${id} by Tab`);
}

module.exports = {
  async 'a phone of 360 pixels: nothing scrolls sideways, and the drawer works'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/${path}`, phone);
    await page.tap('#text');
    await page.type('#text', 'plan my weekend');
    await page.tap('#send');
    await answered(page, 'Shall I look up the trains');
    assert.ok(await fits(page), 'the chat fits');
    assert.ok(await page.$eval('.code pre', (pre) => pre.scrollWidth >= pre.clientWidth && pre.getBoundingClientRect().right <= window.innerWidth));
    const small = await page.$$eval('#menu, #delete, #send', (all) => all.filter((one) => one.getBoundingClientRect().width < 36 || one.getBoundingClientRect().height < 36).map((one) => one.id));
    assert.deepEqual(small, [], 'buttons are large enough for a thumb');
    assert.equal(await page.$eval('#side', (side) => getComputedStyle(side).visibility), 'hidden');
    await page.tap('#menu');
    await until('the drawer is open', () => page.$eval('#side', (side) => side.getBoundingClientRect().left === 0));
    assert.ok(await page.$eval('#stage', (stage) => stage.inert), 'what is below it cannot be reached');
    await page.tap('#tab-status');
    await until('the status is there', () => page.$$eval('.tiles', ([tiles]) => tiles?.innerText.includes('Delivered')));
    await until('the drawer is closed', () => page.$eval('#side', (side) => getComputedStyle(side).visibility === 'hidden'));
    assert.ok(await fits(page), 'the status fits');
  },

  async 'at 200 % zoom everything is there'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/${path}`, { wide: 640, high: 400 });
    await say(page, 'zoomed');
    await answered(page, 'I heard: zoomed');
    assert.ok(await fits(page));
    const box = await page.$eval('#send', (send) => send.getBoundingClientRect().toJSON());
    assert.ok(box.bottom <= 400 && box.right <= 640, 'the composer is on the screen');
  },

  async 'the dark is dark, and the light light'({ browser, ada, origin }) {
    const brightness = {};
    for (const scheme of ['light', 'dark']) {
      const page = await browser.chat(ada, `${origin}/${path}`, { scheme });
      brightness[scheme] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3);
      await page.close();
    }
    assert.ok(brightness.dark < 60 && brightness.light > 200, JSON.stringify(brightness));
  },

  async 'who wants no motion gets none'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/${path}`);
    await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
    await say(page, 'a story without motion');
    await has(page, 'part 3');
    assert.equal(await page.evaluate(() => document.getAnimations().filter((one) => one.playState === 'running').length), 0);
    await page.keyboard.press('Tab');
    await page.$eval('#stop', (stop) => stop.click());
    await quiet(page);
  },

  async 'a conversation by keyboard alone'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/status`);
    await tabTo(page, 'skip');
    await tabTo(page, 'new-chat');
    await page.keyboard.press('Enter');
    await until('the composer has the focus', async () => (await focused(page)).id === 'text');
    await page.keyboard.type('a story by keyboard');
    await page.keyboard.press('Enter');
    await has(page, 'part 3');
    await tabTo(page, 'stop', 4);
    await page.keyboard.press('Space');
    await quiet(page);
    assert.equal((await focused(page)).id, 'text', 'the focus goes back to the composer');
    await page.keyboard.type('thank you');
    await page.keyboard.press('Enter');
    await answered(page, 'I heard: thank you');
    await page.keyboard.down('Shift');
    await page.keyboard.press('Tab');
    await page.keyboard.up('Shift');
    assert.notEqual((await focused(page)).tag, 'BODY');
    await page.evaluate(() => document.activeElement.blur());
    await tabTo(page, 'delete');
    await page.keyboard.press('Enter');
    await shows(page, '#confirm[open]');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await until('the chat is gone', async () => (await messages(page)).length === 0);
  },

  async 'every button, field and link has a name'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/${path}`);
    await say(page, 'plan my weekend');
    await answered(page, 'Shall I look up the trains');
    for (const hash of [null, '#/status']) {
      if (hash) {
        await page.evaluate((to) => { location.hash = to; }, hash);
        await shows(page, '.lines-card li');
      }
      const tree = await page.accessibility.snapshot({ interestingOnly: false });
      const nameless = [];
      const walk = (node) => {
        if (['button', 'link', 'textbox', 'combobox', 'region', 'navigation', 'complementary'].includes(node.role) && !node.name?.trim()) nameless.push(node);
        (node.children ?? []).forEach(walk);
      };
      walk(tree);
      assert.deepEqual(nameless.map(({ role, description }) => [role, description]), []);
    }
    const landmarks = await page.evaluate(() => ['main', 'nav[aria-label]', 'aside[aria-label]', 'h1', 'html[lang]', '[aria-live=polite]'].filter((one) => !document.querySelector(one)));
    assert.deepEqual(landmarks, []);
  },

  async 'axe finds nothing serious, light and dark, in any view'({ browser, ada, origin }) {
    for (const scheme of ['light', 'dark']) {
      const page = await browser.chat(ada, `${origin}/${path}`, { scheme });
      const found = [];
      const look = async (view) => found.push(...(await violations(page)).map((one) => `${scheme} ${view} ${one}`));
      await look('empty');
      await say(page, 'plan my weekend');
      await answered(page, 'Shall I look up the trains');
      await look('chat');
      await page.evaluate(() => { location.hash = '#/status'; });
      await shows(page, '.lines-card li');
      await look('status');
      await page.click('#others a');
      await has(page, 'When does the train leave?');
      await look('session');
      await page.setViewport({ width: 360, height: 640 });
      await until('the sidebar is a drawer', () => page.$eval('#side', (side) => getComputedStyle(side).visibility === 'hidden'));
      await page.click('#menu');
      await until('the drawer is open', () => page.$eval('#side', (side) => side.getBoundingClientRect().left === 0));
      await look('drawer');
      assert.deepEqual(found, []);
      await page.close();
    }
  },

  async 'a browser that is not logged in gets pages without a serious fault'({ browser, gateway, origin }) {
    const eve = await browser.person();
    const page = await browser.page(eve, { refused: true });
    await page.goto(`${origin}/`);
    assert.deepEqual(await violations(page), []);
    const out = await browser.chat(eve, await gateway.link(), { refused: true });
    await out.click('#logout');
    await shows(out, '#locked:not([hidden])');
    assert.deepEqual(await violations(out), []);
    await eve.close();
  },
};
