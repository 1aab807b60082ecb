// Works with bullmq.mjs until its input ends: jobs at once, later, tried again,
// by priority, with children, repeated. Counts what failed, was lost or was done
// too often.
import { ConnectionSecret } from './coffer.mjs';
import { Jobs } from './bullmq.mjs';

let failed = 0;
let commands = 0;
const wrong = (text) => {
  failed++;
  console.error(text);
};
const secret = new ConnectionSecret(process.argv[2], (err) => wrong(err.stack));
const jobs = new Jobs(secret, 'load');
const queue = jobs.queue({ defaultJobOptions: { removeOnComplete: 1000 } });
const flows = jobs.flows();
const events = jobs.events();
const open = new Map(); // runs that a job still needs
let completed = 0;
let repeated = 0;

events.on('completed', () => completed++);
const worker = jobs.worker(
  async (job) => {
    commands++;
    if (job.name === 'repeated') return void repeated++;
    const id = job.data.id;
    if (!open.has(id)) return wrong(`${job.name} ${id} ran too often`);
    const left = open.get(id) - 1;
    if (left > 0) {
      open.set(id, left);
      throw new Error('not yet');
    }
    open.delete(id);
    if (job.name === 'parent') {
      const values = Object.values(await job.getChildrenValues());
      if (values.length !== 2 || values.some((v) => v !== 'child')) wrong(`the children answered ${JSON.stringify(values)}`);
    }
    return job.name;
  },
  { concurrency: 8, drainDelay: 1, limiter: { max: 500, duration: 1000 } },
);
worker.on('failed', (job, err) => err.message === 'not yet' || wrong(`${job?.name}: ${err.stack}`));
worker.on('stalled', (id) => wrong(`${id} stalled`));

let running = true;
process.stdin.resume();
process.stdin.on('end', () => (running = false));

function expect(id, runs = 1) {
  open.set(id, runs);
  return { id };
}

async function enqueue(turn) {
  commands++;
  switch (turn % 8) {
    case 1:
      return queue.add('delayed', expect(`${turn}`), { delay: 500 });
    case 2:
      return queue.add('retried', expect(`${turn}`, 3), { attempts: 3, backoff: { type: 'fixed', delay: 100 } });
    case 3:
      return queue.add('urgent', expect(`${turn}`), { priority: 1 + (turn % 5) });
    case 4:
      return queue.addBulk([0, 1, 2].map((n) => ({ name: 'bulk', data: expect(`${turn}-${n}`) })));
    case 5: {
      const child = (n) => ({ name: 'child', queueName: 'load', data: expect(`${turn}-${n}`) });
      return flows.add({ name: 'parent', queueName: 'load', data: expect(`${turn}`), children: [child(0), child(1)] });
    }
    default:
      return queue.add('plain', expect(`${turn}`));
  }
}

await worker.waitUntilReady();
await events.waitUntilReady();
await queue.upsertJobScheduler('every', { every: 500 }, { name: 'repeated' });
for (let turn = 0; running; turn++) {
  await enqueue(turn).catch((err) => wrong(`enqueuing ${turn}: ${err.stack}`));
  await new Promise((done) => setTimeout(done, 15));
}
await queue.removeJobScheduler('every');
for (let waited = 0; open.size > 0; waited++) {
  if (waited === 600) {
    wrong(`${open.size} jobs were not done: ${[...open.keys()].slice(0, 5)}`);
    break;
  }
  await new Promise((done) => setTimeout(done, 100));
}
const counts = await queue.getJobCounts('failed', 'waiting', 'active', 'delayed');
if (counts.failed > 0) wrong(`${counts.failed} jobs failed`);
if (repeated < 5) wrong(`a job that repeats ran ${repeated} times`);
if (completed < 100) wrong(`${completed} jobs were announced as completed`);
await jobs.close();
secret.close();
console.log(JSON.stringify({ commands, failed }));
