// Works with coffer.mjs until its input ends; retries are off. Counts what
// failed.
import { ConnectionSecret, CofferRedis } from './coffer.mjs';

const secret = new ConnectionSecret(process.argv[2]);
const noRetries = { retryStrategy: () => null, maxRetriesPerRequest: 0, enableOfflineQueue: true };
let running = true;
let commands = 0;
let failed = 0;

process.stdin.resume();
process.stdin.on('end', () => (running = false));

async function did(command) {
  commands++;
  try {
    return await command;
  } catch (err) {
    failed++;
    console.error(err.message);
    await new Promise((done) => setTimeout(done, 100));
  }
}

async function work(client, worker) {
  for (let turn = 0; running; turn++) {
    await did(client.set(`load:${worker}`, turn));
    const got = await did(client.get(`load:${worker}`));
    if (got !== String(turn)) failed++;
  }
}

// New connections all the time: they are the ones that verify certificates.
async function connectAnew() {
  while (running) {
    const client = new CofferRedis(secret, noRetries);
    client.on('error', () => {});
    await did(client.ping());
    client.disconnect();
    await new Promise((done) => setTimeout(done, 20));
  }
}

const shared = new CofferRedis(secret, noRetries);
const own = Array.from({ length: 4 }, () => shared.duplicate());
for (const client of [shared, ...own]) client.on('error', (err) => console.error(err.message));
await Promise.all([...[shared, shared, ...own].map(work), connectAnew()]);
for (const client of [shared, ...own]) client.disconnect();
secret.close();
console.log(JSON.stringify({ commands, failed }));
