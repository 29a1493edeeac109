// SPDX-License-Identifier: MIT
//
// page.js - index.html: loads the demo model from the page's own folder, and names
// what is in a picture that a person gives. Text that is not ours, a label or an
// error, is only ever the text of an element.
import { load } from './clipc.js';

const MODEL_FILES = ['config.json', 'preprocessor_config.json', 'tokenizer.json',
  'tokenizer_config.json', 'model.safetensors'];
const element = id => document.getElementById(id);
let model, shown = null; // shown: the picture's pixels

async function bytesOf(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
}

function say(text, failed = false) {
  element('status').textContent = text;
  element('status').classList.toggle('error', failed);
}

// Does what a person asked for, and says what went wrong. The browser paints
// before the network computes.
async function answer(what, doing) {
  say(what);
  document.body.setAttribute('aria-busy', 'true');
  await new Promise(done => setTimeout(done));
  try {
    await doing();
  } catch (error) {
    say(error.message, true);
  } finally {
    document.body.removeAttribute('aria-busy');
  }
}

const percent = p => p > 0.999 ? '>99.9%' : p < 0.001 ? '<0.1%' : (100 * p).toFixed(1) + '%';

function classify() {
  const results = model.classify(shown, { k: 5 });
  element('results').replaceChildren(...results.map(({ label, probability }) => {
    const line = document.createElement('span'), name = document.createElement('b');
    const share = document.createElement('span'), bar = document.createElement('meter');
    const item = document.createElement('li');
    name.textContent = label;
    name.dir = 'auto';
    share.textContent = percent(probability);
    bar.value = probability;
    bar.setAttribute('aria-hidden', 'true'); // the share says it
    line.append(name, share);
    item.append(line, bar);
    return item;
  }));
  element('answer').hidden = false;
  say(`Most likely ${results[0].label}, ${percent(results[0].probability)}.`);
}

// The pixels of a picture as it is shown: upright, and laid on white. Colours are
// those of the file, not of this screen.
async function show(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none' })
    .catch(() => { throw new Error('This browser cannot read that file as a picture.'); });
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  shown = context.getImageData(0, 0, width, height);
  const image = element('picture');
  if (image.src) URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
  classify();
}

function useLabels() {
  const labels = element('labels').value.split('\n').map(line => line.trim())
    .filter(line => line !== '');
  if (!labels.length) throw new Error('There must be a label.');
  model.setLabels(labels, { truncate: true });
}

async function start() {
  const [wasm, labels, ...files] = await Promise.all(['clipc.wasm', 'labels.txt',
    ...MODEL_FILES.map(name => 'demo/' + name)].map(bytesOf));
  const clipc = await load(wasm);
  model = clipc.open(Object.fromEntries(MODEL_FILES.map((name, i) => [name, files[i]])));
  element('labels').value = new TextDecoder().decode(labels);
  useLabels();
  for (const id of ['file', 'example', 'labels', 'use']) element(id).disabled = false;
  say('Ready for a picture.');
}

element('file').addEventListener('change', event => {
  const [file] = event.target.files;
  if (file) answer('Looking …', () => show(file));
});
element('example').addEventListener('click', () => answer('Looking …',
  async () => show(new Blob([await bytesOf('car.png')]))));
element('form').addEventListener('submit', event => {
  event.preventDefault();
  answer('Reading the labels …', () => {
    useLabels();
    if (shown) classify();
    else say('Ready for a picture.');
  });
});
answer('Loading the model …', start);
