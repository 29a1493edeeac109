// SPDX-License-Identifier: MIT
//
// check.js - the page of clipc-serve in real browsers, as a person uses it.
// run.sh starts it: MODULES, BUILD, CHROMIUM, FIREFOX (either may be empty),
// SHOTS (a folder for pictures of the page, or empty).
'use strict';
const assert = require('assert/strict');
const { execFile } = require('child_process');
const fs = require('fs');
const path = require('path');
const { promisify } = require('util');
const { accessible, car, check, clean, failures, launch, open, pictures, scratch, serve, shot } =
  require('./harness.js');

const text = (page, selector) => page.$eval(selector, e => e.textContent.trim());
// Not $$eval(): it waits for ever in Firefox where JavaScript is off.
const texts = (page, selector) => page.evaluate(s =>
  [...document.querySelectorAll(s)].map(e => e.textContent.trim()), selector);
const count = (page, selector) => page.evaluate(s => document.querySelectorAll(s).length, selector);
const labels = page => texts(page, '#result li .line span:first-child');

async function type(page, selector, value) {
  await page.$eval(selector, (e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); }, value);
}
async function press(page, address) {
  await type(page, '#url', address);
  await page.focus('#url');
  await page.keyboard.press('Enter');
}
// Waits for a new answer or error, and gives its first heading.
async function answered(page) {
  await page.waitForFunction(() => {
    const box = document.querySelector('#error .error, #result .answer:not([aria-busy])');
    return box && !box.seen && (box.seen = true);
  });
}
async function wide(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

const HOSTILE = ['<img src=x onerror="window.hacked=1">', '</script><script>window.hacked=2</script>',
  '"><svg onload=window.hacked=3>', "'; touch hacked; '", '$(touch hacked)`touch hacked`',
  '{{answer}} {{url}}', '\u202egnp.exe', '@/etc/passwd', 'a\u2028b', 'x'.repeat(150)];

/* ---- what a person does ---- */
async function person(engine, browser, home, photos) {
  const name = what => engine + ': ' + what;
  const url = photos.url + '/car.png';
  const fresh = hash => open(browser, home, { hash });

  await check(name('an address is typed, and the answer is there'), async () => {
    const page = await fresh();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'url');
    await shot(page, engine + '-start');
    await page.keyboard.type(url);
    await page.keyboard.press('Enter');
    await answered(page);
    const found = await labels(page);
    assert.equal(found.length, 5);
    assert.equal(found[0], 'red convertible');
    assert.match(await text(page, '#status'), /^Most likely red convertible, (>99.9|99.\d)%\.$/);
    assert.match(await page.title(), /^red convertible, /);
    const shares = await texts(page, '#result li .line span:last-child');
    shares.forEach(s => assert.match(s, /^[<>]?\d+\.\d%$/));
    const bars = await page.$$eval('#result rect', all => all.map(e => e.getBoundingClientRect().width));
    assert.ok(bars[0] > 100 && bars[0] >= bars[1]);
    await page.waitForFunction(() => document.querySelector('figcaption').textContent);
    const side = await page.$eval('#result img', e => [e.naturalWidth, e.naturalHeight]);
    assert.equal(side[0], side[1]);
    assert.ok(side[0] >= 32);
    assert.match(await text(page, 'figcaption'), new RegExp('^What the network sees: ' + side[0] + ' × '));
    const facts = await text(page, '#result dl');
    assert.match(facts, /PNG, 480 × 360/);
    assert.match(facts, /Warningsnone/);
    assert.match(facts, /\d ms/);
    assert.match(await text(page, '#result div > p.soft'), /^Softmax: the shares of 80 labels add up to 100%/);
    await shot(page, engine + '-result');
    await clean(page);
    await page.close();
  });

  await check(name('a file is chosen'), async () => {
    const page = await fresh();
    await (await page.$('#file')).uploadFile(car);
    await answered(page);
    assert.equal((await labels(page))[0], 'red convertible');
    assert.match(await text(page, '#result dl'), /PNG, 480 × 360, \d+ kB/);
    await clean(page);
    await page.close();
  });

  const bytes = fs.readFileSync(car).toString('base64');
  const give = (page, event, what) => page.evaluate(async (event, what, bytes) => {
    const data = new DataTransfer(), bin = atob(bytes);
    if (what === 'file')
      data.items.add(new File([Uint8Array.from(bin, c => c.charCodeAt(0))], 'car.png', { type: 'image/png' }));
    else
      data.setData(event === 'drop' ? 'text/uri-list' : 'text/plain', what);
    const init = { bubbles: true, cancelable: true };
    if (event === 'drop') {
      for (const kind of ['dragenter', 'dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(kind, { ...init, dataTransfer: data }));
        if (kind === 'dragover' && document.getElementById('drop').hidden) throw new Error('no sign of the drop');
      }
      if (!document.getElementById('drop').hidden) throw new Error('the sign of the drop stays');
    } else {
      // Firefox gives a script's ClipboardEvent no data.
      const paste = new Event('paste', init);
      Object.defineProperty(paste, 'clipboardData', { value: data });
      document.body.dispatchEvent(paste);
    }
  }, event, what, bytes);
  for (const event of ['drop', 'paste'])
    for (const what of ['file', url])
      await check(name(event + ' of ' + (what === 'file' ? 'a picture' : 'an address')), async () => {
        const page = await fresh();
        await give(page, event, what);
        await answered(page);
        assert.equal((await labels(page))[0], 'red convertible');
        await clean(page);
        await page.close();
      });
  await check(name('a drop of something else is an error'), async () => {
    const page = await fresh();
    await give(page, 'drop', 'good morning');
    await answered(page);
    assert.equal(await text(page, '#error h2'), 'Nothing to look at');
    await page.close();
  });

  await check(name('labels of one\'s own, with a wording'), async () => {
    const page = await fresh();
    await page.click('#choice summary');
    await page.focus('#labels');
    await page.keyboard.type('blue van\nred convertible\n');
    assert.match(await text(page, '#chosen'), /^2 labels of your own/);
    await page.focus('#templates');
    await page.keyboard.type('a photo of a {}.');
    await press(page, url);
    await answered(page);
    assert.deepEqual(await labels(page), ['red convertible', 'blue van']);
    await clean(page);
    await page.close();
  });

  await check(name('a built-in list is chosen, and copied'), async () => {
    const page = await fresh();
    await page.waitForFunction(() => document.querySelectorAll('#list option').length > 3 &&
      /\(80\)/.test(document.querySelector('#list').textContent));
    await page.click('#choice summary');
    await page.select('#list', 'demo');
    assert.match(await text(page, '#chosen'), /^demo, 80 labels/);
    await page.click('#copy-list');
    await page.waitForFunction(() => document.getElementById('labels').value.includes('red sedan'));
    assert.equal((await page.$eval('#labels', e => e.value)).split('\n').length, 80);
    await shot(page, engine + '-labels');
    await clean(page);
    await page.close();
  });

  await check(name('hostile labels are text'), async () => {
    const page = await fresh();
    await type(page, '#labels', HOSTILE.join('\n'));
    await press(page, url);
    await answered(page);
    const found = await labels(page);
    assert.equal(found.length, 5);
    found.forEach(label => assert.ok(HOSTILE.includes(label), label));
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await count(page, '#result img, #result script'), 1);
    assert.ok(await wide(page) <= 0);
    await shot(page, engine + '-hostile');
    await clean(page);
    await page.close();
  });

  await check(name('the state is in the address, and a link asks nothing'), async () => {
    const page = await fresh();
    await type(page, '#labels', HOSTILE.join('\n'));
    await page.select('#template', 'car-templates');
    await press(page, url);
    await answered(page);
    const hash = await page.evaluate(() => location.hash);
    await page.close();
    const other = await open(browser, home, { hash });
    await other.waitForFunction(() => document.getElementById('url').value);
    assert.equal(await other.$eval('#url', e => e.value), url);
    assert.equal(await other.$eval('#labels', e => e.value), HOSTILE.join('\n'));
    await other.waitForFunction(() => /\(8\)/.test(document.querySelector('#template').textContent));
    assert.equal(await other.$eval('#template', e => e.value), 'car-templates');
    assert.match(await text(other, '#status'), /^Filled in from the address/);
    await new Promise(done => setTimeout(done, 300));
    assert.ok(!other.asked.some(u => u.includes('classify')), other.asked.join('\n'));
    await other.keyboard.press('Enter');
    await answered(other);
    await clean(other);
    await other.close();
  });

  const errors = [
    ['/text.png', /format|unsupported/i, 'something that is no picture'],
    ['/missing.png', /404/, 'a missing picture']
  ];
  for (const [file, want, what] of errors)
    await check(name(what + ' is an error that says why'), async () => {
      const page = await fresh();
      await press(page, photos.url + file);
      await answered(page);
      assert.match(await text(page, '#error'), want);
      assert.equal(await page.$eval('#error', e => e.getAttribute('role')), 'alert');
      assert.equal(await page.$('#result .answer'), null);
      await shot(page, engine + '-error');
      await clean(page);
      await press(page, url);
      await answered(page);
      assert.equal(await page.$('#error .error'), null);
      await page.close();
    });
  await check(name('no picture at all is an error'), async () => {
    const page = await fresh();
    await page.click('button.main');
    await answered(page);
    assert.equal(await text(page, '#error h2'), 'No picture yet');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'url');
    await page.close();
  });
  await check(name('a second question takes the place of the first'), async () => {
    const page = await fresh();
    await press(page, photos.url + '/slow.png');
    await page.waitForFunction(() => document.getElementById('status').textContent.startsWith('Looking'));
    await press(page, url);
    await answered(page);
    assert.equal((await labels(page))[0], 'red convertible');
    await clean(page);
    await page.close();
  });

  for (const [what, ask] of [
    ['an address', page => press(page, url)],
    ['a file', async page => (await page.$('#file')).uploadFile(car)]
  ])
    await check(name('the curl command for ' + what + ' gives the same answer'), async () => {
      const page = await fresh();
      await type(page, '#labels', HOSTILE.join('\n'));
      await ask(page);
      await answered(page);
      const command = await page.$eval('#result pre', e => e.textContent);
      assert.match(command, /^[\n -~]*$/);
      fs.copyFileSync(car, path.join(scratch, path.basename(car)));
      const json = JSON.parse((await promisify(execFile)('sh', ['-c', command], { cwd: scratch })).stdout);
      assert.ok(json.results, JSON.stringify(json));
      assert.deepEqual(json.results.map(r => r.label), await labels(page));
      assert.deepEqual(fs.readdirSync(scratch), [path.basename(car)]);
      await page.close();
    });
}

