// SPDX-License-Identifier: MIT
//
// Ways to ask the reference, the npm package `tokenizers`, about steps of tokenizers. The other scripts of this folder
// use it; the package is found where node looks for packages (NODE_PATH).
'use strict';
const { Tokenizer } = require('tokenizers');

const empty = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', vocab: { '[UNK]': 0 }, unk_token: '[UNK]' },
};

const load = (members) => Tokenizer.fromString(JSON.stringify({ ...empty, ...members }));

// The function that a normalizer is, from text to text.
const normalizer = (json) => {
  const step = load({ normalizer: json }).getNormalizer();
  return (text) => step.normalizeString(text);
};

// The function that a pre-tokenizer is, from a text to its pieces.
const preTokenizer = (json) => {
  const step = load({ pre_tokenizer: json }).getPreTokenizer();
  return (text) => step.preTokenizeString(text).map(([piece]) => piece);
};

// A precompiled map of characters, in base64: keys are replaced by their values. Every node of the trie has 256 units
// to itself, which is wasteful and simple.
const charsmap = (pairs) => {
  const root = { children: new Map() };
  let texts = Buffer.alloc(0);
  for (const [key, value] of Object.entries(pairs)) {
    let node = root;
    for (const byte of Buffer.from(key)) {
      if (!node.children.has(byte)) node.children.set(byte, { children: new Map() });
      node = node.children.get(byte);
    }
    node.value = texts.length;
    texts = Buffer.concat([texts, Buffer.from(`${value}\0`)]);
  }
  // A node at unit `at` finds its children, by their bytes, in the block whose number differs from its own in `block`.
  const nodes = [{ node: root, at: 0 }];
  const units = [];
  for (let i = 0; i < nodes.length; ++i) {
    const { node, at, label } = nodes[i];
    const block = i + 1;
    // The distance has to clear the low byte: large distances are multiples of 256, so that the children's place is the
    // block's with the low byte of `at`.
    const distance = ((at >> 8) ^ block) << 8;
    units[at] = (((distance >> 8) << 10) | (1 << 9) | (node.value === undefined ? 0 : 1 << 8) | (label ?? 0)) >>> 0;
    const first = at ^ distance;
    if (node.value !== undefined) units[first] = (0x80000000 | node.value) >>> 0;
    for (const [byte, child] of node.children) nodes.push({ node: child, at: first ^ byte, label: byte });
  }
  const array = Uint32Array.from({ length: (nodes.length + 2) * 256 }, (_, i) => units[i] ?? 0);
  const size = new Uint32Array([array.byteLength]);
  return Buffer.concat([Buffer.from(size.buffer), Buffer.from(array.buffer), texts]).toString('base64');
};

module.exports = { load, normalizer, preTokenizer, charsmap };
