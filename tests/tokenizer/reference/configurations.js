// SPDX-License-Identifier: MIT
//
// The configurations for the comparison with the reference: the golden tokenizers, and others that are made of their
// vocabularies and of the steps that published tokenizers use.
'use strict';
const fs = require('fs');
const path = require('path');
const { charsmap } = require('./reference.js');

const golden = (name) =>
  JSON.parse(fs.readFileSync(path.join(__dirname, '../../golden/tokenizers', name, 'tokenizer.json'), 'utf8'));
const bpe = golden('crammed_bytebpe');
const unigram = golden('crammed_unigram');
const wordpiece = golden('bert_uncased');

const copy = (base, members) => ({ ...JSON.parse(JSON.stringify(base)), ...members });
const model = (base, members, others) => copy(base, { ...others, model: { ...base.model, ...members } });
const sequence = (key, ...steps) => ({ type: 'Sequence', [key]: steps });
const pre = (...steps) => sequence('pretokenizers', ...steps);
const norm = (...steps) => sequence('normalizers', ...steps);
const split = (pattern, behavior, invert = false) => ({ type: 'Split', pattern, behavior, invert });
const byteLevel = (members) => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true, ...members });
const metaspace = (members) => ({ type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always', ...members });

const expressions = {
  gpt2: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  cl100k: "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  qwen2: "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  o200k: "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  deepseek: "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  lines: '[\\r\\n]', words: '\\w+|[^\\w\\s]+', digits: '\\d{2,}?', lazy: '\\p{Lu}+?\\p{Ll}{1,2}+x?|^a|\\S$', negated: '[^\\P{L}\\d]+',
};

// All behaviors of a split, with and without `invert`.
const behaviors = {};
for (const behavior of ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']) {
  behaviors[`punctuation_${behavior}`] = copy(wordpiece, { pre_tokenizer: pre({ type: 'WhitespaceSplit' }, { type: 'Punctuation', behavior }) });
  for (const invert of [false, true]) {
    behaviors[`split_${behavior}_${invert}`] = copy(wordpiece, { pre_tokenizer: split({ Regex: '[\\s\\p{P}]' }, behavior, invert) });
    behaviors[`split_string_${behavior}_${invert}`] = copy(wordpiece, { pre_tokenizer: pre({ type: 'Whitespace' }, split({ String: 'e' }, behavior, invert)) });
  }
}

const splits = {};
for (const [name, Regex] of Object.entries(expressions)) {
  splits[`bpe_${name}`] = copy(bpe, {
    normalizer: null, pre_tokenizer: pre(split({ Regex }, 'Isolated'), byteLevel({ use_regex: false })),
    post_processor: sequence('processors', byteLevel({}), bpe.post_processor) });
}

// A vocabulary of characters without bytes, and one with them.
const characters = ['<unk>', '\u2581', ...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?\'"', '\u00e9', '\u65e5', '\u0301',
  '\u2581t', '\u2581th', '\u2581the', 'in', 'ing', 'er', 'an', 'on', '\u2581a', '\u2581an', 'th', 'the', 're', 'ou', '\u65e5\u672c', '\u672c'];
const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
const ids = (tokens) => Object.fromEntries(tokens.map((token, i) => [token, i]));
const merges = ['t h', 'i n', 'in g', 'e r', 'a n', 'o n', 'r e', 'o u', 'th e', '\u2581 t', '\u2581t h', '\u2581th e', '\u2581 a', '\u2581a n', '\u65e5 \u672c'];
const llama = (members, tokens = [...characters, ...bytes], others = {}) => copy(unigram, {
  added_tokens: [], normalizer: norm({ type: 'Prepend', prepend: '\u2581' }, { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' }),
  pre_tokenizer: null, post_processor: null,
  decoder: sequence('decoders', { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' },
    { type: 'Strip', content: ' ', start: 1, stop: 0 }),
  model: { type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true,
    byte_fallback: true, vocab: ids(tokens), merges, ...members }, ...others });
const withWords = (prefix, suffix) => {
  const letters = [...'abcdefghijklmnopqrstuvwxyz0123456789.,'];
  const tokens = ['<unk>', ...letters, ...letters.map((c) => prefix + c), ...letters.map((c) => c + suffix), ...letters.map((c) => prefix + c + suffix),
    'th', `th${'e'}`, `the${suffix}`, `${prefix}in`, `${prefix}ing${suffix}`, `t${'o'}${suffix}`];
  const pairs = prefix ? [`t ${prefix}h`, `th ${prefix}e`, `th ${prefix}e${suffix}`, `${prefix}i ${prefix}n`, `${prefix}in ${prefix}g${suffix}`]
    : [`t h`, `th e`, `th e${suffix}`, `i n`, `t o${suffix}`];
  const unique = [...new Set([...tokens, 'in', `ing${suffix}`])];
  return { vocab: ids(unique), merges: pairs.filter((pair) => {
    const [a, b] = pair.split(' ');
    return unique.includes(a) && unique.includes(b) && unique.includes(a + b.slice(prefix.length)); }) };
};
const clip = (prefix, suffix, members) => copy(unigram, {
  added_tokens: [], normalizer: norm({ type: 'NFC' }, { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' }, { type: 'Lowercase' }),
  pre_tokenizer: pre({ type: 'WhitespaceSplit' }, { type: 'Punctuation' }), post_processor: null, decoder: { type: 'BPEDecoder', suffix: suffix || '@@' },
  model: { type: 'BPE', unk_token: '<unk>', continuing_subword_prefix: prefix || null, end_of_word_suffix: suffix || null, fuse_unk: false,
    byte_fallback: false, dropout: null, ...withWords(prefix, suffix), ...members } });

const unigramBytes = (byte_fallback, tokens) => model(unigram, { byte_fallback,
  vocab: [...unigram.model.vocab, ...tokens.map((token) => [token, -20])] }, { normalizer: null });
const map = charsmap({ '\u0001': '', '\t': ' ', '\n': ' ', '\r': ' ', '\u00a0': ' ', '\u3000': ' ', '\u200b': ' ', '\ufeff': '', '\u00ad': '', '\ufb01': 'fi', '\u00bd': '1\u20442',
  'e\u0301': '\u00e9', 'E\u0301': '\u00c9', '\u30d5\u309a': '\u30d7', '\u2026': '...', '\uff01': '!', '\u2460': '1', '\u00b2': '2', '\ufdfa': '\u0635\u0644\u0649 \u0627\u0644\u0644\u0647', '\u0301': '',
  '\u0600': 'x', '\ud83d\ude00': ':)', '\u0e33': '\u0e4d\u0e32', '\u0958': '\u0915\u093c', 'a\u0308': 'ae' });
const xlmr = (members) => model(unigram, {}, { normalizer: norm({ type: 'Precompiled', precompiled_charsmap: map }, ...members) });

const specials = (id) => ({ sep: ['</s>', id('</s>')], cls: ['<s>', id('<s>')] });
const roberta = (members) => copy(bpe, { normalizer: null, pre_tokenizer: byteLevel(members),
  added_tokens: bpe.added_tokens.map((token) => ({ ...token, lstrip: token.content === '<mask>' })),
  post_processor: { type: 'RobertaProcessing', ...specials((token) => bpe.model.vocab[token]), trim_offsets: true, add_prefix_space: false, ...members } });

module.exports = {
  crammed_wordpiece: golden('crammed_wordpiece'), bert_uncased: wordpiece, crammed_bytebpe: bpe, crammed_unigram: unigram,
  bert_cased: copy(wordpiece, { normalizer: { ...wordpiece.normalizer, lowercase: false, strip_accents: false } }),
  bert_plain: copy(wordpiece, { normalizer: { type: 'BertNormalizer', clean_text: false, handle_chinese_chars: false, strip_accents: true, lowercase: false } }),
  nfc: copy(wordpiece, { normalizer: { type: 'NFC' } }), nfd: copy(wordpiece, { normalizer: norm({ type: 'NFD' }, { type: 'StripAccents' }) }),
  nfkc: copy(wordpiece, { normalizer: norm({ type: 'NFKC' }, { type: 'Lowercase' }) }), nfkd: copy(wordpiece, { normalizer: norm({ type: 'NFKD' }, { type: 'Lowercase' }) }),
  strip: copy(wordpiece, { normalizer: norm({ type: 'Strip', strip_left: true, strip_right: false }, { type: 'Lowercase' }), pre_tokenizer: { type: 'WhitespaceSplit' } }),
  strip_right: copy(wordpiece, { normalizer: norm({ type: 'Strip', strip_left: false, strip_right: true }, { type: 'Prepend', prepend: 'x y' }) }),
  digits: copy(wordpiece, { pre_tokenizer: pre({ type: 'BertPreTokenizer' }, { type: 'Digits', individual_digits: true }) }),
  digit_runs: copy(wordpiece, { pre_tokenizer: pre({ type: 'WhitespaceSplit' }, { type: 'Digits', individual_digits: false }) }),
  delimiter: copy(wordpiece, { pre_tokenizer: pre({ type: 'CharDelimiterSplit', delimiter: ' ' }, { type: 'Whitespace' }) }),
  word_level: model(wordpiece, { type: 'WordLevel', unk_token: '[UNK]' }, { decoder: null }),
  ...behaviors, ...splits,
  bpe_gpt2_words: copy(bpe, { normalizer: null, pre_tokenizer: byteLevel({}), post_processor: byteLevel({}) }),
  bpe_untrimmed: copy(bpe, { normalizer: null, pre_tokenizer: byteLevel({ add_prefix_space: true }), post_processor: byteLevel({ trim_offsets: false }) }),
  bpe_after_words: copy(bpe, { normalizer: { type: 'NFC' }, pre_tokenizer: pre({ type: 'WhitespaceSplit' }, { type: 'Digits', individual_digits: true }, byteLevel({ add_prefix_space: true })), post_processor: byteLevel({ add_prefix_space: true }) }),
  bpe_normalized: copy(bpe, { normalizer: norm({ type: 'NFC' }, { type: 'ByteLevel' }), pre_tokenizer: null }),
  roberta: roberta({}), roberta_prefixed: roberta({ add_prefix_space: true }), roberta_untrimmed: roberta({ trim_offsets: false, add_prefix_space: true }),
  bpe_ignore_merges: model(bpe, { ignore_merges: true, merges: bpe.model.merges.slice(0, 300) }),
  bpe_few_merges: model(bpe, { merges: bpe.model.merges.filter((_, i) => i % 3 !== 1).reverse().filter((merge) => merge.length < 20) }),
  llama: llama({}), llama_fuse_false: llama({ fuse_unk: false }), llama_no_bytes: llama({ byte_fallback: false }),
  llama_few_bytes: llama({}, [...characters, ...bytes.slice(0, 0xd0)]), llama_few_bytes_apart: llama({ fuse_unk: false }, [...characters, ...bytes.slice(0, 0xd0)]),
  llama_no_unknown: llama({ unk_token: null, byte_fallback: false }),
  llama_metaspace: llama({}, undefined, { normalizer: null, pre_tokenizer: metaspace({ prepend_scheme: 'first', split: false }), decoder: metaspace({ prepend_scheme: 'first', split: false }) }),
  clip: clip('', '</w>', {}), clip_fused: clip('', '</w>', { fuse_unk: true }), prefixed: clip('##', '', {}), both_ends: clip('##', '</w>', {}),
  unigram_bytes: unigramBytes(true, bytes), unigram_few_bytes: unigramBytes(true, bytes.slice(0, 0xd0)), unigram_raw: unigramBytes(false, []),
  unigram_first: copy(unigram, { normalizer: null, pre_tokenizer: metaspace({ prepend_scheme: 'first' }) }),
  unigram_never: copy(unigram, { normalizer: null, pre_tokenizer: metaspace({ prepend_scheme: 'never' }), decoder: metaspace({ prepend_scheme: 'never' }) }),
  unigram_whole: copy(unigram, { normalizer: { type: 'NFKC' }, pre_tokenizer: metaspace({ split: false }) }),
  unigram_words: copy(unigram, { normalizer: null, pre_tokenizer: pre({ type: 'WhitespaceSplit' }, metaspace({})) }),
  xlmr: xlmr([]), xlmr_runs: xlmr([{ type: 'Replace', pattern: { Regex: ' {2,}' }, content: '\u2581' }]),
  xlmr_stripped: xlmr([{ type: 'Strip', strip_left: false, strip_right: true }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '\u2581' }]),
  albert: model(unigram, {}, { normalizer: norm({ type: 'Replace', pattern: { String: '``' }, content: '"' }, { type: 'NFKD' }, { type: 'StripAccents' }, { type: 'Lowercase' }, { type: 'Precompiled', precompiled_charsmap: map }) }),
};