/* ---- keyboard, zoom, narrow windows, axe ---- */
async function reach(engine, browser, home, photos, theme) {
  const name = what => engine + ' ' + theme + ': ' + what;
  const url = photos.url + '/car.png';

  for (const width of [1100, 320])
    await check(name(width + ' pixels wide: axe, nothing cut'), async () => {
      const page = await open(browser, home, { width });
      await page.waitForFunction(() => document.getElementById('model').textContent);
      await page.click('#choice summary');
      await accessible(page);
      await shot(page, [engine, theme, width, 'start'].join('-'));
      assert.ok(await wide(page) <= 0, 'the form is too wide');
      await press(page, url);
      await answered(page);
      await page.click('#result summary');
      await accessible(page);
      await shot(page, [engine, theme, width, 'result'].join('-'));
      assert.ok(await wide(page) <= 0, 'the answer is too wide');
      await press(page, photos.url + '/missing.png');
      await answered(page);
      await accessible(page);
      await shot(page, [engine, theme, width, 'error'].join('-'));
      assert.ok(await wide(page) <= 0, 'the error is too wide');
      // 200 % zoom halves the width in CSS pixels; text alone may grow too.
      await page.evaluate(() => { document.documentElement.style.fontSize = '200%'; });
      assert.ok(await wide(page) <= 0, 'twice the size is too wide');
      await page.close();
    });

  await check(name('all is reached by keyboard, and shows its focus'), async () => {
    const page = await open(browser, home);
    await page.click('#choice summary');
    await press(page, url);
    await answered(page);
    await page.focus('#url');
    const reached = [];
    for (let i = 0; i < 20; i++) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate(() => {
        const e = document.activeElement, style = getComputedStyle(e);
        return [e.id || e.tagName + (e.closest('#result') ? ' in the answer' : ''),
          style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2];
      });
      if (at[0] === 'BODY') break;
      assert.ok(at[1], at[0] + ' shows no focus');
      reached.push(at[0]);
    }
    for (const want of ['BUTTON', 'file', 'SUMMARY', 'list', 'labels', 'copy-list', 'template',
      'templates', 'exif', 'SUMMARY in the answer'])
      assert.ok(reached.includes(want), want + ' is not among ' + reached);
    await page.close();
  });

  await check(name('nothing moves where motion is reduced'), async () => {
    const page = await open(browser, home);
    await press(page, url);
    await answered(page);
    const moving = await page.$$eval('*', all => all.filter(e =>
      getComputedStyle(e).transitionDuration !== '0s' || getComputedStyle(e).animationName !== 'none').length);
    assert.equal(moving, 0);
    await page.close();
  });
}

