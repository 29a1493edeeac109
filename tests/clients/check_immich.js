// SPDX-License-Identifier: MIT
//
// check_immich.js - immich's server as a client, by node's own fetch, FormData
// and Blob, which immich's server uses too: its three kinds of requests, its
// choice among URLs, and a server behind --immich-upstream.
'use strict';
const assert = require('assert/strict');
const { execFileSync, spawn } = require('child_process');
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');

const root = path.resolve(__dirname, '../..');
const build = path.resolve(root, process.env.BUILD || 'build/release');
const NAME = 'ViT-B-32__openai';
const pictures = ['red-convertible.png', 'green-sports-car.jpg'].map(
  name => path.join(root, 'weights/demo/examples', name));
const texts = ['a red convertible', '  a \t blue\nvan ', 'кот'];

/* ---- counting ---- */
let failed = 0;
async function check(name, body) {
  try {
    await Promise.race([body(), new Promise((_, no) =>
      setTimeout(() => no(new Error('no end after 120 s')), 120000).unref())]);
    console.log('ok - immich: ' + name);
  } catch (error) {
    failed++;
    console.log('not ok - immich: ' + name + '\n    ' +
      String(error.stack || error).replaceAll('\n', '\n    '));
  }
}

/* ---- what clipc-embed answers ---- */
function readArray(file) {
  const bytes = fs.readFileSync(file), begin = 10 + bytes.readUInt16LE(8);
  const [, rows, columns] = /'shape': \((\d+), (\d+)\)/.exec(
    bytes.toString('latin1', 10, begin)).map(Number);
  return Array.from({ length: rows }, (_, row) => Array.from(
    { length: columns }, (_, i) => bytes.readFloatLE(begin + 4 * (row * columns + i))));
}
function embed(model, ...args) {
  const tmp = fs.mkdtempSync(path.join(os.tmpdir(), 'clipc-'));
  try {
    execFileSync(path.join(build, 'clipc-embed'),
      ['--model', model, '--quiet', '-o', tmp + '/x', ...args]);
    return readArray(tmp + '/x-00000.npy');
  } finally {
    fs.rmSync(tmp, { recursive: true });
  }
}
function embedTexts(model) {
  const file = path.join(os.tmpdir(), 'clipc-texts-' + process.pid);
  // immich's own service joins the words of a text by single spaces.
  fs.writeFileSync(file, texts.map(text => text.trim().split(/\s+/).join(' ') + '\n').join(''));
  try {
    return embed(model, '--texts', file);
  } finally {
    fs.rmSync(file);
  }
}
function same(clip, want) {
  assert.equal(typeof clip, 'string'); // goes to the database as it is
  const got = JSON.parse(clip);
  assert.equal(got.length, want.length);
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const cosine = dot(got, want) / Math.sqrt(dot(got, got) * dot(want, want));
  assert.ok(Math.abs(cosine - 1) < 1e-6, 'cosine ' + cosine);
  assert.ok(Math.abs(dot(got, got) - 1) < 1e-5);
}

