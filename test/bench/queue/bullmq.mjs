// The loads of `make bench-queue` and `make bench-kv` with BullMQ.
//
//   node bullmq.mjs PACKAGES PORT push|batch|fill|process JOBS BYTES WORKERS [HOME]
//
// PACKAGES is a folder with node_modules. With HOME, a folder with ca.crt and
// password, the server is spoken to in TLS. Prints how many seconds it took.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [packages, port, what, ...rest] = process.argv.slice(2);
const [jobs, bytes, workers] = rest.slice(0, 3).map(Number);
const home = rest[3];
const { Queue, Worker } = createRequire(path.resolve(packages, 'package.json'))('bullmq');

const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
if (home) {
  connection.password = readFileSync(path.join(home, 'password'), 'utf8').trim();
  connection.tls = { ca: readFileSync(path.join(home, 'ca.crt')) };
}
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
