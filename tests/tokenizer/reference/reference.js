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

// A precompiled map of characters that replaces the one byte `from` by the one byte `to`.
const charsmapOfByte = (from, to) => {
  const units = new Uint32Array(512);
  const first = 256;
  const node = first ^ from;
  const step = 128;
  units[0] = first << 10;
  units[node] = (step << 10) | (1 << 8) | from;
  units[node ^ step] = 0x80000000;
  const header = new Uint32Array([units.byteLength]);
  return Buffer.concat([Buffer.from(header.buffer), Buffer.from(units.buffer), Buffer.from(`${to}\0`)]).toString('base64');
};

module.exports = { load, normalizer, preTokenizer, charsmapOfByte };
