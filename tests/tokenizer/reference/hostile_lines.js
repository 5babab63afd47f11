// SPDX-License-Identifier: MIT
//
// Lines that tokenizers stumble over: words and numbers among marks, controls, kinds of white space, symbols of all
// planes, added tokens, broken contractions and long runs. The same seed gives the same lines.
'use strict';

// A small generator of random numbers, xorshift.
const randomNumbers = (seed) => {
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  return (bound) => {
    state ^= state << 13; state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5; state >>>= 0;
    return state % bound;
  };
};

const words = ['the', 'of', 'and', 'House', 'LONDON', "don't", "we'll", "I'VE", "'s", "'S", "it'\u017f", '\u2019s', 'caf\u00e9',
  'cafe\u0301', 'na\u00efve', 'Stra\u00dfe', '\u0130stanbul', '\u1e9e', 'fi\ufb01', '\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2', '\u041f\u0440\u0438\u0432\u0435\u0442',
  '\u4f60\u597d\u4e16\u754c', '\u65e5\u672c\u8a9e', '\u30d7\u30ea\u30f3', '\u30d5\u309a', '\ud55c\uad6d\uc5b4', '\u1112\u1161\u11ab', '\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35',
  '\u0928\u092e\u0938\u094d\u0924\u0947', '\u0627\u0644\u0639\u0631\u0628\u064a\u0629', '12', '2023', '3.14', '1,000', '\u00bd', '\u0665\u0666', '\u216b', '\u2460', 'x2', 'a1b2', '<mask>', '<s>', '</s>', '<unk>',
  '[MASK]', '<0x41>', '``', "''", '...', '?!', '--', '__', '##ing', '\u2581', '\u2581the', '\u0120', '\u0120the', '\ud83d\ude00', '\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67',
  '\ud83c\uddeb\ud83c\uddf7', '\u2764\ufe0f', '1\ufe0f\u20e3', '\u2026', '\uff01', '\u201c', '\u201d', '\u00a9', '\u2122', '\u00b2', '\ufdfa', '\u0600a', '\ufeff', '\u00ad'];
const blanks = [' ', ' ', ' ', ' ', '', '  ', '   ', '\t', '\n', '\r\n', '\n\n', ' \n', '\n ', '\u00a0', '\u2003', '\u3000', '\u2028', '\u0085', '\u200b',
  '\u200d', '\u000b', '\u000c'];
// Blocks from which single characters are drawn, the common ones more often.
const blocks = [[0x20, 0x7f], [0, 0x20], [0x7f, 0x100], [0x100, 0x250], [0x300, 0x370], [0x370, 0x530], [0x590, 0x700], [0x900, 0xe00],
  [0xe00, 0x1000], [0x1000, 0x1400], [0x1680, 0x1900], [0x1e00, 0x2000], [0x2000, 0x2070], [0x2070, 0x2c00], [0x3000, 0x3100],
  [0x4e00, 0x4e40], [0xa640, 0xabff], [0xac00, 0xac80], [0xf900, 0xfb50], [0xfe00, 0x10000], [0x10000, 0x11fff], [0x16000, 0x17000],
  [0x1d000, 0x1f000], [0x1f000, 0x1fb00], [0x2a6d0, 0x2a740], [0xe0000, 0xe0200], [0x80, 0xd800], [0x10000, 0x110000]];

// `count` lines for the seed.
const hostileLines = (seed, count) => {
  const random = randomNumbers(seed);
  const pick = (list) => list[random(list.length)];
  const character = () => {
    const [first, end] = pick(blocks);
    return String.fromCodePoint(first + random(end - first));
  };
  const piece = () => {
    switch (random(12)) {
      case 0: return character();
      case 1: return character() + character();
      case 2: return pick(words) + character();
      case 3: return character() + pick(words);
      case 4: return character().repeat(1 + random(6));
      case 5: return pick(words).toUpperCase();
      default: return pick(words);
    }
  };
  const lines = ['', ' ', '  ', '\n', 'a', '\u0301', '\u200b', '\u0001a', '\ufeffa b', 'a\u0000b',
    '\u0600\u1112\u1166\u11bb', '\u0600\uac00\u11a8', '\u00a9\u200d\ud83d\ude00', '   <mask> a', '\n <mask>'];
  while (lines.length < count) {
    let line = random(4) === 0 ? pick(blanks) : '';
    for (let n = 1 + random(10); n > 0; --n) line += piece() + (random(5) === 0 ? pick(blanks) : random(3) ? ' ' : '');
    if (random(40) === 0) line += pick(words).repeat(30 + random(60));
    // A lone surrogate is no text.
    lines.push(line.toWellFormed());
  }
  return lines.slice(0, count);
};

module.exports = { hostileLines };
