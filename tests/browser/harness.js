// SPDX-License-Identifier: MIT
//
// harness.js - clipc-serve, a server of pictures, and a browser, each started
// and ended here; checks that are counted as the other tests are.
'use strict';
const { spawn } = require('child_process');
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');

const root = path.resolve(__dirname, '../..');
const modules = path.resolve(process.env.MODULES);
const puppeteer = require(path.join(modules, 'puppeteer-core'));
const axe = fs.readFileSync(path.join(modules, 'axe-core/axe.min.js'), 'utf8');
const car = path.join(root, 'weights/demo/examples/red-convertible.png');

/* ---- counting ---- */
let failed = 0;
async function check(name, body) {
  try {
    await Promise.race([body(), new Promise((_, no) =>
      setTimeout(() => no(new Error('no end after 60 s')), 60000).unref())]);
    console.log('ok - ' + name);
  } catch (error) {
    failed++;
    console.log('not ok - ' + name + ': ' + (error.stack || error));
  }
}
const failures = () => failed;

/* ---- pictures over HTTP ---- */
function pictures() {
  const picture = fs.readFileSync(car);
  const server = http.createServer((request, response) => {
    const name = request.url.split('?')[0];
    if (name === '/car.png') response.end(picture);
    else if (name === '/text.png') response.end('this is no picture');
    else if (name !== '/slow.png') response.writeHead(404).end('none');
  });
  return new Promise(done => server.listen(0, '127.0.0.1', () => done({
    url: 'http://127.0.0.1:' + server.address().port,
    close: () => { server.closeAllConnections(); server.close(); }
  })));
}

/* ---- clipc-serve ---- */
function freePort() {
  const server = http.createServer();
  return new Promise(done => server.listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  }));
}
async function serve(...options) {
  const port = await freePort(), url = 'http://127.0.0.1:' + port + '/';
  const child = spawn(path.join(root, process.env.BUILD, 'clipc-serve'),
    ['--listen', '127.0.0.1:' + port, '--model', 'demo', '--quiet', ...options],
    { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = new Promise(done => child.on('exit', done));
  for (let i = 0; ; i++) {
    if (child.exitCode !== null || i === 300) throw new Error('clipc-serve does not start');
    try {
      if ((await fetch(url + 'readyz')).ok) break;
    } catch { /* not yet */ }
    await new Promise(done => setTimeout(done, 100));
  }
  return { url, stop: async () => { child.kill('SIGTERM'); return ended; } };
}

/* ---- browsers ---- */
// settings: dark, script (false: JavaScript is off).
async function launch(engine, { dark = false, script = true } = {}) {
  const chrome = engine === 'chrome';
  const browser = await puppeteer.launch({
    browser: engine,
    executablePath: process.env[chrome ? 'CHROMIUM' : 'FIREFOX'],
    headless: true,
    args: chrome ? ['--no-sandbox', '--disable-gpu'] : [],
    extraPrefsFirefox: {
      'javascript.enabled': script,
      'layout.css.prefers-color-scheme.content-override': dark ? 0 : 1,
      'ui.prefersReducedMotion': 1
    }
  });
  browser.settings = { chrome, dark, script };
  return browser;
}

// A page that records what must not happen: errors, refused content, requests
// to another server than `home`.
async function open(browser, home, { width = 1100, height = 900, hash = '' } = {}) {
  const { chrome, dark, script } = browser.settings, page = await browser.newPage();
  page.faults = [];
  page.asked = [];
  page.on('pageerror', error => page.faults.push('error: ' + error.message));
  page.on('console', message => {
    // A browser reports each answer of 4xx and 5xx, which the tests provoke.
    if (['error', 'warn', 'assert'].includes(message.type()) &&
        !/Failed to load resource/.test(message.text()))
      page.faults.push('console: ' + message.text());
  });
  page.on('request', request => {
    if (!/^(data|about|blob):/.test(request.url())) page.asked.push(request.url());
    if (!/^(data|about|blob):/.test(request.url()) && !request.url().startsWith(home))
      page.faults.push('request to ' + request.url());
  });
  await page.setViewport({ width, height });
  if (chrome) {
    await page.emulateMediaFeatures([
      { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
      { name: 'prefers-reduced-motion', value: 'reduce' }]);
    await page.setJavaScriptEnabled(script);
  }
  if (script)
    await page.evaluateOnNewDocument(() => {
      window.refused = [];
      document.addEventListener('securitypolicyviolation', event =>
        window.refused.push(event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample));
    });
  await page.goto(home + hash);
  return page;
}

async function clean(page) {
  const refused = await page.evaluate(() => window.refused || []);
  const faults = [...page.faults, ...refused.map(r => 'policy: ' + r)];
  if (faults.length) throw new Error(faults.join('\n'));
}

async function accessible(page) {
  const { chrome, script } = page.browser().settings;
  if (!script) {
    if (!chrome) return; // axe needs timers, which Firefox then does not run
    await page.setJavaScriptEnabled(true);
  }
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run({
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
  }));
  if (violations.length)
    throw new Error(violations.map(v => v.id + ': ' +
      v.nodes.map(n => n.target + ': ' + n.failureSummary).join('; ')).join('\n'));
}

// With SHOTS=FOLDER, a picture of the whole page.
async function shot(page, name) {
  if (process.env.SHOTS)
    await page.screenshot({ path: path.join(process.env.SHOTS, name + '.png'), fullPage: true });
}

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'clipc-browser-'));
process.on('exit', () => fs.rmSync(scratch, { recursive: true, force: true }));

module.exports = { accessible, car, check, clean, failures, launch, open, pictures, scratch, serve, shot };
