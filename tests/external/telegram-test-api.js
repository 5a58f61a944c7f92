// The emulator, a model that repeats what it hears, and the people who write to the bot.
const http = require('node:http');
const TelegramServer = require('telegram-test-api');

const [port, modelPort, token] = process.argv.slice(2);
const PRIVATE = 42;
const GROUP = -100;
const OTHER_GROUP = -200;
const STORY = Array.from({ length: 14 }, (_, index) => `part ${index + 1}`).join(', ');
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// In OpenAI's shape. Asked for a story it speaks slowly, a word at a time.
const model = http.createServer(async (request, response) => {
  let body = '';
  for await (const part of request) body += part;
  if (request.method === 'GET') {
    response.end(JSON.stringify({ object: 'list', data: [{ id: 'parrot' }, { id: 'budgie' }] }));
    return;
  }
  const asked = JSON.parse(body);
  const { content } = asked.messages.at(-1);
  const heard = typeof content === 'string' ? content : content.map((part) => part.text ?? part.type).join(' ');
  const slow = heard.includes('story');
  const answer = slow ? STORY : `${asked.model} heard: ${heard}`;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const word of answer.split(/(?<= )/)) {
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: word } }] })}\n\n`);
    if (slow) await sleep(150);
  }
  const usage = { prompt_tokens: 20, completion_tokens: 5 };
  response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage })}\n\n`);
  response.end('data: [DONE]\n\n');
});

const emulator = new TelegramServer({ port: Number(port), host: '127.0.0.1', storeTimeout: 600 });
let edits = [];
const edit = emulator.editMessageText.bind(emulator);
emulator.editMessageText = (message) => {
  edits.push(message.text);
  edit(message);
};

// What the bot has said in a chat, edits included.
const said = (chat) => emulator.storage.botMessages.map((sent) => sent.message).filter((sent) => String(sent.chat_id) === String(chat));

async function until(what, ready) {
  const end = Date.now() + 30000;
  for (let found = ready(); !found; found = ready()) {
    if (Date.now() > end) {
      const all = [PRIVATE, GROUP, OTHER_GROUP].map((chat) => said(chat).map((sent) => sent.text));
      throw new Error(`${what} did not come; said: ${JSON.stringify(all)}`);
    }
    await sleep(50);
  }
}

const ADA = { id: 42, first_name: 'Ada', username: 'ada', is_bot: false };
const EVE = { id: 666, first_name: 'Eve', username: 'eve', is_bot: false };

async function write(chat, from, text, more = {}) {
  const place = chat > 0 ? { id: chat, type: 'private', first_name: from.first_name } : { id: chat, type: 'supergroup', title: 'Friends' };
  const command = /^\/\S+/.exec(text ?? '')?.[0];
  const entities = command ? [{ type: 'bot_command', offset: 0, length: command.length }] : undefined;
  await emulator.addUserMessage({
    botToken: token, from, chat: place, date: Math.floor(Date.now() / 1000), text, entities, ...more,
  });
  console.log(`${chat > 0 ? '' : `[group ${chat}] `}${from.first_name}: ${text ?? Object.keys(more).join(' ')}`);
}

// Waits for the chat's next reply to be one that the expression matches, edits included.
async function reply(chat, before, expected) {
  await until(`a reply like ${expected}`, () => said(chat).length > before && expected.test(said(chat)[before].text));
  const { text } = said(chat)[before];
  console.log(`${chat > 0 ? '' : `[group ${chat}] `}bot: ${text.replaceAll('\n', '\n     ')}`);
  return said(chat)[before];
}

async function ask(text, expected, { chat = PRIVATE, from = ADA, ...more } = {}) {
  const before = said(chat).length;
  await write(chat, from, text, more);
  return reply(chat, before, expected);
}

function check(what, holds, seen) {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(seen)}`);
}

async function conversation() {
  await ask('hello there', /^parrot heard: hello there$/);
  await ask('how are *you* & co', /: how are <i>you<\/i> &amp; co$/);

  edits = [];
  await ask('tell me a story', new RegExp(`^${STORY}$`));
  check('the story was not shown while it was written', edits.length >= 2, edits);
  check('an edit is no part of the story', edits.every((text) => STORY.startsWith(text.replace(/ ?…$/, ''))), edits);
  console.log(`(in one message, with ${edits.length} edits: ${edits.map((text) => text.length).join(', ')} characters)`);

  await ask('/help', /\/status/);
  await ask('/status', /Model: parrot \(provider openai\)[^]*Today: 3 requests, 60 tokens read, 15 written/);
  await ask('/model', /budgie/);
  await ask('/model budgie', /model is budgie/);
  await ask('good bye', /^budgie heard: good bye$/);
  await ask('/new', /new conversation/);

  const image = { photo: [{ file_id: 'p1', file_unique_id: 'u1', width: 9, height: 9, file_size: 99 }], caption: 'what is it?' };
  await ask(undefined, /^budgie heard: .*what is it\?/s, image);
}

async function group() {
  await write(GROUP, ADA, 'this is not for the bot');
  await write(GROUP, EVE, '@TestNameBot hi', { entities: [{ type: 'mention', offset: 0, length: 12 }] });
  await write(GROUP, ADA, '/new');
  await write(OTHER_GROUP, ADA, '@TestNameBot hi', { entities: [{ type: 'mention', offset: 0, length: 12 }] });
  const answer = await ask('@TestNameBot hi all', /heard: .*hi all/, {
    chat: GROUP, entities: [{ type: 'mention', offset: 0, length: 12 }],
  });
  check('the answer in a group replies to nothing', answer.reply_parameters || answer.reply_to_message_id, answer);
  await ask('/status@TestNameBot', /Model: parrot/, { chat: GROUP });
}

const calls = new Promise((done) => {
  const getUpdates = emulator.getUpdates.bind(emulator);
  emulator.getUpdates = (bot) => {
    done();
    return getUpdates(bot);
  };
});

(async () => {
  await new Promise((done) => model.listen(Number(modelPort), '127.0.0.1', done));
  await emulator.start();
  await calls;
  await conversation();
  await group();
  // What came twice would be here by now.
  await sleep(1500);
  const counts = [PRIVATE, GROUP, OTHER_GROUP].map((chat) => said(chat).length);
  check('the bot spoke another number of times', String(counts) === '10,2,0', counts);
  process.exit(0);
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
