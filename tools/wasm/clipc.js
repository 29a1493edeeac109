// SPDX-License-Identifier: MIT
//
// clipc.js - libclipc as a WebAssembly module, in a browser or in node: opens
// models from files in memory, embeds texts and pictures, names what is in a
// picture. Pictures are pixels: the browser decodes.
//
//     import { load } from './clipc.js';
//     const clipc = await load(await (await fetch('clipc.wasm')).arrayBuffer());
//     const model = clipc.open({ 'config.json': bytes, ... });
//     model.setLabels(['a cat', 'a dog']);
//     const [best] = model.classify({ data, width, height });
//     console.log(best.label, best.probability);
//     model.close();
//
// A call that cannot do what it is asked for throws an Error with the library's
// message. Nothing is fetched, stored or printed.

/* ---- names and numbers of module.h and clipc.h ---- */
const FILES = ['config.json', 'preprocessor_config.json', 'tokenizer.json',
  'tokenizer_config.json', 'vocab.json', 'merges.txt', 'model.safetensors',
  'spiece.model', 'special_tokens_map.json', 'added_tokens.json'];
const PRECISIONS = { auto: 0, f32: 1, bf16: 2, int8: 3 };
const TRUNCATE = 1, RAW = 4;
const RESULT_BYTES = 16;

/* ---- what the module asks its host for ---- */
// The C library of WASI imports files, clocks and the environment. There are no
// files and no variables here: what asks for them is told so.
function host(module, memory) {
  const BAD_DESCRIPTOR = 8;
  const view = () => new DataView(memory().buffer);
  const answers = {
    clock_time_get(clock, precision, out) {
      const now = clock === 0 ? Date.now() : performance.now();
      view().setBigUint64(out >>> 0, BigInt(Math.round(now * 1e6)), true);
      return 0;
    },
    environ_sizes_get(count, bytes) {
      view().setUint32(count >>> 0, 0, true);
      view().setUint32(bytes >>> 0, 0, true);
      return 0;
    },
    environ_get: () => 0,
    sched_yield: () => 0,
    proc_exit(code) { throw new Error('the module ended with ' + code); }
  };
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module))
    (imports[from] ??= {})[name] = answers[name] ?? (() => BAD_DESCRIPTOR);
  return imports;
}

/* ---- the module ---- */
// wasm: the bytes of clipc.wasm, or a WebAssembly.Module of them.
export async function load(wasm) {
  const module = wasm instanceof WebAssembly.Module ? wasm : await WebAssembly.compile(wasm);
  const instance = await WebAssembly.instantiate(module,
    host(module, () => instance.exports.memory));
  instance.exports._initialize();
  return new Clipc(instance.exports);
}