/* ---- without JavaScript ---- */
async function plain(engine, browser, home, photos) {
  const name = what => engine + ' without JavaScript: ' + what;
  const send = async page => {
    await page.focus('button.main');
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  };

  await check(name('an address'), async () => {
    const page = await open(browser, home);
    await page.focus('#url');
    await page.keyboard.type(photos.url + '/car.png');
    await send(page);
    assert.deepEqual((await labels(page))[0], 'red convertible');
    assert.equal(await page.$eval('#url', e => e.value), photos.url + '/car.png');
    assert.match(await page.title(), /^red convertible, /);
    assert.ok(await page.$eval('#result img', e => e.complete && e.naturalWidth >= 32));
    assert.match(await text(page, '#result dl'), /PNG, 480 × 360/);
    await shot(page, engine + '-nojs');
    await accessible(page);
    await clean(page);
    await page.close();
  });
  await check(name('a file, hostile labels'), async () => {
    const page = await open(browser, home);
    await page.$eval('#labels', (e, v) => { e.value = v; }, HOSTILE.join('\n'));
    await (await page.$('#file')).uploadFile(car);
    await send(page);
    const found = await labels(page);
    assert.equal(found.length, 5);
    found.forEach(label => assert.ok(HOSTILE.includes(label), label));
    assert.equal(await page.$eval('#labels', e => e.value), HOSTILE.join('\n'));
    assert.equal(await count(page, '#result img, #result script'), 1);
    await shot(page, engine + '-nojs-hostile');
    await clean(page);
    await page.close();
  });
  await check(name('an error'), async () => {
    const page = await open(browser, home);
    await page.focus('#url');
    await page.keyboard.type(photos.url + '/missing.png');
    await send(page);
    assert.match(await text(page, '#result .error'), /404/);
    assert.equal(await page.$eval('#url', e => e.value), photos.url + '/missing.png');
    await shot(page, engine + '-nojs-error');
    await accessible(page);
    await page.close();
  });
}

