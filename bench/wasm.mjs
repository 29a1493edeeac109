// SPDX-License-Identifier: MIT
//
// wasm.mjs [MODEL] - times the module of `make wasm` in node: milliseconds a picture
// and a label, the least of ten rounds, in each precision. MODEL: a folder, or a
// packed file, which has one precision (default: weights/demo). Environment: WASM,
// the module's folder (build/wasm).
import fs from 'node:fs';
import path from 'node:path';

const folder = path.resolve(process.env.WASM ?? 'build/wasm');
const model = process.argv[2] ?? 'weights/demo', ROUNDS = 10, SIDE = 512;
const { load } = await import(path.join(folder, 'clipc.js'));
const wasm = fs.readFileSync(path.join(folder, 'clipc.wasm'));
const packed = fs.statSync(model).isFile();
const files = packed ? { 'model.safetensors': fs.readFileSync(model) }
  : Object.fromEntries(['config.json', 'preprocessor_config.json', 'tokenizer.json',
    'tokenizer_config.json', 'vocab.json', 'merges.txt', 'model.safetensors', 'spiece.model']
    .filter(name => fs.existsSync(path.join(model, name)))
    .map(name => [name, fs.readFileSync(path.join(model, name))]));
const picture = { data: Uint8Array.from({ length: 3 * SIDE * SIDE }, (_, i) => i * 7919 >> 5),
  width: SIDE, height: SIDE };
const labels = Array.from({ length: 16 }, (_, i) => `a photo of ${i} red cars`);

function least(body) {
  let best = Infinity;
  for (let i = 0; i < ROUNDS; i++) {
    const begun = performance.now();
    body();
    best = Math.min(best, performance.now() - begun);
  }
  return best.toFixed(2);
}

console.log(`${model}, ${SIDE} x ${SIDE} pixels, one thread, node ${process.version}`);
for (const precision of packed ? ['auto'] : ['f32', 'bf16', 'int8']) {
  const clipc = await load(wasm), opened = clipc.open(files, { precision });
  const image = least(() => opened.embedImage(picture));
  const text = least(() => opened.embedTexts(labels)) / labels.length;
  console.log(`${precision}: ${image} ms a picture, ${text.toFixed(2)} ms a label, ` +
    `${(clipc.memoryBytes / 1048576).toFixed(0)} MiB of memory`);
  opened.close();
}
