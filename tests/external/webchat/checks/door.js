// Who gets in.
const assert = require('node:assert/strict');
const { answered, say, shows } = require('../browser');
const { unconfigured } = require('../gateway');
const { until } = require('../until');

const shown = (page) => page.$eval('body', (body) => body.innerText);

module.exports = {
  async 'a gateway without a configuration prints a link, and its echo answers in the browser'({ browser }) {
    const { link, said, end } = await unconfigured();
    try {
      assert.match(link, /^http:\/\/127\.0\.0\.1:/);
      assert.match(said, /miniclaw web/);
      const bea = await browser.person();
      const page = await browser.chat(bea, link);
      await say(page, 'is anybody there?');
      await answered(page, 'Offline echo');
      await bea.close();
    } finally {
      await end();
    }
  },

  async 'a browser that nobody knows is told to run `miniclaw web`'({ browser, origin }) {
    const eve = await browser.person();
    const page = await browser.page(eve, { refused: true });
    const response = await page.goto(`${origin}/`);
    assert.equal(response.status(), 401);
    assert.match(await shown(page), /miniclaw web/);
    await eve.close();
  },

  async 'a wrong token is refused'({ browser, origin }) {
    const eve = await browser.person();
    const page = await browser.page(eve, { refused: true });
    const response = await page.goto(`${origin}/login?token=${'A'.repeat(43)}`);
    assert.equal(response.status(), 401);
    assert.match(await shown(page), /miniclaw web/);
    assert.equal((await page.goto(`${origin}/`)).status(), 401);
    await eve.close();
  },

  async 'a link that is looked at is not used up, and lets in one browser once'({ browser, gateway, origin }) {
    const link = await gateway.link();
    // What a messenger does to show a preview.
    for (let look = 0; look < 3; look += 1) assert.equal((await fetch(link)).status, 200);
    const bea = await browser.person();
    const page = await browser.chat(bea, link);
    assert.equal(page.url().split('#')[0], `${origin}/`);
    const [cookie] = await page.cookies();
    assert.ok(cookie.httpOnly && cookie.sameSite === 'Strict', 'the cookie is HttpOnly and SameSite=Strict');

    const eve = await browser.person();
    const second = await browser.page(eve, { refused: true });
    assert.equal((await second.goto(link)).status(), 401);
    assert.match(await shown(second), /miniclaw web/);
    await Promise.all([bea.close(), eve.close()]);
  },

  async 'who signs out is out in every tab, and comes back by a fresh link'({ browser, gateway }) {
    const bea = await browser.person();
    const one = await browser.chat(bea, await gateway.link(), { refused: true, away: true });
    const other = await browser.chat(bea, `${gateway.origin}/`, { refused: true, away: true });
    await one.bringToFront();
    await one.click('#logout');
    await shows(one, '#locked:not([hidden])');
    assert.match(await shown(one), /miniclaw web/);
    await other.evaluate(() => { location.hash = '#/status'; });
    await shows(other, '#locked:not([hidden])');
    await one.goto(await gateway.link());
    await shows(one, '#link-state.on');
    await other.bringToFront();
    await other.$eval('#unlock', (button) => button.click());
    await shows(other, '#link-state.on');
    await until('the status is on show again', () => other.$eval('#status', (status) => !status.hidden));
    await bea.close();
  },
};
