// SPDX-License-Identifier: MIT
//
// wasm.js - the page of `make wasm` in real browsers, served as docs/WASM.md says.
// run.sh starts it: MODULES, BUILD, WASM (the page's folder), CHROMIUM, FIREFOX
// (either may be empty), SHOTS.
'use strict';
const assert = require('assert/strict');
const { execFileSync, spawn } = require('child_process');
const fs = require('fs');
const net = require('net');
const path = require('path');
const { accessible, car, check, clean, failures, launch, open, scratch, shot } =
  require('./harness.js');

const text = (page, selector) => page.$eval(selector, e => e.textContent.trim());
const labels = page => page.$$eval('#results li b', all => all.map(e => e.textContent));
const shares = page => page.$$eval('#results li span span', all => all.map(e => e.textContent));
const says = (page, pattern) => page.waitForFunction(p =>
  new RegExp(p).test(document.getElementById('status').textContent), {}, pattern);

/* ---- the server ---- */
function freePort() {
  const server = net.createServer();
  return new Promise(done => server.listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  }));
}
async function serveFiles(folder) {
  const port = await freePort(), url = `http://127.0.0.1:${port}/`;
  const child = spawn('python3', ['-m', 'http.server', String(port), '--bind', '127.0.0.1',
    '--directory', folder], { stdio: 'ignore' });
  for (let i = 0; ; i++) {
    if (child.exitCode !== null || i === 300) throw new Error('python3 -m http.server does not start');
    try {
      if ((await fetch(url)).ok) break;
    } catch { /* not yet */ }
    await new Promise(done => setTimeout(done, 100));
  }
  return { url, stop: () => child.kill('SIGTERM') };
}

// What this machine's program says of the picture: [[label, share], ...].
function program(picture) {
  const lines = execFileSync(path.join(process.env.BUILD, 'clipc-classify'), ['--quiet', '--model',
    'demo', '--cpu', 'c', '--gemm', 'native', '--no-cache', '--format', 'jsonl', picture],
  { encoding: 'utf8' });
  return JSON.parse(lines).predictions.map(({ label, probability: p }) =>
    [label, p > 0.999 ? '>99.9%' : p < 0.001 ? '<0.1%' : (100 * p).toFixed(1) + '%']);
}
const found = async page => {
  const [names, percents] = [await labels(page), await shares(page)];
  return names.map((name, i) => [name, percents[i]]);
};

/* ---- what a person does ---- */
async function person(engine, browser, home) {
  const name = what => `wasm page, ${engine}: ${what}`;
  const ready = async () => {
    const page = await open(browser, home);
    await says(page, '^Ready for a picture');
    return page;
  };

  await check(name('the example, by keyboard alone'), async () => {
    const page = await ready();
    for (let i = 0; i < 2; i++) await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'example');
    await page.keyboard.press('Enter');
    await says(page, '^Most likely ');
    assert.deepEqual(await found(page), program(car));
    assert.match(await text(page, '#status'), /^Most likely red convertible, (>99.9|99.\d)%\.$/);
    await accessible(page);
    await shot(page, engine + '-wasm');
    await clean(page);
    await page.close();
  });

  await check(name('a file is chosen'), async () => {
    const picture = path.join(path.dirname(car), 'yellow-van.png');
    const page = await ready();
    await (await page.$('#file')).uploadFile(picture);
    await says(page, '^Most likely ');
    assert.deepEqual(await found(page), program(picture));
    await clean(page);
    await page.close();
  });

  await check(name('a file that is no picture'), async () => {
    const file = path.join(scratch, 'text.png');
    fs.writeFileSync(file, 'this is no picture');
    const page = await ready();
    await (await page.$('#file')).uploadFile(file);
    await says(page, 'cannot read that file');
    await accessible(page);
    await clean(page);
    await page.close();
  });

  await check(name('hostile labels are text'), async () => {
    const hostile = ['<img src=x onerror="window.hacked=1">', '</script><script>window.hacked=2</script>',
      '"><svg onload=window.hacked=3>', '{{answer}}', '\u202egnp.exe'];
    const page = await ready();
    await page.click('#example');
    await says(page, '^Most likely ');
    await page.click('summary');
    await page.$eval('#labels', (e, lines) => { e.value = lines; }, hostile.join('\n') + '\n\n');
    await page.click('#use');
    await page.waitForFunction(n => document.querySelectorAll('#results li').length === n &&
      document.querySelector('#results b').textContent !== 'red convertible', {}, hostile.length);
    assert.deepEqual((await labels(page)).sort(), [...hostile].sort());
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.$$eval('#results img, #results script, #results svg', all => all.length), 0);
    await accessible(page);
    await page.$eval('#labels', e => { e.value = ' \n'; });
    await page.click('#use');
    await says(page, 'must be a label');
    await clean(page);
    await page.close();
  });

  await check(name('a narrow window has no sideways scrolling'), async () => {
    const page = await open(browser, home, { width: 320, height: 640 });
    await says(page, '^Ready for a picture');
    await page.click('#example');
    await says(page, '^Most likely ');
    assert.equal(await page.evaluate(() =>
      document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
    await clean(page);
    await page.close();
  });
}

async function main() {
  const server = await serveFiles(process.env.WASM);
  for (const engine of ['chrome', 'firefox']) {
    if (!process.env[engine === 'chrome' ? 'CHROMIUM' : 'FIREFOX']) continue;
    for (const dark of [false, true]) {
      const browser = await launch(engine, { dark });
      await person(engine + (dark ? ', dark' : ''), browser, server.url);
      await browser.close();
    }
  }
  server.stop();
  process.exitCode = failures() ? 1 : 0;
}
main().catch(error => {
  console.log('not ok - ' + (error.stack || error));
  process.exit(1);
});
