// SPDX-License-Identifier: MIT
//
// Records what the reference makes of a few short lines with every configuration, for tests that run without it:
//   NODE_PATH=FOLDER/node_modules node record.js > recorded.json
// A configuration is a golden tokenizer, the members in which it differs from that, and those in which its model does.
'use strict';
const { Tokenizer } = require('tokenizers');
const configurations = require('./configurations.js');
const describe = require('./describe.js');
const { hostileLines } = require('./hostile_lines.js');

const bases = ['bert_uncased', 'crammed_bytebpe', 'crammed_unigram'];
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const changes = (from, to) => Object.fromEntries(Object.entries(to).filter(([key, value]) => !same(from[key], value)));

// The base from which the fewest bytes lead to a configuration.
const shortest = (json) => bases.map((base) => {
  const { model, ...members } = json;
  const { model: own, ...others } = configurations[base];
  const dropped = Object.keys(own).filter((key) => !(key in model));
  return { base, members: changes(others, members), model: changes(own, model), dropped };
}).sort((a, b) => JSON.stringify(a).length - JSON.stringify(b).length)[0];

const main = async () => {
  const out = [];
  for (const [number, [name, json]] of Object.entries(configurations).entries()) {
    const tokenizer = Tokenizer.fromString(JSON.stringify(json));
    const lines = [...hostileLines(7, 10), ...hostileLines(500 + number, 80).filter((line) => line.length > 12 && line.length < 40).slice(0, 6)];
    const texts = lines.map((line, i) => (i % 8 === 7 ? [line, lines[i - 1]] : [line]));
    const cases = [];
    for (const text of texts) {
      const { special, decoded_all, ...found } = await describe(tokenizer, text);
      cases.push({ text, ...found });
    }
    out.push(`${JSON.stringify({ name, ...shortest(json), cases })}`);
  }
  console.log(`[\n${out.join(',\n')}\n]`);
};

main();
