// SPDX-License-Identifier: MIT
//
// The dense encoder of the benchmark in ONNX Runtime, driven line by line; peers.hpp describes the lines.
// usage: node onnxruntime_worker.cjs FOLDER THREADS, with NODE_PATH where onnxruntime-node is installed.
'use strict';
const fs = require('fs');
const path = require('path');
const readline = require('readline');

const folder = process.argv[2];
const threads = Number(process.argv[3]);
const answer = (text) => fs.writeSync(1, `@${text}\n`);

async function main() {
  const onnx = require('onnxruntime-node');
  const { version } = JSON.parse(fs.readFileSync(require.resolve('onnxruntime-node/package.json'), 'utf8'));
  const session = await onnx.InferenceSession.create(path.join(folder, 'dense.onnx'), {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  answer(`version ONNX Runtime ${version}`);
  answer('ready');

  let variants = [];
  const run = async (variant) => (await session.run({ ids: variants[variant] })).states;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const words = line.split(' ');
    try {
      if (words[0] === 'shape') {
        const [batch, length] = [Number(words[1]), Number(words[2])];
        const bytes = fs.readFileSync(path.join(folder, 'ids.bin'));
        const ids = new BigInt64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
        variants = [];
        for (let first = 0; first < ids.length; first += batch * length) {
          variants.push(new onnx.Tensor('int64', ids.slice(first, first + batch * length), [batch, length]));
        }
      } else if (words[0] === 'run') {
        await run(Number(words[2]));
      } else if (words[0] === 'states') {
        const { data } = await run(Number(words[2]));
        fs.writeFileSync(path.join(folder, 'states.bin'), Buffer.from(data.buffer, data.byteOffset, data.byteLength));
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
