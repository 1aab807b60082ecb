// node-redis keeps what it reads (clientSideCache), and is told when others change
// it. Nothing that is kept ends by itself here: who is not told goes on with it.
//
//   node caching.mjs DIR
//
// DIR holds the connection secret: uri and ca.crt.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BasicClientSideCache, createClient, createClientPool } from '@redis/client';

const file = (name) => readFileSync(path.join(process.argv[2], name), 'utf8').trim();
const options = { url: file('uri'), RESP: 3, socket: { tls: true, ca: file('ca.crt'), minVersion: 'TLSv1.3' } };
const patience = 20_000; // ms

async function connect(more = {}) {
  const client = createClient({ ...options, ...more });
  client.on('error', () => {}); // its connection is closed by one of the tests
  await client.connect();
  return client;
}

async function until(read, want) {
  let got;
  for (const end = Date.now() + patience; Date.now() < end; await sleep(1)) {
    got = await read();
    try {
      assert.deepEqual(got, want);
      return;
    } catch {} // not yet
  }
  assert.deepEqual(got, want, 'the client goes on with what it kept');
}

const other = await connect();
const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0 });
const mine = await connect({ clientSideCache: cache });

// keeps reads twice and wants the second answer out of what is kept.
async function keeps(read, want) {
  const { hitCount, missCount } = cache.stats();
  for (let i = 0; i < 2; i++) assert.deepEqual(await read(), want);
  assert.deepEqual([cache.stats().hitCount - hitCount, cache.stats().missCount - missCount], [1, 1], 'one read of the engine, one of what is kept');
}

// What is written first, what is read, what others do, and what is read then.
const changes = {
  write: [() => other.set('k', 'a'), () => mine.get('k'), 'a', () => other.set('k', 'b'), 'b'],
  'first write': [() => {}, () => mine.get('k'), null, () => other.set('k', 'b'), 'b'],
  deletion: [() => other.set('k', 'a'), () => mine.get('k'), 'a', () => other.del('k'), null],
  field: [() => other.hSet('k', { f: 'a' }), () => mine.hGet('k', 'f'), 'a', () => other.hSet('k', { f: 'b' }), 'b'],
  element: [() => other.rPush('k', ['a', 'b']), () => mine.lRange('k', 0, -1), ['a', 'b'], () => other.lMove('k', 'j', 'LEFT', 'LEFT'), ['b']],
  member: [() => other.sAdd('k', 'a'), () => mine.sIsMember('k', 'b'), 0, () => other.sAdd('k', 'b'), 1],
  score: [() => other.zAdd('k', { score: 1, value: 'a' }), () => mine.zScore('k', 'a'), 1, () => other.zIncrBy('k', 1.5, 'a'), 2.5],
  several: [() => other.mSet({ k: 'a', j: 'b' }), () => mine.mGet(['k', 'j', 'i']), ['a', 'b', null], () => other.set('i', 'c'), ['a', 'b', 'c']],
  transaction: [() => other.set('k', '1'), () => mine.get('k'), '1', () => other.multi().incr('k').incr('k').exec(), '3'],
  script: [() => other.mSet({ k: 'a', j: 'b' }), () => mine.get('k'), 'a', () => other.eval("return redis.call('RENAME', KEYS[2], KEYS[1])", { keys: ['k', 'j'] }), 'b'],
  expiry: [() => other.set('k', 'a', { PX: 2000 }), () => mine.get('k'), 'a', () => {}, null],
  flush: [() => other.set('k', 'a'), () => mine.get('k'), 'a', () => other.flushAll(), null],
  'own write': [() => other.set('k', 'a'), () => mine.get('k'), 'a', () => mine.set('k', 'b'), 'b'],
  'lost connection': [() => other.set('k', 'a'), () => mine.get('k'), 'a', async () => {
    await other.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
    await other.set('k', 'b');
  }, 'b'],
};

for (const [name, [before, read, was, change, is]] of Object.entries(changes)) {
  await other.flushAll();
  await mine.ping(); // what is told of that comes before the answer to this
  assert.equal(cache.size(), 0);
  await before();
  await keeps(read, was);
  await change();
  await until(async () => read().catch((err) => err.message), is); // a read may meet the connection's end
  console.log(name, 'ok');
}

// A pool keeps for all of its connections, of which each is told of what it read.
const pool = createClientPool({ ...options }, { minimum: 4, maximum: 4, clientSideCache: { ttl: 0, maxEntries: 0 } });
await pool.connect();
const keys = Array.from({ length: 200 }, (_, i) => `key:${i}`);
const all = () => Promise.all(keys.map((key) => pool.get(key)));
for (const value of ['a', 'b', 'c']) {
  await other.mSet(Object.fromEntries(keys.map((key) => [key, value])));
  await until(all, keys.map(() => value));
}
const before = pool.clientSideCache.stats().hitCount;
await all();
assert.equal(pool.clientSideCache.stats().hitCount - before, keys.length);
console.log('pool ok');

await pool.close();
for (const client of [mine, other]) await client.close();