/* ---- servers of other settings ---- */
async function locked(engine, browser) {
  const file = path.join(scratch, 'key');
  fs.writeFileSync(file, 'a-key-for-the-test-0123456789\n', { mode: 0o600 });
  const server = await serve('--api-key', file, '--no-urls');
  await check(engine + ': a server with a key and without URLs', async () => {
    const page = await open(browser, server.url);
    await (await page.$('#file')).uploadFile(car);
    await answered(page);
    await page.waitForSelector('#key-form:not([hidden])');
    await page.focus('#key');
    await page.keyboard.type('a-key-for-the-test-0123456789');
    await shot(page, engine + '-key');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#result li');
    assert.equal((await labels(page))[0], 'red convertible');
    assert.ok(!(await page.evaluate(() => location.href)).includes('a-key'));
    assert.match(await text(page, '#result pre'), /Bearer \$CLIPC_KEY/);
    assert.ok(await page.$eval('#url', e => e.disabled));
    await clean(page);
    await page.close();
  });
  fs.unlinkSync(file);
  await check(engine + ': a server that has gone', async () => {
    const page = await open(browser, server.url);
    await server.stop();
    await (await page.$('#file')).uploadFile(car);
    await answered(page);
    assert.equal(await text(page, '#error h2'), 'No answer');
    await page.close();
  });
}

async function main() {
  const photos = await pictures();
  const server = await serve('--allow-private', '--truncate');
  for (const engine of ['chrome', 'firefox']) {
    if (!process.env[engine === 'chrome' ? 'CHROMIUM' : 'FIREFOX']) continue;
    const light = await launch(engine);
    await person(engine, light, server.url, photos);
    await reach(engine, light, server.url, photos, 'light');
    await locked(engine, light);
    await light.close();
    const dark = await launch(engine, { dark: true });
    await reach(engine, dark, server.url, photos, 'dark');
    await dark.close();
    const off = await launch(engine, { script: false });
    await plain(engine, off, server.url, photos);
    await off.close();
  }
  photos.close();
  await check('the server ends in peace', async () => assert.equal(await server.stop(), 0));
  process.exitCode = failures() ? 1 : 0;
}
main().catch(error => {
  console.log('not ok - ' + (error.stack || error));
  process.exit(1);
});