class Clipc {
  #call;
  constructor(exports) { this.#call = exports; }

  // Bytes of memory that the module has taken. It gives none back to its host.
  get memoryBytes() { return this.#call.memory.buffer.byteLength; }

  // files: { 'config.json': bytes, ... }, each an ArrayBuffer or a view of one, by the
  // names of FILES; or { 'model.safetensors': bytes } alone, the bytes of a packed
  // file. precision: 'f32', 'bf16' or 'int8'; 'auto' is f32, and of a packed file its
  // own. imageSize: 0, the checkpoint's.
  open(files, { precision = 'auto', imageSize = 0 } = {}) {
    if (!Object.keys(PRECISIONS).includes(precision))
      throw new Error(`precision ${precision}: must be ${Object.keys(PRECISIONS).join(', ')}`);
    const model = new Model(this.#call);
    try {
      for (const [name, bytes] of Object.entries(files)) model.putFile(name, bytes);
      model.openFiles(PRECISIONS[precision], imageSize);
    } catch (error) {
      model.close();
      throw error;
    }
    return model;
  }
}

/* ---- a model ---- */
class Model {
  #call; #session; #labels = [];

  constructor(exports) {
    this.#call = exports;
    this.#session = exports.module_create() >>> 0;
    if (!this.#session) throw new Error('out of memory: a model');
  }

  // Frees the model. Its other calls must not follow.
  close() {
    this.#call.module_destroy(this.#session);
    this.#session = 0;
  }

  /* -- memory of the module; a view is good until the next call into it -- */
  // The module's addresses have 32 bits: of those it returns, the second half would
  // be negative numbers here, and a size above would lose its first bits there.
  #bytes(at, n) { return new Uint8Array(this.#call.memory.buffer, at, n); }
  #alloc(n) {
    const at = n < 2 ** 32 ? this.#call.module_alloc(n) >>> 0 : 0;
    if (!at) throw new Error(`out of memory: ${n} bytes`);
    return at;
  }
  // Calls body() with room for n bytes, which is given back after it.
  #with(n, body) {
    const at = this.#alloc(n);
    try {
      return body(at);
    } finally {
      this.#call.module_release(at);
    }
  }
  // Calls body() with the address of an array of clipc_text.
  #withTexts(texts, body) {
    const encoder = new TextEncoder(), all = texts.map(text => encoder.encode(text));
    const table = 8 * all.length;
    return this.#with(all.reduce((sum, text) => sum + text.length, table), at => {
      const view = new DataView(this.#call.memory.buffer);
      let end = at + table;
      all.forEach((text, i) => {
        view.setUint32(at + 8 * i, end, true);
        view.setUint32(at + 8 * i + 4, text.length, true);
        this.#bytes(end, text.length).set(text);
        end += text.length;
      });
      return body(at, all.length);
    });
  }
  // Calls body() with the address of a picture's pixels and what module.h wants
  // to know of them.
  #withPixels({ data, width, height }, body) {
    const channels = data.length / (width * height);
    if (channels !== 3 && channels !== 4)
      throw new Error(`${data.length} bytes are no picture of ${width} x ${height}`);
    return this.#with(data.length, at => {
      this.#bytes(at, data.length).set(data);
      return body(at, width, height, channels);
    });
  }
  #check(good) {
    if (this.#session === 0) throw new Error('the model is closed');
    if (good) return;
    const memory = new Uint8Array(this.#call.memory.buffer);
    const at = this.#call.module_message() >>> 0;
    throw new Error(new TextDecoder().decode(memory.slice(at, memory.indexOf(0, at))));
  }
  #floats(at, n) { return new Float32Array(this.#call.memory.buffer, at, n).slice(); }

  /* -- of Clipc.open() -- */
  putFile(name, bytes) {
    const file = FILES.indexOf(name);
    if (file < 0) throw new Error(`${name}: not a file of a model; they are ${FILES.join(', ')}`);
    this.#check(true);
    let source;
    if (ArrayBuffer.isView(bytes))
      source = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    else if (bytes instanceof ArrayBuffer) source = new Uint8Array(bytes);
    else throw new Error(`${name}: must be an ArrayBuffer or a view of one`);
    // The module frees the block; nothing throws before it has it.
    const at = this.#alloc(source.length);
    this.#bytes(at, source.length).set(source);
    this.#call.module_put_file(this.#session, file, at, source.length);
  }
  openFiles(precision, imageSize) {
    this.#check(true);
    this.#check(this.#call.module_open(this.#session, precision, imageSize));
  }

  // Numbers in an embedding.
  get dim() {
    this.#check(true);
    return this.#call.module_dim(this.#session);
  }
  get labels() { return [...this.#labels]; }

  // The labels that classify() chooses from, each in every template: 'a photo of
  // {}'. Where this throws, the labels before stay.
  setLabels(labels, { templates = [], truncate = false } = {}) {
    this.#check(true);
    this.#withTexts(labels, (names, n) => this.#withTexts(templates, (prompts, m) =>
      this.#check(this.#call.module_set_labels(this.#session, names, n, prompts, m,
        truncate ? TRUNCATE : 0))));
    this.#labels = [...labels];
  }

  // An embedding of each text, a Float32Array of dim numbers, of unit length
  // unless raw.
  embedTexts(texts, { truncate = false, raw = false } = {}) {
    this.#check(true);
    const dim = this.dim;
    return this.#withTexts(texts, (at, n) => this.#with(4 * n * dim, out => {
      this.#check(this.#call.module_embed_texts(this.#session, at, n, out,
        (truncate ? TRUNCATE : 0) | (raw ? RAW : 0)));
      return texts.map((_, i) => this.#floats(out + 4 * i * dim, dim));
    }));
  }

  // The embedding of a picture { data, width, height }: ImageData, or bytes of RGB
  // or RGBA, row by row. Of RGBA the A is dropped.
  embedImage(picture, { raw = false } = {}) {
    this.#check(true);
    const dim = this.dim;
    return this.#withPixels(picture, (...pixels) => this.#with(4 * dim, out => {
      this.#check(this.#call.module_embed_pixels(this.#session, ...pixels, out, raw ? RAW : 0));
      return this.#floats(out, dim);
    }));
  }

  // The k most probable labels of a picture, best first: [{ label, index, cosine,
  // logit, probability }, ...].
  classify(picture, { k = 5 } = {}) {
    this.#check(true);
    const n = Math.min(k, this.#labels.length);
    return this.#withPixels(picture, (...pixels) => this.#with(RESULT_BYTES * n, out => {
      this.#check(this.#call.module_classify(this.#session, ...pixels, n, out));
      const view = new DataView(this.#call.memory.buffer);
      return Array.from({ length: n }, (_, i) => {
        const at = out + RESULT_BYTES * i, index = view.getUint32(at, true);
        return {
          label: this.#labels[index], index,
          cosine: view.getFloat32(at + 4, true),
          logit: view.getFloat32(at + 8, true),
          probability: view.getFloat32(at + 12, true)
        };
      });
    }));
  }
}
