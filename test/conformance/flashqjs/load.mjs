// Works with mail.mjs until its input ends. Counts what failed, was lost or was
// done twice.
import { FlashQ, Worker } from 'flashq';
import { connect, enqueue, sendAll } from './mail.mjs';

const secretDir = process.argv[2];
let failed = 0;
let commands = 0;
const wrong = (text) => {
  failed++;
  console.error(text);
};
const flashq = connect(secretDir, (err) => wrong(`client: ${err.stack}`));
await flashq.connect();

const open = new Set(); // mails that were handed in and not sent
const send = async ({ subject }) => {
  commands++;
  if (!open.delete(subject)) wrong(`mail ${subject} was sent twice`);
};
const worker = sendAll(flashq, send, (err) => wrong(`worker: ${err.stack}`));
// One that takes longer than its lease, and than a rotation.
const slow = await flashq.push('slow', {});
const patient = new Worker(
  flashq,
  'slow',
  (job, { signal }) =>
    new Promise((resolve, reject) => {
      setTimeout(resolve, 8000, 'slept');
      signal.addEventListener('abort', () => reject(signal.reason));
    }),
  { lease: 1000 },
);
patient.on('error', (err) => wrong(`slow worker: ${err.stack}`));

let running = true;
process.stdin.resume();
process.stdin.on('end', () => (running = false));

// New connections all the time: they are the ones that verify certificates.
async function connectAnew() {
  while (running) {
    const client = new FlashQ({ secretDir });
    commands++;
    await client.ping().catch((err) => wrong(`a new connection: ${err.stack}`));
    await client.close();
    await new Promise((done) => setTimeout(done, 20));
  }
}

async function produce() {
  for (let n = 0; running; n++) {
    commands++;
    open.add(`${n}`);
    await enqueue(flashq, `${n}`, { to: 'a@example.com', subject: `${n}` }).catch((err) => wrong(`enqueue ${n}: ${err.stack}`));
    await new Promise((done) => setTimeout(done, 5));
  }
}

await Promise.all([produce(), connectAnew()]);
for (let waited = 0; open.size > 0 && waited < 300; waited++) await new Promise((done) => setTimeout(done, 100));
if (open.size > 0) wrong(`${open.size} mails were lost`);
if ((await flashq.finished(slow.id)) !== 'slept') wrong('the slow job has another result');
await worker.close();
await patient.close();
await flashq.close();
console.log(JSON.stringify({ commands, failed }));
