// What a conversation is like.
const assert = require('node:assert/strict');
const { answered, has, messages, newChat, quiet, say, shows } = require('../browser');
const { STORY } = require('../model');
const { until } = require('../until');

const agent = async (page) => (await messages(page)).filter((one) => one.who === 'agent');

module.exports = {
  async 'a message is answered'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    await say(page, 'good morning');
    await answered(page, 'I heard: good morning');
    assert.deepEqual((await messages(page)).map(({ who, text }) => [who, text]), [['user', 'good morning'], ['agent', 'I heard: good morning']]);
    assert.match(page.url(), /#\/chat\/c-[0-9a-f-]{36}$/);
    await until('the chat is in the list', () => page.$eval('#chats', (list) => list.innerText.includes('good morning')));
    assert.equal(await page.$eval('#title', (title) => title.textContent), 'good morning');
  },

  async 'an answer grows while it is written, and is read out once, when it is whole'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    await page.evaluate(() => {
      window.spoken = [];
      new MutationObserver(() => window.spoken.push(document.getElementById('announce').textContent)).observe(document.getElementById('announce'), { childList: true, characterData: true, subtree: true });
    });
    await say(page, 'tell me a story');
    const lengths = new Set();
    let stoppable = false;
    await until('the story is whole', async () => {
      const [first] = await agent(page);
      if (first) lengths.add(first.text.length);
      stoppable ||= await page.$eval('#stop', (stop) => !stop.hidden);
      assert.ok(!first?.text.includes('…'), 'the mark of an answer that goes on is not shown as text');
      return first?.text === STORY;
    });
    await quiet(page);
    assert.ok(lengths.size >= 8, `it was seen growing in ${lengths.size} steps`);
    assert.ok(stoppable, 'there was a button to stop it');
    assert.equal((await page.evaluate(() => window.spoken)).filter((text) => text.includes('part 40')).length, 1);
    assert.ok((await page.evaluate(() => window.spoken)).length <= 2, 'steps are not read out');
  },

  async 'Shift and Enter starts a line, and Enter for an input method sends nothing'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    await page.type('#text', 'first line');
    await page.keyboard.down('Shift');
    await page.keyboard.press('Enter');
    await page.keyboard.up('Shift');
    await page.type('#text', 'second line');
    await page.evaluate(() => document.getElementById('text').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true })));
    assert.equal((await messages(page)).length, 0);
    assert.equal(await page.$eval('#text', (text) => text.value), 'first line\nsecond line');
    await page.keyboard.press('Enter');
    await answered(page, 'I heard: first line');
    assert.equal((await messages(page))[0].text, 'first line\nsecond line');
    assert.equal(await page.$eval('#text', (text) => text.value), '');
  },

  async 'a reload in the middle of an answer loses nothing, and shows the rest of it'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    await say(page, 'a story to reload');
    await has(page, 'part 5');
    await page.reload();
    await shows(page, '#link-state.on');
    await has(page, 'a story to reload');
    assert.ok((await agent(page))[0]?.text.length < STORY.length, 'it was reloaded in the middle');
    await until('it goes on to the end', async () => (await agent(page))[0]?.text === STORY);
    await quiet(page);
    assert.equal((await messages(page)).length, 2);
  },

  async 'what is typed and not sent is there after a reload'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    await page.type('#text', 'half a thou');
    await page.reload();
    await shows(page, '#link-state.on');
    assert.equal(await page.$eval('#text', (text) => text.value), 'half a thou');
    await page.type('#text', 'ght');
    await page.keyboard.press('Enter');
    await answered(page, 'I heard: half a thought');
  },

  async 'two tabs show the same, whichever writes or deletes'({ browser, ada, origin }) {
    const one = await browser.chat(ada, `${origin}/#/new`);
    await say(one, 'hello from one');
    await answered(one, 'I heard: hello from one');
    const other = await browser.chat(ada, one.url());
    await answered(other, 'I heard: hello from one');
    await say(other, 'hello from the other');
    await Promise.all([answered(one, 'I heard: hello from the other'), answered(other, 'I heard: hello from the other')]);
    assert.deepEqual((await messages(one)).map(({ text }) => text), (await messages(other)).map(({ text }) => text));
    assert.equal((await messages(one)).length, 4);
    await one.bringToFront();
    await one.click('#delete');
    await shows(one, '#confirm[open]');
    assert.match(await one.$eval('#confirm', (dialog) => dialog.innerText), /hello from one/);
    await one.click('#confirm-yes');
    for (const page of [one, other]) {
      await until('the chat is gone', async () => !(await page.$eval('#chats', (list) => list.innerText)).includes('hello from one'));
      assert.equal((await messages(page)).length, 0);
    }
    await one.reload();
    await shows(one, '#link-state.on');
    await until('the list is there', () => one.$eval('#chats', (list) => list.children.length > 0));
    assert.ok(!(await one.$eval('#chats', (list) => list.innerText)).includes('hello from one'), 'it does not come back');
  },

  async 'a chat that is deleted by mistake can be kept'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    await say(page, 'keep me');
    await answered(page, 'I heard: keep me');
    await page.click('#delete');
    await page.keyboard.press('Escape');
    await page.click('#delete');
    await page.click('#confirm .plain');
    assert.equal((await messages(page)).length, 2);
  },

  async 'an answer that is stopped ends, and the next message is answered'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    await say(page, 'a story to stop');
    await has(page, 'part 6');
    await page.click('#stop');
    await quiet(page);
    const [stopped] = await agent(page);
    assert.ok(stopped.text.includes('part 6') && stopped.text.length < STORY.length, 'what was written stays');
    assert.equal((await messages(page)).filter(({ who }) => who === 'user').length, 1);
    await say(page, 'and now?');
    await answered(page, 'I heard: and now?');
  },

  async 'a message that the gateway refuses says why, and can be discarded'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`, { refused: true });
    await page.$eval('#text', (text) => { text.value = 'far too long '.repeat(700); text.dispatchEvent(new Event('input')); });
    await page.focus('#text');
    await page.keyboard.press('Enter');
    const refusal = await until('it is refused', () => page.evaluate(() => document.querySelector('.meta .bad')?.textContent ?? [...document.querySelectorAll('.agent .text')].at(-1)?.textContent));
    assert.match(refusal, /long|bytes|did not take/i);
    if (await page.$('.meta .bad')) {
      await page.evaluate(() => [...document.querySelectorAll('.meta button')].find((button) => button.textContent === 'Discard').click());
      await until('it is gone', async () => !(await messages(page)).some(({ who }) => who === 'user'));
    }
    await page.$eval('#text', (text) => { text.value = 'x'.repeat(17000); text.dispatchEvent(new Event('input')); });
    assert.match(await page.$eval('#hint', (hint) => hint.textContent), /too long by 616 bytes/);
    await page.focus('#text');
    await page.keyboard.press('Enter');
    assert.equal((await page.$eval('#text', (text) => text.value)).length, 17000, 'it stays to be shortened');
    await page.$eval('#text', (text) => { text.value = ''; text.dispatchEvent(new Event('input')); });
  },

  async 'an answer that wants to do harm is shown, and does nothing'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    const fetched = [];
    page.on('request', (request) => fetched.push(request.url()));
    await say(page, 'something hostile, please');
    await answered(page, 'end of the hostile text');
    const found = await page.evaluate(() => ({
      hacked: window.hacked ?? null,
      tags: [...document.querySelectorAll('.message script, .message img, .message iframe, .message style, .message svg, .message form, .message input')].length,
      handlers: [...document.querySelectorAll('.message *')].flatMap((one) => [...one.attributes]).filter(({ name }) => name.startsWith('on') || name === 'style').length,
      links: [...document.querySelectorAll('.message a')].map((link) => [link.protocol, link.rel, link.href]),
      text: document.querySelector('.agent .text').innerText,
    }));
    assert.equal(found.hacked, null);
    assert.equal(found.tags, 0);
    assert.equal(found.handlers, 0);
    assert.ok(found.links.length >= 2);
    for (const [protocol, rel] of found.links) assert.ok(['http:', 'https:', 'mailto:'].includes(protocol) && rel.includes('noopener'), protocol);
    assert.ok(found.links.some(([, , href]) => href === 'https://example.org/a_(b)?c=1&d=2'), 'a good link with brackets is one');
    assert.ok(found.text.includes("<script>window.hacked = 'script'</script>"), 'it is shown as it was written');
    assert.deepEqual(fetched.filter((url) => !url.startsWith(origin)), []);
    for (const link of await page.$$('.message .dead')) await link.click();
    assert.equal(await page.evaluate(() => window.hacked ?? null), null);
    await newChat(page);
  },

  async 'what a person writes is shown as it is'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    const text = '<b onmouseover="window.hacked=1">**not bold**</b>  &amp;';
    await say(page, text);
    await answered(page, 'I heard:');
    assert.equal(await page.$eval('.user .text', (one) => one.textContent), text);
    assert.equal(await page.$('.user b'), null);
  },

  async 'a conversation of another channel can be read, and not written to'({ browser, ada, origin }) {
    const page = await browser.chat(ada, `${origin}/#/new`);
    await until('the other channel is in the list', () => page.$eval('#others', (list) => list.innerText.includes('bridge: 7_1')));
    await page.click('#others a');
    await has(page, 'When does the train leave?');
    await has(page, 'I heard: ');
    assert.equal(await page.$eval('#composer', (form) => form.offsetHeight), 0);
    assert.match(await page.$eval('#readonly', (note) => note.innerText), /takes place in bridge/);
  },
};
