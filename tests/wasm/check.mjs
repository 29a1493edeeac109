// SPDX-License-Identifier: MIT
//
// check.mjs - the WebAssembly module in node: embeddings of pictures and texts have
// the bits of this machine's programs with --cpu c, in every precision, of models
// as published and packed; what is damaged is refused with a message; the module is
// small and asks for little. run.sh starts it: BUILD, WASM (the folder of the
// module).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';

const { BUILD, WASM } = process.env;
const MOST_BYTES = 600000, MOST_GZIP = 240000; // of clipc.wasm
const { load } = await import(path.resolve(WASM, 'clipc.js'));
const wasm = fs.readFileSync(path.join(WASM, 'clipc.wasm'));
const clipc = await load(wasm);
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'clipc-wasm-'));
process.on('exit', () => fs.rmSync(scratch, { recursive: true, force: true }));

let failed = 0;
function check(name, body) {
  try {
    console.log(`ok - wasm: ${name}${body() || ''}`);
  } catch (error) {
    failed = 1;
    console.log(`not ok - wasm: ${name}: ${error.stack || error}`);
  }
}

/* ---- pictures ---- */
// The pixels of a PNG of 8-bit RGB that is not interlaced.
function png(file) {
  const bytes = fs.readFileSync(file), data = [];
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at))
    if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT')
      data.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
  assert.deepEqual([...bytes.subarray(24, 29)], [8, 2, 0, 0, 0], file);
  const width = bytes.readUInt32BE(16), height = bytes.readUInt32BE(20), row = 3 * width;
  const raw = zlib.inflateSync(Buffer.concat(data)), out = Buffer.alloc(row * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < row; x++) {
      const at = y * row + x, left = x < 3 ? 0 : out[at - 3], up = y ? out[at - row] : 0;
      const corner = x < 3 || !y ? 0 : out[at - row - 3], filter = raw[y * (row + 1)];
      const p = left + up - corner, a = Math.abs(p - left), b = Math.abs(p - up);
      const paeth = a <= b && a <= Math.abs(p - corner) ? left
        : b <= Math.abs(p - corner) ? up : corner;
      out[at] = raw[y * (row + 1) + 1 + x] + [0, left, up, (left + up) >> 1, paeth][filter];
    }
  return { data: out, width, height, file };
}
// A picture of noise, in a file of BMP too.
function noise(width, height) {
  const data = Buffer.alloc(3 * width * height), stride = (3 * width + 3) & ~3;
  let state = 1 + width;
  data.forEach((_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 24;
  });
  const bmp = Buffer.alloc(54 + stride * height), file = path.join(scratch, `${width}x${height}.bmp`);
  bmp.write('BM', 0, 'latin1');
  bmp.writeUInt32LE(bmp.length, 2);
  bmp.writeUInt32LE(54, 10);
  bmp.writeUInt32LE(40, 14);
  bmp.writeInt32LE(width, 18);
  bmp.writeInt32LE(height, 22);
  bmp.writeUInt16LE(1, 26);
  bmp.writeUInt16LE(24, 28);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        bmp[54 + (height - 1 - y) * stride + 3 * x + c] = data[3 * (y * width + x) + 2 - c];
  fs.writeFileSync(file, bmp);
  return { data, width, height, file };
}
const examples = 'weights/demo/examples';
const pictures = fs.readdirSync(examples).filter(name => name.endsWith('.png'))
  .map(name => png(path.join(examples, name)))
  .concat([[1, 1], [7, 300], [56, 56], [640, 31]].map(size => noise(...size)));
const texts = ['a red car', 'two white vans, seen from behind', '', 'e\u0301 caf\u00e9 \u{1F697} 車',
  'A photo of a café at night: 3 tables & 7 chairs', 'long '.repeat(200)];

