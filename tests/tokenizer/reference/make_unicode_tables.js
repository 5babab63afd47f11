// SPDX-License-Identifier: MIT
//
// Writes the tables of include/ultrafastbert/tokenizer/unicode/ anew:
//   NODE_PATH=FOLDER/node_modules node make_unicode_tables.js ../../../include/ultrafastbert/tokenizer/unicode
// Source: the npm package `tokenizers` 0.23.2, which is asked about every code point. Its parts are built on several
// versions of the Unicode standard, so that no single UnicodeData.txt has the same answers.
'use strict';
const fs = require('fs');
const path = require('path');
const { normalizer, preTokenizer, charsmap } = require('./reference.js');

const everyCodePoint = function* () {
  for (let c = 0x80; c < 0x110000; ++c) if (c < 0xd800 || c > 0xdfff) yield c;
};

// Calls `ask(text)` for many texts `make(code point)` at a time, joined by line feeds, which it has to keep apart, and
// gives the answer about each code point to `take(code point, answer)`.
const askAll = (make, ask, take) => {
  let points = [];
  const flush = () => {
    const answers = ask(points.map((c) => make(String.fromCodePoint(c))).join('\n'));
    if (answers.length !== points.length) throw new Error(`${answers.length} answers for ${points.length}`);
    points.forEach((c, i) => take(c, answers[i]));
    points = [];
  };
  for (const c of everyCodePoint()) {
    points.push(c);
    if (points.length === 4096) flush();
  }
  if (points.length) flush();
};

// Code points outside ASCII about which `holds(answer, character)` is true.
const collect = (make, ask, holds) => {
  const found = [];
  askAll(make, ask, (c, answer) => { if (holds(answer, String.fromCodePoint(c))) found.push(c); });
  return found;
};

const lines = (step) => (text) => step(text).split('\n');

// How many pieces a pre-tokenizer makes of each line. A bar between spaces keeps the lines apart.
const words = (json) => {
  const step = preTokenizer(json);
  return (text) => {
    const counts = [0];
    for (const piece of step(text.replaceAll('\n', ' | '))) {
      for (const word of piece.split(' ')) {
        if (word === '|') counts.push(0); else if (word !== '') ++counts[counts.length - 1];
      }
    }
    return counts;
  };
};

// Those that a regular expression matches, each by itself.
const matched = (expression) => {
  const step = preTokenizer({ type: 'Split', pattern: { Regex: expression }, behavior: 'Removed', invert: true });
  const found = [];
  let text = '';
  const flush = () => { for (const piece of step(text)) found.push(piece.codePointAt(0)); text = ''; };
  for (const c of everyCodePoint()) {
    text += String.fromCodePoint(c);
    if (text.length > 8192) flush();
  }
  flush();
  return found;
};

const rangesOf = (points) => {
  const ranges = [];
  for (const c of points) {
    const last = ranges[ranges.length - 1];
    // Surrogates are no characters, so that a range may span them.
    if (last && (c === last[1] + 1 || (last[1] === 0xd7ff && c === 0xe000))) last[1] = c; else ranges.push([c, c]);
  }
  return ranges;
};

const hex = (c) => `0x${c.toString(16).toUpperCase()}`;

const fill = (items) => {
  const out = [];
  let line = '   ';
  items.forEach((item, i) => {
    const word = ` ${item}${i + 1 < items.length ? ',' : ''}`;
    if (line.length + word.length > 120) { out.push(line); line = '   '; }
    line += word;
  });
  out.push(line);
  return out.join('\n');
};

const table = (comment, type, name, items) =>
  `${comment.map((line) => `/// ${line}\n`).join('')}inline constexpr std::array<${type}, ${items.length}> ${name}{{\n${fill(items)}}};\n`;

const setTable = (comment, name, points) =>
  table(comment, 'code_point_range', name, rangesOf(points).map(([a, b]) => `{${hex(a)}, ${hex(b)}}`));

const header = (purpose, includes, body) => `// SPDX-License-Identifier: MIT
//
${purpose.map((line) => `// ${line}\n`).join('')}// Source: the npm package \`tokenizers\` 0.23.2; tests/tokenizer/reference/make_unicode_tables.js writes this file.
// Layer: tokenizer.
#pragma once

