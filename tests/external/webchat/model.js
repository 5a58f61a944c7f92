// A model in OpenAI's shape that speaks as slowly as it is asked to.
const http = require('node:http');

const STORY = Array.from({ length: 40 }, (_, index) => `part ${index + 1}`).join(', ');
const PLAN = `Here is a small plan for your weekend in **Vienna**, with a *bit* of everything.

## Saturday

1. Breakfast at the Naschmarkt, before ten
2. The [Albertina](https://www.albertina.at): allow two hours
   - Monet to Picasso, second floor
   - the drawings, if they are on show
3. Dinner near the river

| Place | Opens | Costs |
|:--|--:|--:|
| Albertina | 10:00 | 19.90 € |
| Prater | 11:00 | free |

> The forecast says rain from four in the afternoon.

To be reminded, put this into your \`crontab\`:

\`\`\`sh
30 8 * * 6  notify-send "Naschmarkt!"
\`\`\`

Shall I look up the trains as well?`;
// What a page must not run, nor fetch, and markup that is often taken for harmless.
const HOSTILE = `<script>window.hacked = 'script'</script>
<img src=x onerror="window.hacked = 'onerror'">
<svg onload="window.hacked = 'onload'"><iframe src="javascript:parent.hacked='iframe'"></iframe>

[click](javascript:window.hacked='link') [upper](JaVaScRiPt:window.hacked='upper') [data](data:text/html,<script>1</script>)
[tabbed](java\tscript:alert(1)) [entity](&#106;avascript:alert(1)) [vb](vbscript:x) [file](file:///etc/passwd) [good](https://example.org/a_(b)?c=1&d=2)
<javascript:alert(1)> ![picture](http://127.0.0.1:1/pixel.png) [quoted](https://example.org/"onmouseover="window.hacked='attribute')

| a | <b onclick="window.hacked='table'">b</b> |
|---|---|
| \`<script>\` | [x](javascript:alert(1)) |

\`\`\`html"onmouseover="window.hacked='info'
</code></pre><script>window.hacked = 'fence'</script>
\`\`\`

- <style>body { display: none }</style>
> <form action="https://example.org"><input name="q"></form>

${'*_'.repeat(500)}${'['.repeat(500)}${'> '.repeat(60)}deep

end of the hostile text`;

const answers = [[/hostile/, HOSTILE, 0], [/story/, STORY, 110], [/weekend/, PLAN, 12]];

// Serves until `close`; `asked` holds the last text of every request for an answer.
async function model() {
  const asked = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    if (request.method === 'GET') {
      response.end(JSON.stringify({ object: 'list', data: [{ id: 'teller', context_length: 200000 }] }));
      return;
    }
    const { content } = JSON.parse(body).messages.at(-1);
    const heard = typeof content === 'string' ? content : content.map((part) => part.text ?? '').join(' ');
    asked.push(heard);
    const [, answer, wait] = answers.find(([pattern]) => pattern.test(heard)) ?? [null, `I heard: ${heard}`, 0];
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const word of answer.split(/(?<=\s)/)) {
      if (response.destroyed) return;
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: word } }] })}\n\n`);
      if (wait) await new Promise((done) => { setTimeout(done, wait); });
    }
    const usage = { prompt_tokens: 20, completion_tokens: 5 };
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage })}\n\n`);
    response.end('data: [DONE]\n\n');
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  return { asked, url: `http://127.0.0.1:${server.address().port}/v1`, close: () => { server.closeAllConnections(); server.close(); } };
}

module.exports = { model, STORY, PLAN };
