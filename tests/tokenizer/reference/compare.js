// SPDX-License-Identifier: MIT
//
// Compares this library with the reference, text by text:
//   NODE_PATH=FOLDER/node_modules node compare.js PROGRAM [LINES [SEED [NAME...]]]
// PROGRAM is `ufb_tokens`; every configuration gets LINES texts (2000), every tenth of them as a pair.
'use strict';
const { execFileSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { Tokenizer } = require('tokenizers');
const configurations = require('./configurations.js');
const describe = require('./describe.js');
const { hostileLines } = require('./hostile_lines.js');

const [program, count = '2000', seed = '1', ...names] = process.argv.slice(2);

// The first member in which two answers differ, or nothing.
const difference = (expected, found) => {
  if (expected.error !== undefined) return found.error === undefined ? 'error' : undefined;
  return Object.keys(expected).find((key) => JSON.stringify(expected[key]) !== JSON.stringify(found[key]));
};

const main = async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ufb-reference-'));
  let differing = 0;
  let compared = 0;
  for (const [number, [name, json]] of Object.entries(configurations).entries()) {
    if (names.length && !names.includes(name)) continue;
    const file = path.join(folder, 'tokenizer.json');
    fs.writeFileSync(file, JSON.stringify(json));
    const lines = hostileLines(Number(seed) * 1000 + number, Number(count));
    const texts = lines.map((line, i) => (i % 10 === 9 ? [line, lines[i - 1]] : [line]));
    let found;
    try {
      found = execFileSync(program, [file], { input: texts.map((each) => `${JSON.stringify(each)}\n`).join(''), maxBuffer: 1 << 30,
        stdio: ['pipe', 'pipe', 'pipe'] }).toString().split('\n').slice(0, -1).map((line) => JSON.parse(line));
    } catch (error) {
      console.log(`${name}: ${error.stderr || error.message}`);
      ++differing;
      continue;
    }
    const tokenizer = Tokenizer.fromFile(file);
    let bad = 0;
    for (let i = 0; i < texts.length; ++i) {
      const expected = await describe(tokenizer, texts[i]);
      const key = difference(expected, found[i] ?? {});
      if (key === undefined) continue;
      if (++bad <= 2) console.log(`${name}: ${JSON.stringify(texts[i])} ${key}\n  expected ${JSON.stringify(expected[key])}\n  found    ${JSON.stringify(found[i]?.[key] ?? found[i])}`);
    }
    if (bad) console.log(`${name}: ${bad} of ${texts.length} texts differ`);
    differing += bad;
    compared += texts.length;
  }
  fs.rmSync(folder, { recursive: true });
  console.log(`${compared} texts compared, ${differing} differences`);
  process.exitCode = differing || !compared ? 1 : 0;
};

main();
