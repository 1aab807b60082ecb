// A worker and a producer whose connections are cut again and again, until the
// input ends: every job that was pushed is done once.
//
//   node outages.mjs DIR ADDRESS DIRECT
//
// ADDRESS leads to the queue by a way that is cut, DIRECT by one that is not.
import { FlashQ, DisconnectedError, Worker } from 'flashq';

const [secretDir, ...addresses] = process.argv.slice(2);
const [flashq, direct] = addresses.map((address) => {
  const at = address.lastIndexOf(':');
  return new FlashQ({ secretDir, host: address.slice(0, at), port: Number(address.slice(at + 1)), tls: { servername: 'localhost' } });
});
let wrong = 0;
const complain = (text) => {
  wrong++;
  console.error(text);
};

const done = new Map();
const worker = new Worker(
  flashq,
  'q',
  async (job) => {
    await new Promise((resolve) => setTimeout(resolve, 2));
    done.set(job.data, (done.get(job.data) ?? 0) + 1);
  },
  { concurrency: 8, lease: 10000 }, // longer than an outage; after it jobs come again whose pull was not answered
);
worker.on('failed', (job, err) => complain(`job ${job.data}: ${err.stack}`));

let running = true;
let disconnected = 0;
process.stdin.resume();
process.stdin.on('end', () => (running = false));
let pushed = 0;
for (; running; pushed++) {
  for (;;) {
    try {
      await flashq.push('q', pushed, { job_id: `${pushed}` });
      break;
    } catch (err) {
      if (!(err instanceof DisconnectedError)) throw err;
      disconnected++;
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 2));
}
for (let waited = 0; done.size < pushed && waited < 600; waited++) await new Promise((resolve) => setTimeout(resolve, 100));
if (done.size !== pushed) complain(`${done.size} of ${pushed} jobs were done`);
for (const [n, times] of done) if (times !== 1) complain(`job ${n} was done ${times} times`);
await worker.close();
const counts = await direct.getJobCounts('q');
if (counts.waiting + counts.active + counts.delayed + counts.failed > 0) complain(JSON.stringify(counts));
await flashq.close();
await direct.close();
console.log(JSON.stringify({ pushed, disconnected, wrong }));