/* ---- this machine's programs ---- */
const native = (program, ...args) => execFileSync(path.join(BUILD, program), args,
  { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const C = ['--cpu', 'c', '--gemm', 'native', '--threads', '1'];
// The rows of bytes of an array of float32.
function npy(file) {
  const bytes = fs.readFileSync(file), header = bytes.toString('latin1', 0, 128);
  const [, n, dim] = /'<f4'.*\((\d+), (\d+)\)/.exec(header), at = bytes.length - 4 * n * dim;
  return Array.from({ length: n }, (_, i) => bytes.subarray(at + 4 * i * dim, at + 4 * (i + 1) * dim));
}
let runs = 0;
function expected(...args) {
  const to = path.join(scratch, 'run' + runs++);
  native('clipc-embed', '--quiet', ...C, '-o', to, ...args);
  return npy(to + '-00000.npy');
}
const list = path.join(scratch, 'texts');
fs.writeFileSync(list, texts.filter(text => text).join('\n') + '\n');

const same = (found, rows) => {
  assert.equal(found.length, rows.length);
  found.forEach((row, i) =>
    assert.deepEqual(Buffer.from(row.buffer, row.byteOffset, row.byteLength), rows[i], 'row ' + i));
};
function sameEmbeddings(model, ...args) {
  same(pictures.map(picture => model.embedImage(picture)),
    expected(...args, ...pictures.map(picture => picture.file)));
  same(model.embedTexts(texts.filter(text => text), { truncate: true }),
    expected(...args, '--truncate', '--texts', list));
  same([model.embedImage(pictures[0], { raw: true })], expected(...args, '--raw', pictures[0].file));
}

/* ---- models ---- */
const NAMES = ['config.json', 'preprocessor_config.json', 'tokenizer.json',
  'tokenizer_config.json', 'vocab.json', 'merges.txt', 'model.safetensors', 'spiece.model',
  'special_tokens_map.json', 'added_tokens.json'];
const filesOf = folder => Object.fromEntries(NAMES.map(name => [name, path.join(folder, name)])
  .filter(([, file]) => fs.existsSync(file)).map(([name, file]) => [name, fs.readFileSync(file)]));
const withModel = (files, options, body) => {
  const model = clipc.open(files, options);
  try {
    return body(model);
  } finally {
    model.close();
  }
};
const demo = filesOf('weights/demo');

for (const folder of ['weights/demo', 'tests/data/tiny', 'tests/data/tiny-siglip'])
  for (const precision of ['f32', 'bf16', 'int8'])
    check(`${folder}, ${precision}: the bits of --cpu c`, () =>
      withModel(filesOf(folder), { precision }, model =>
        sameEmbeddings(model, '--model', folder, '--dtype', precision)));

for (const precision of ['f32', 'bf16', 'int8'])
  check(`a packed file, ${precision}: the bits of --cpu c`, () => {
    const file = path.join(scratch, precision + '.clipc');
    native('clipc-pack', '--quiet', 'demo', '--dtype', precision, '-o', file);
    withModel({ 'model.safetensors': fs.readFileSync(file) }, {}, model =>
      sameEmbeddings(model, '--model', file));
  });

check('another image size', () => withModel(demo, { imageSize: 80 }, model =>
  same([model.embedImage(pictures[0])],
    expected('--model', 'demo', '--image-size', '80', pictures[0].file))));

const labels = fs.readFileSync('weights/labels/demo.txt', 'utf8').trim().split('\n');
check('labels, with and without templates, have the answers of clipc-classify', () =>
  withModel(demo, {}, model => {
    for (const templates of [[], ['a drawing of a {}', '{} on a road']]) {
      model.setLabels(labels, { templates });
      for (const { file, ...picture } of pictures) {
        const { predictions } = JSON.parse(native('clipc-classify', '--quiet', '--model', 'demo',
          ...C, '--format', 'jsonl', '--no-cache', '--top', '80',
          ...templates.flatMap(t => ['--template', t]), file));
        assert.equal(predictions.length, labels.length);
        model.classify(picture, { k: labels.length }).forEach((found, i) => {
          const { label, index, cosine, logit, probability } = predictions[i];
          assert.deepEqual([found.label, found.index, found.cosine, found.logit],
            [label, index, Math.fround(cosine), Math.fround(logit)]);
          // exp() is the C library's.
          assert.ok(Math.abs(found.probability - probability) < 1e-7, `${found.probability}`);
        });
      }
    }
  }));

check('the transparency of RGBA is dropped', () => withModel(demo, {}, model => {
  const { data, width, height } = pictures[0], rgba = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < width * height; i++)
    rgba.set([data[3 * i], data[3 * i + 1], data[3 * i + 2], i & 255], 4 * i);
  assert.deepEqual(model.embedImage({ data: rgba, width, height }), model.embedImage(pictures[0]));
}));

/* ---- refusals ---- */
check('what cannot be is refused with a message', () => {
  const open = (name, bytes) => () => clipc.open({ ...demo, [name]: bytes });
  const weights = demo['model.safetensors'];
  assert.throws(open('config.json', Buffer.from('{')), /config\.json/);
  assert.throws(open('model.safetensors', weights.subarray(0, 100000)), /model\.safetensors/);
  assert.throws(open('model.safetensors', Buffer.alloc(0)), Error);
  assert.throws(open('other.bin', weights), /other\.bin: not a file of a model/);
  assert.throws(() => clipc.open(demo, { precision: 'f64' }), /precision f64/);
  withModel(demo, {}, model => {
    const { data, width, height } = pictures[0];
    assert.throws(() => model.classify(pictures[0]), Error);
    assert.throws(() => model.embedTexts(['long '.repeat(200)]), /too long|tokens/);
    assert.throws(() => model.setLabels(['a', 'long '.repeat(200)]), /long/);
    assert.throws(() => model.setLabels(['a'], { templates: ['no place'] }), Error);
    assert.throws(() => model.setLabels([]), Error);
    assert.throws(() => model.embedImage({ data, width, height: height + 1 }), /no picture/);
    assert.throws(() => model.embedImage({ data: data.subarray(0, 0), width: 0, height: 0 }), Error);
    model.setLabels(['<b>', 'a']);
    assert.throws(() => model.setLabels([]), Error);
    assert.deepEqual(model.labels, ['<b>', 'a']);
    assert.equal(model.classify(pictures[0]).length, 2);
  });
  assert.throws(open('config.json', '{}'), /config\.json: must be an ArrayBuffer/);
  const closed = clipc.open(demo);
  closed.close();
  assert.throws(() => closed.embedTexts(['a']), /closed/);
  assert.throws(() => closed.dim, /closed/);
  assert.throws(() => closed.putFile('config.json', demo['config.json']), /closed/);
});

check('a size of more than 32 bits is refused, not cut', () => withModel(demo, {}, model => {
  const width = 2 ** 30 + 1, length = 4 * width;
  assert.throws(() => model.embedImage({ data: { length }, width, height: 1 }),
    new RegExp(`out of memory: ${length} bytes`));
}));

// Firefox 90, which docs/WASM.md promises, has no Object.hasOwn.
check('the script needs no newer function than the engines of docs/WASM.md have', () => {
  const { hasOwn } = Object;
  delete Object.hasOwn;
  try {
    withModel(demo, { precision: 'f32' }, model => model.embedTexts(['a']));
  } finally {
    Object.hasOwn = hasOwn;
  }
});

/* ---- the module ---- */
check('it is small: ', () => {
  const gzip = zlib.gzipSync(wasm, { level: 9 }).length;
  assert.ok(wasm.length < MOST_BYTES, `${wasm.length} bytes`);
  assert.ok(gzip < MOST_GZIP, `${gzip} bytes by gzip`);
  return `${wasm.length} bytes, ${gzip} by gzip`;
});

check('the notices of what is linked in are beside it', () => {
  for (const notice of ['zlib/LICENSE', 'zlib/version', 'jansson/LICENSE', 'nettle/COPYING.LESSERv3',
    'nettle/COPYINGv3', 'zig/LICENSE', 'wasi-libc/LICENSE', 'wasi-libc/LICENSE-MIT',
    'wasi-libc/musl/COPYRIGHT', 'wasi-libc/cloudlibc/LICENSE'])
    assert.ok(fs.statSync(path.join(WASM, 'licenses', notice)).size, notice);
});

check('it asks for nothing but what the C library of WASI asks for', () => {
  const module = new WebAssembly.Module(wasm);
  for (const { module: from } of WebAssembly.Module.imports(module))
    assert.equal(from, 'wasi_snapshot_preview1');
  for (const { name } of WebAssembly.Module.exports(module))
    assert.match(name, /^(memory|_initialize|module_[a-z_]+)$/);
});

// Two blocks that nobody writes to take the first 2 GiB: what is opened then lies at
// addresses that are negative where they are read as signed.
const { instantiate } = WebAssembly;
let high;
WebAssembly.instantiate = async (...what) => (high = await instantiate(...what));
const above = await load(wasm);
WebAssembly.instantiate = instantiate;
const blocks = [1, 2].map(() => high.exports.module_alloc(1000 << 20) >>> 0);
if (blocks.includes(0))
  console.log('skip - wasm: addresses above 2 GiB: this machine gives node no 2 GiB');
else
  check('addresses above 2 GiB', () => {
    assert.ok(high.exports.memory.buffer.byteLength > 2 ** 31, `${blocks}`);
    const model = above.open(demo);
    sameEmbeddings(model, '--model', 'demo');
    model.setLabels(['a', 'red convertible'], { templates: ['a drawing of a {}'] });
    assert.equal(model.classify(pictures[0], { k: 2 }).length, 2);
    assert.throws(() => model.embedTexts(['long '.repeat(200)]), /too long|tokens/);
    model.close();
  });

const fresh = await load(wasm);
check('a file is any view of its bytes', () => {
  const config = demo['config.json'], bytes = Uint8Array.from({ length: 2 * config.length },
    (_, i) => config[i] ?? 0x20);
  for (const view of [new DataView(bytes.buffer), new Uint16Array(bytes.buffer)])
    fresh.open({ ...demo, 'config.json': view }).close();
});

check('its memory does not grow with what was asked', () => {
  const round = () => {
    const model = fresh.open(demo);
    model.setLabels(labels);
    for (const picture of pictures) model.classify(picture);
    model.embedTexts(texts, { truncate: true });
    assert.throws(() => model.embedTexts(['long '.repeat(200)]));
    model.close();
  };
  round();
  round();
  const bytes = fresh.memoryBytes;
  for (let i = 0; i < 10; i++) round();
  assert.equal(fresh.memoryBytes, bytes);
});
process.exit(failed);