${includes.map((line) => (line ? `#include ${line}\n` : '\n')).join('')}
namespace ultrafastbert::tokenizers {

// clang-format off
${body.join('\n')}// clang-format on

}  // namespace ultrafastbert::tokenizers
`;

const folder = process.argv[2];
const write = (name, purpose, includes, body) => {
  const text = header(purpose, includes, body);
  fs.writeFileSync(path.join(folder, name), text);
  console.log(`${name}: ${text.split('\n').length - 1} lines`);
};
const range = ['<array>', '', '"ultrafastbert/tokenizer/unicode/code_point_range.hpp"'];

// General categories, as the regular expressions of the reference know them.
const categories = ['Lu', 'Ll', 'Lt', 'Lm', 'Lo', 'Mn', 'Mc', 'Me', 'Nd', 'Nl', 'No', 'Pc', 'Pd', 'Ps', 'Pe', 'Pi', 'Pf',
  'Po', 'Sm', 'Sc', 'Sk', 'So', 'Zs', 'Zl', 'Zp', 'Cc', 'Cf', 'Co', 'Cn'];
const alternating = categories.length;
const categoryOf = new Map();
categories.slice(0, -1).forEach((name, i) => { for (const c of matched(`\\p{${name}}`)) categoryOf.set(c, i); });
const runs = [];
for (const c of everyCodePoint()) {
  const category = categoryOf.get(c) ?? categories.length - 1;
  if (runs.length === 0 || runs[runs.length - 1].category !== category) runs.push({ first: c, category, length: 0 });
  ++runs[runs.length - 1].length;
}
const entries = [];
for (let i = 0; i < runs.length;) {
  let end = i;
  while (end < runs.length && runs[end].length === 1 && runs[end].category <= 1) ++end;
  if (end - i >= 3) {
    entries.push(runs[i].first * 32 + alternating + runs[i].category);
    i = end;
  } else {
    entries.push(runs[i].first * 32 + runs[i].category);
    ++i;
  }
}
write('category_table.hpp', ['The general categories of all code points outside ASCII.'], ['<array>', '<cstdint>'], [
  table(['Where a run of code points starts, times 32, plus its category: the index of its name in `category_names`, or one of',
    'two numbers for runs in which capital and small letters alternate, the first of which starts with a capital.'],
  'std::uint32_t', 'category_runs', entries.map(hex))]);

write('word_table.hpp', ['The characters that words are made of.'], range, [
  setTable(['Word characters outside ASCII: `\\w` of the Unicode standard\'s technical report 18, annex C.'], 'word_ranges',
    collect((c) => `a${c}a`, words({ type: 'Whitespace' }), (pieces) => pieces === 1))]);

const bert = (switched) => lines(normalizer({
  type: 'BertNormalizer', clean_text: false, handle_chinese_chars: false, strip_accents: false, lowercase: false, ...switched }));
const vanishes = (answer) => answer === 'aa';
write('property_tables.hpp', ['What steps of tokenizers ask about single code points outside ASCII.'], range, [
  setTable(['Numbers: what `Digits` sets apart.'], 'numeric_ranges',
    collect((c) => `a${c}a`, words({ type: 'Digits', individual_digits: true }), (pieces) => pieces > 1)),
  setTable(['Punctuation: what `Punctuation` and `BertPreTokenizer` set apart.'], 'punctuation_ranges',
    collect((c) => `a${c}a`, words({ type: 'Punctuation', behavior: 'Isolated' }), (pieces) => pieces > 1)),
  setTable(['Controls: what `BertNormalizer` drops with `clean_text`.'], 'control_ranges',
    collect((c) => `a${c}a`, (text) => bert({ clean_text: true })(text.replaceAll('\n', '|\n'))[0].split('| '), vanishes)),
  setTable(['Accents: what `BertNormalizer` drops with `strip_accents`.'], 'accent_ranges',
    collect((c) => `a${c}a`, bert({ strip_accents: true }), vanishes)),
  setTable(['Marks: what `StripAccents` drops.'], 'mark_ranges',
    collect((c) => `a${c}a`, lines(normalizer({ type: 'StripAccents' })), vanishes))]);

const changed = (form) => collect((c) => c, lines(normalizer({ type: form })), (answer, c) => answer !== c);
const canonical = changed('NFD');
const decomposes = new Set(canonical);
write('form_tables.hpp', ['Which code points outside ASCII take part in normalization, and which ones join the character before them.'], range, [
  setTable(['Code points that NFD changes.'], 'canonical_ranges', canonical),
  setTable(['Code points that NFKD changes and NFD does not.'], 'compatibility_ranges',
    changed('NFKD').filter((c) => !decomposes.has(c))),
  // The mark U+0345 has the largest class of all: every other mark moves in front of it.
  setTable(['Code points that have a canonical combining class other than 0.'], 'combining_ranges',
    [...collect((c) => `a\u0345${c}`, lines(normalizer({ type: 'NFD' })),
      (answer, c) => !decomposes.has(c.codePointAt(0)) && answer !== `a\u0345${c}`), 0x345].sort((a, b) => a - b)),
  setTable(['Code points that belong to one user-perceived character with the letter before them.'], 'joining_ranges',
    collect((c) => `a${c}`, lines(normalizer({ type: 'Precompiled', precompiled_charsmap: charsmap({ a: 'b' }) })),
      (answer) => answer === 'b'))]);

const lower = [];
askAll((c) => c, lines(normalizer({ type: 'Lowercase' })), (c, answer) => {
  if ([...answer].length === 1 && answer.codePointAt(0) !== c) lower.push([c, answer.codePointAt(0) - c]);
});
const rules = [];
for (let i = 0; i < lower.length;) {
  const follows = (step) => {
    let end = i + 1;
    while (end < lower.length && lower[end][0] === lower[end - 1][0] + step && lower[end][1] === lower[i][1]) ++end;
    return end;
  };
  const step = follows(2) > follows(1) ? 2 : 1;
  const end = follows(step);
  rules.push(`{${hex(lower[i][0])}, ${hex(lower[end - 1][0])}, ${step}, ${lower[i][1]}}`);
  i = end;
}
write('lower_case_table.hpp', ['Letters outside ASCII that have a small form of one code point.'], ['<array>', '<cstdint>'], [
  `/// Every letter number \`step\` from \`first\` to \`last\`; \`distance\` leads to its small form.
struct lower_case_rule {
  char32_t first = 0;
  char32_t last = 0;
  std::uint32_t step = 1;
  std::int32_t distance = 0;
};

` + table(['The rules, ordered by `first`.'], 'lower_case_rule', 'lower_case_rules', rules)]);