/* ---- servers ---- */
function listen(handler) {
  const server = http.createServer(handler);
  return new Promise(done => server.listen(0, '127.0.0.1', () => done({
    url: 'http://127.0.0.1:' + server.address().port,
    close: () => { server.closeAllConnections(); server.close(); }
  })));
}
async function freePort() {
  const server = await listen(() => {});
  server.close();
  return new URL(server.url).port;
}
async function serve(...options) {
  const url = 'http://127.0.0.1:' + await freePort();
  const child = spawn(path.join(build, 'clipc-serve'),
    ['--listen', url.slice(7), '--quiet', ...options],
    { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = new Promise(done => child.on('exit', done));
  for (let i = 0; ; i++) {
    if (child.exitCode !== null || i === 300) throw new Error('clipc-serve does not start');
    try {
      if ((await fetch(url + '/readyz')).ok) break;
    } catch { /* not yet */ }
    await new Promise(done => setTimeout(done, 100));
  }
  return { url, stop: async () => { child.kill('SIGTERM'); return ended; } };
}

// immich's own service for faces and OCR: records what it is given.
async function stock() {
  const seen = [];
  const server = await listen((request, response) => {
    const parts = [];
    request.on('data', part => parts.push(part));
    request.on('end', async () => {
      const form = await new Response(Buffer.concat(parts),
        { headers: { 'content-type': request.headers['content-type'] } }).formData();
      const entries = JSON.parse(form.get('entries'));
      const image = form.get('image');
      seen.push({ url: request.url, entries, image: image && Buffer.from(await image.arrayBuffer()) });
      if (server.mode === 'cut') {
        response.writeHead(200, { 'Content-Length': 1000 });
        response.write('{"facial');
        setTimeout(() => response.destroy(), 50);
      } else if (server.mode === 'error') {
        response.writeHead(500).end('Internal Server Error');
      } else if (server.mode !== 'hang') {
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify({ stock: Object.keys(entries), imageHeight: 2, imageWidth: 1 }));
      }
    });
  });
  return Object.assign(server, { seen, mode: 'answer' });
}

/* ---- immich's client ---- */
function form(entries, payload) {
  const data = new FormData();
  data.append('entries', JSON.stringify(entries));
  if (payload.picture) data.append('image', new Blob([fs.readFileSync(payload.picture)]));
  else if (payload.text !== undefined) data.append('text', payload.text);
  return data;
}
// The first URL whose answer is good; the same form again for the next.
async function predict(urls, entries, payload) {
  const body = form(entries, payload);
  for (const url of urls) {
    try {
      const response = await fetch(new URL('/predict', url), { method: 'POST', body });
      if (response.ok) return await response.json();
    } catch { /* the next */ }
  }
  throw new Error('failed for all URLs');
}
async function statusOf(url, entries, payload) {
  const response = await fetch(new URL('/predict', url), { method: 'POST', body: form(entries, payload) });
  await response.arrayBuffer();
  return response.status;
}
const visual = (modelName, options) => ({ clip: { visual: { modelName, options } } });
const textual = (modelName, options) => ({ clip: { textual: { modelName, options } } });
const faces = {
  'facial-recognition': {
    detection: { modelName: 'buffalo_l', options: { minScore: 0.7 } },
    recognition: { modelName: 'buffalo_l' }
  }
};
const ocr = {
  ocr: {
    detection: { modelName: 'PP-OCRv5_mobile', options: { minScore: 0.5, maxResolution: 736 } },
    recognition: { modelName: 'PP-OCRv5_mobile', options: { minScore: 0.8 } }
  }
};

/* ---- checks ---- */
async function alone(model) {
  const server = await serve('--model', model, '--served-name', NAME);
  const { url } = server;
  await check('ping and the greeting', async () => {
    const ping = await fetch(new URL('/ping', url), { signal: AbortSignal.timeout(2000) });
    assert.equal(await ping.text(), 'pong');
    assert.deepEqual(await (await fetch(url)).json(), { message: 'Immich ML' });
  });
  await check('pictures', async () => {
    const want = embed(model, ...pictures);
    for (const [i, picture] of pictures.entries()) {
      const answer = await predict([url], visual(NAME), { picture });
      same(answer.clip, want[i]);
      assert.deepEqual(Object.keys(answer), ['clip', 'imageHeight', 'imageWidth']);
      assert.deepEqual([answer.imageHeight, answer.imageWidth], [360, 480]);
    }
  });
  await check('texts, with and without a language', async () => {
    const want = embedTexts(model);
    for (const [i, text] of texts.entries())
      for (const options of [undefined, { language: 'en' }, { language: 'en-null' }, {}]) {
        const answer = await predict([url], textual(NAME, options), { text });
        same(answer.clip, want[i]);
        assert.deepEqual(Object.keys(answer), ['clip']);
      }
  });
  await check('a long text is cut, as its service cuts it', async () => {
    const answer = await predict([url], textual(NAME), { text: 'car '.repeat(500) });
    assert.ok(JSON.parse(answer.clip).length > 0);
  });
  await check('never another model: 409, and the next URL is asked', async () => {
    assert.equal(await statusOf(url, visual('ViT-L-14__openai'), { picture: pictures[0] }), 409);
    const other = await stock();
    const answer = await predict([url, other.url], visual('ViT-L-14__openai'), { picture: pictures[0] });
    assert.deepEqual(answer.stock, ['clip']);
    assert.deepEqual(other.seen[0].image, fs.readFileSync(pictures[0]));
    other.close();
  });
  await check('faces and OCR without an upstream: 501, never an empty answer', async () => {
    for (const entries of [faces, ocr]) {
      assert.equal(await statusOf(url, entries, { picture: pictures[0] }), 501);
      await assert.rejects(predict([url], entries, { picture: pictures[0] }), /all URLs/);
    }
  });
  await check('bad requests: 422 and 400', async () => {
    assert.equal(await statusOf(url, visual(NAME), {}), 400);
    assert.equal(await statusOf(url, textual(NAME), {}), 400);
    assert.equal(await statusOf(url, { clip: {} }, { text: 'a' }), 422);
    assert.equal(await statusOf(url, [], { text: 'a' }), 422);
    const bad = new FormData();
    bad.append('entries', JSON.stringify(visual(NAME)));
    bad.append('image', new Blob([fs.readFileSync(pictures[1]).subarray(0, 3000)]));
    const response = await fetch(new URL('/predict', url), { method: 'POST', body: bad });
    assert.ok([200, 422].includes(response.status), String(response.status));
    bad.set('image', new Blob(['no picture']));
    const refused = await fetch(new URL('/predict', url), { method: 'POST', body: bad });
    assert.ok([415, 422].includes(refused.status), String(refused.status));
  });
  await check('200 requests at once: none is refused', async () => {
    const want = embed(model, ...pictures), wantTexts = embedTexts(model);
    const all = Array.from({ length: 200 }, (_, i) => i % 3
      ? predict([url], visual(NAME), { picture: pictures[i % 2] })
      : predict([url], textual(NAME), { text: texts[0] }));
    for (const [i, answer] of (await Promise.all(all)).entries())
      same(answer.clip, i % 3 ? want[i % 2] : wantTexts[0]);
  });
  await check('a connection that was idle for 5 s is used again', async () => {
    await predict([url], textual(NAME), { text: 'a' });
    await new Promise(done => setTimeout(done, 5000));
    await predict([url], textual(NAME), { text: 'a' });
  });
  await check('a client that gives up does not harm the next', async () => {
    for (let i = 0; i < 20; i++)
      await fetch(new URL('/predict', url), {
        method: 'POST', body: form(visual(NAME), { picture: pictures[0] }),
        signal: AbortSignal.timeout(1 + i)
      }).then(response => response.arrayBuffer()).catch(() => {});
    same((await predict([url], visual(NAME), { picture: pictures[0] })).clip,
      embed(model, pictures[0])[0]);
  });
  await check('the server ends well', async () => assert.equal(await server.stop(), 0));
}

async function behind(model) {
  const upstream = await stock();
  const server = await serve('--model', model, '--served-name', NAME,
    '--immich-upstream', upstream.url + '/');
  const { url } = server, picture = pictures[1];
  await check('upstream: faces, OCR and other models are passed on as they came', async () => {
    for (const entries of [faces, ocr, visual('ViT-L-14__openai'), { ...faces, ...visual(NAME) }]) {
      upstream.seen.length = 0;
      const answer = await predict([url], entries, { picture });
      assert.deepEqual(answer, { stock: Object.keys(entries), imageHeight: 2, imageWidth: 1 });
      assert.equal(upstream.seen[0].url, '/predict');
      assert.deepEqual(upstream.seen[0].entries, JSON.parse(JSON.stringify(entries)));
      assert.deepEqual(upstream.seen[0].image, fs.readFileSync(picture));
    }
  });
  await check('upstream: our model is answered here', async () => {
    upstream.seen.length = 0;
    same((await predict([url], visual(NAME), { picture })).clip, embed(model, picture)[0]);
    assert.equal(upstream.seen.length, 0);
  });
  await check('upstream: its errors, a torn answer, and none', async () => {
    upstream.mode = 'error';
    assert.equal(await statusOf(url, faces, { picture }), 500);
    upstream.mode = 'cut';
    assert.equal(await statusOf(url, faces, { picture }), 502);
    upstream.mode = 'answer';
    assert.equal(await statusOf(url, faces, { picture }), 200);
  });
  await check('upstream: one that hangs holds up nobody else', async () => {
    upstream.mode = 'hang';
    upstream.seen.length = 0;
    const stop = new AbortController();
    const waiting = Array.from({ length: 32 }, () => fetch(new URL('/predict', url), {
      method: 'POST', body: form(faces, { picture }), signal: stop.signal
    }).catch(error => error.name));
    while (upstream.seen.length < 32) await new Promise(done => setTimeout(done, 20));
    const want = embed(model, picture)[0];
    for (const answer of await Promise.all(Array.from({ length: 20 }, () =>
      predict([url], visual(NAME), { picture }))))
      same(answer.clip, want);
    stop.abort();
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['AbortError']));
    upstream.mode = 'answer';
    assert.equal(await statusOf(url, faces, { picture }), 200);
  });
  upstream.close();
  await check('upstream: none listens: 502', async () =>
    assert.equal(await statusOf(url, faces, { picture }), 502));
  await check('upstream: the server ends well', async () => assert.equal(await server.stop(), 0));
}

(async () => {
  for (const model of ['demo', path.join(root, 'tests/data/tiny')]) {
    console.log(`# node ${process.version}, undici ${process.versions.undici}: model ${path.basename(model)}`);
    await alone(model);
  }
  await behind('demo');
  process.exit(failed ? 1 : 0);
})();
