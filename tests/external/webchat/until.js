// Waits until `ready` gives something, and gives it back.
async function until(what, ready, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await ready();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((done) => { setTimeout(done, 40); });
  }
}

module.exports = { until };
