// Runs every check, in order, with one gateway; one line each, and a count at the end. With arguments: those checks alone whose
// names have one of them.
const net = require('node:net');
const { Browser, shows } = require('./browser');
const { Gateway } = require('./gateway');
const { model } = require('./model');

const groups = ['door', 'chat', 'markdown', 'loss', 'look', 'status', 'pictures'];

const freePort = () => new Promise((done) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

async function main() {
  const teller = await model();
  const gateway = new Gateway(teller.url, await freePort());
  const browser = new Browser();
  await Promise.all([browser.start(), gateway.start()]);
  const world = { browser, gateway, teller, origin: gateway.origin, ada: await browser.person() };
  const login = await browser.page(world.ada);
  await login.goto(await gateway.link());
  await shows(login, '#link-state.on');
  await login.close();

  const only = process.argv.slice(2);
  const failures = [];
  let count = 0;
  for (const [name, check] of groups.flatMap((group) => Object.entries(require(`./checks/${group}`)))) {
    if (only.length && !only.some((part) => name.includes(part))) continue;
    count += 1;
    browser.complaints.length = 0;
    const began = Date.now();
    try {
      await check(world);
      if (browser.complaints.length) throw new Error(browser.complaints.join('\n    '));
      console.log(`ok      ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      failures.push(name);
      console.log(`FAILED  ${name}: ${error.stack ?? error}`);
      for (const more of [...browser.complaints, ...await browser.shown()]) console.log(`    ${more}`);
      await gateway.start().catch(() => {});
    }
    for (const page of await world.ada.pages()) await page.close();
  }
  console.log(`${count - failures.length} of ${count} checks passed`);
  await browser.close();
  await gateway.kill('SIGTERM');
  teller.close();
  process.exit(failures.length || !count ? 1 : 0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
