// SPDX-License-Identifier: MIT
//
// The encoder that FOLDER/model.onnx has in ONNX Runtime, driven line by line; peers.hpp describes the lines.
// usage: node onnxruntime_worker.cjs FOLDER THREADS, with NODE_PATH where onnxruntime-node is installed.
'use strict';
const fs = require('fs');
const path = require('path');
const readline = require('readline');

const folder = process.argv[2];
const threads = Number(process.argv[3]);
const answer = (text) => fs.writeSync(1, `@${text}\n`);

// The inputs of each variant: ids and mask of its calls, whose sizes are given as [batch, length].
function readCalls(sizes, onnx) {
  const [ids, mask] = ['ids.bin', 'mask.bin'].map((name) => {
    const bytes = fs.readFileSync(path.join(folder, name));
    return new BigInt64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  });
  const variants = [];
  for (let first = 0; first < ids.length; ) {
    const calls = [];
    for (const size of sizes) {
      const last = first + size[0] * size[1];
      const tensor = (values) => new onnx.Tensor('int64', values.slice(first, last), size);
      calls.push({ ids: tensor(ids), mask: tensor(mask) });
      first = last;
    }
    variants.push(calls);
  }
  return variants;
}

async function main() {
  const onnx = require('onnxruntime-node');
  const { version } = JSON.parse(fs.readFileSync(require.resolve('onnxruntime-node/package.json'), 'utf8'));
  const session = await onnx.InferenceSession.create(path.join(folder, 'model.onnx'), {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  answer(`version ONNX Runtime ${version}`);
  answer('ready');

  const masked = session.inputNames.includes('mask');
  const plans = new Map();
  const run = async (plan, variant) => {
    const states = [];
    for (const { ids, mask } of plans.get(plan)[variant]) {
      states.push((await session.run(masked ? { ids, mask } : { ids })).states);
    }
    return states;
  };
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const words = line.split(' ');
    try {
      if (words[0] === 'shape') {
        plans.set(words[1], readCalls(words.slice(2).map((size) => size.split('x').map(Number)), onnx));
      } else if (words[0] === 'run') {
        await run(words[2], Number(words[3]));
      } else if (words[0] === 'states') {
        const parts = (await run(words[2], Number(words[3]))).map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
        fs.writeFileSync(path.join(folder, 'states.bin'), Buffer.concat(parts));
      } else if (words[0] !== 'ping') {
        throw new Error(`no request is called '${words[0]}'`);
      }
      answer('ok');
    } catch (problem) {
      answer(`error ${String(problem.message).replace(/\s+/g, ' ')}`);
    }
  }
}

main().catch((problem) => {
  answer(`error ${String(problem.message).replace(/\s+/g, ' ')}`);
  process.exitCode = 1;
});
