// The loads of `make bench-queue` with BullMQ.
//
//   node bullmq.mjs PACKAGES PORT push|batch|fill|process JOBS BYTES WORKERS
//
// PACKAGES is a folder with node_modules. Prints how many seconds it took.
import { createRequire } from 'node:module';
import path from 'node:path';

const [packages, port, what, ...numbers] = process.argv.slice(2);
const [jobs, bytes, workers] = numbers.map(Number);
const { Queue, Worker } = createRequire(path.resolve(packages, 'package.json'))('bullmq');

const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
const data = 'x'.repeat(Math.max(bytes - 2, 0));
const options = { removeOnComplete: true, attempts: 3 };
const queue = new Queue('bench', { connection });
await queue.waitUntilReady();

// push has so many calls on their way at a time.
async function push() {
  let next = 0;
  const one = async () => {
    while (next++ < jobs) await queue.add('job', data, options);
  };
  await Promise.all(Array.from({ length: workers }, one));
}

async function pushBatches() {
  let next = 0;
  const one = async () => {
    for (; next < jobs; ) {
      next += 1000;
      await queue.addBulk(Array.from({ length: 1000 }, () => ({ name: 'job', data, opts: options })));
    }
  };
  await Promise.all(Array.from({ length: workers }, one));
}

function work() {
  return new Promise((resolve, reject) => {
    let done = 0;
    const worker = new Worker('bench', async () => 'done', { connection, concurrency: workers });
    worker.on('completed', () => ++done === jobs && worker.close().then(resolve));
    worker.on('failed', (job, err) => reject(err));
    worker.on('error', reject);
  });
}

const begin = performance.now();
await { push, batch: pushBatches, fill: pushBatches, process: work }[what]();
console.log((performance.now() - begin) / 1000);
await queue.close();
