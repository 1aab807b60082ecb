// Three tokens with the rules of an application's security page: each may do what
// its rule says, and nothing else.
//
//   node permissions.mjs DIR ADDRESS
//
// DIR has ca.crt and a file for each token: worker, producer, admin.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { FlashQ, JobQueueError } from 'flashq';

const [dir, address] = process.argv.slice(2);
const at = address.lastIndexOf(':');
const read = (name) => readFileSync(path.join(dir, name), 'utf8').trim();
const as = (name) =>
  new FlashQ({ host: address.slice(0, at), port: Number(address.slice(at + 1)), token: read(name), tls: { ca: read('ca.crt') } });

const [worker, producer, admin] = ['worker', 'producer', 'admin'].map(as);
let refusals = 0;
const refused = async (promise, code = 'DENIED') => {
  await assert.rejects(promise, (err) => err instanceof JobQueueError && err.code === code);
  refusals++;
};

const { id } = await producer.push('jobs:mail', { to: 'a@example.com' });
assert.equal((await producer.getJob(id)).state, 'waiting');
await refused(producer.push('tasks:mail', {}));
await refused(producer.push('other', {}));
await refused(producer.pull('jobs:mail', { timeout: 0 }));
await refused(producer.pause('jobs:mail'));

await refused(worker.push('jobs:mail', {}));
await refused(worker.pull('other', { timeout: 0 }));
await refused(worker.obliterate('jobs:mail'));
const job = await worker.pull('jobs:mail', { timeout: 0 });
assert.equal(job.id, id);
await refused(producer.ack(job));
await worker.progress(job, 50, 'half');
await worker.ack(job, 'sent');

const later = await producer.push('jobs:mail', {}, { delay: 60_000 });
await refused(worker.cancel(later.id), 'NOTFOUND'); // who may not read learns nothing
await producer.cancel(later.id);

const other = await admin.push('other', {});
await admin.pause('other');
await admin.resume('other');
assert.equal(await worker.getJob(other.id), null);
assert.equal(await admin.obliterate('other'), 1);

const stranger = new FlashQ({ host: address.slice(0, at), port: Number(address.slice(at + 1)), token: 'x'.repeat(43), tls: { ca: read('ca.crt') } });
await assert.rejects(stranger.connect(), /Invalid token/);

for (const client of [worker, producer, admin]) await client.close();
console.log(`${refusals} refusals ok`);
