// Runs the examples of an application's security page with ioredis, in the two
// connection forms that page shows, and checks every answer.
//
//   NODE_EXTRA_CA_CERTS=DIR/ca.crt node examples.mjs DIR
//
// DIR holds the connection secret: uri, and ca.crt for the environment variable.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import Redis from 'ioredis';

const uri = readFileSync(path.join(process.argv[2], 'uri'), 'utf8').trim();
const parsed = new URL(uri);

const forms = {
  'new Redis(uri)': () => new Redis(uri),
  'new Redis({host, port, password, tls: {}})': () =>
    new Redis({
      host: parsed.hostname,
      port: Number(parsed.port),
      password: decodeURIComponent(parsed.password),
      tls: {},
    }),
};

const near = (ttl, want) => assert.ok(ttl > want - 60 && ttl <= want, `ttl ${ttl}, want about ${want}`);

async function sessionStore(redis) {
  const ttl = 24 * 60 * 60;
  const userId = crypto.randomUUID();
  const create = async (data) => {
    const id = crypto.randomBytes(32).toString('hex');
    assert.equal(await redis.setex(`session:${id}`, ttl, JSON.stringify({ userId, ...data, createdAt: Date.now() })), 'OK');
    assert.equal(await redis.sadd(`user:${userId}:sessions`, id), 1);
    return id;
  };
  const get = async (id) => {
    if (!/^[a-f0-9]{64}$/.test(id)) return null;
    const data = await redis.get(`session:${id}`);
    if (!data) return null;
    assert.equal(await redis.expire(`session:${id}`, ttl), 1);
    return JSON.parse(data);
  };

  const ids = [await create({ role: 'admin' }), await create({ role: 'größer 🔑' }), await create({})];
  assert.equal(await redis.expire(`session:${ids[1]}`, 100), 1);
  assert.equal((await get(ids[1])).role, 'größer 🔑');
  near(await redis.ttl(`session:${ids[1]}`), ttl);
  assert.equal(await get('user:*'), null);
  assert.equal(await get('0'.repeat(64)), null);

  assert.equal(await redis.del(`session:${ids[0]}`), 1);
  assert.equal(await get(ids[0]), null);

  const sessions = await redis.smembers(`user:${userId}:sessions`);
  assert.deepEqual([...sessions].sort(), [...ids].sort());
  assert.equal(await redis.del(...sessions.map((s) => `session:${s}`)), 2);
  assert.equal(await redis.del(`user:${userId}:sessions`), 1);
  for (const id of ids) assert.equal(await get(id), null);
}

async function refreshTokens(redis) {
  const ttl = 30 * 24 * 60 * 60;
  const userId = crypto.randomUUID();
  const tokens = Array.from({ length: 3 }, () => crypto.randomBytes(32).toString('hex'));
  for (const token of tokens) {
    const replies = await redis
      .pipeline()
      .setex(`refresh:${token}`, ttl, userId)
      .sadd(`user:${userId}:tokens`, token)
      .expire(`user:${userId}:tokens`, ttl)
      .exec();
    assert.deepEqual(replies, [[null, 'OK'], [null, 1], [null, 1]]);
  }
  assert.equal(await redis.get(`refresh:${tokens[0]}`), userId);
  assert.equal(await redis.get('refresh:unknown'), null);

  const revoked = await redis.pipeline().del(`refresh:${tokens[0]}`).srem(`user:${userId}:tokens`, tokens[0]).exec();
  assert.deepEqual(revoked, [[null, 1], [null, 1]]);
  assert.equal(await redis.get(`refresh:${tokens[0]}`), null);

  const left = await redis.smembers(`user:${userId}:tokens`);
  assert.deepEqual([...left].sort(), tokens.slice(1).sort());
  const pipeline = redis.pipeline();
  left.forEach((t) => pipeline.del(`refresh:${t}`));
  pipeline.del(`user:${userId}:tokens`);
  assert.deepEqual(await pipeline.exec(), [[null, 1], [null, 1], [null, 1]]);
  assert.equal(await redis.exists(...tokens.map((t) => `refresh:${t}`), `user:${userId}:tokens`), 0);
}

async function loginLimiter(redis) {
  const ip = crypto.randomUUID();
  const userId = crypto.randomUUID();
  const check = async () => {
    const key = `ratelimit:login:${ip}`;
    const limit = 5;
    const window = 15 * 60;
    const current = await redis.incr(key);
    if (current === 1) assert.equal(await redis.expire(key, window), 1);
    near(await redis.ttl(key), window);
    return { allowed: current <= limit, remaining: Math.max(0, limit - current) };
  };
  for (let i = 1; i <= 7; i++) {
    assert.deepEqual(await check(), { allowed: i <= 5, remaining: Math.max(0, 5 - i) });
  }

  const recordFailure = async () => {
    const key = `failed:login:${userId}`;
    const window = 60 * 60;
    const failures = await redis.incr(key);
    if (failures === 1) await redis.expire(key, window);
    if (failures >= 10) {
      await redis.setex(`locked:${userId}`, window, '1');
      return true;
    }
    return false;
  };
  for (let i = 1; i <= 10; i++) {
    assert.equal(await recordFailure(), i === 10);
    assert.equal((await redis.exists(`locked:${userId}`)) === 1, i === 10);
  }
  assert.equal(await redis.del(`failed:login:${userId}`), 1);
  assert.equal(await redis.exists(`failed:login:${userId}`), 0);
}

async function retention(redis) {
  const maxAge = 365 * 24 * 60 * 60;
  const prefix = `user:${crypto.randomUUID()}:`;
  const total = 250;
  const fill = redis.pipeline();
  for (let i = 0; i < total; i++) i % 5 ? fill.set(prefix + i, i) : fill.setex(prefix + i, 600, i);
  for (const [err, reply] of await fill.exec()) {
    assert.equal(err, null);
    assert.equal(reply, 'OK');
  }
  const seen = new Set();
  let changed = 0;
  let cursor = '0';
  do {
    const [nextCursor, keys] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 100);
    cursor = nextCursor;
    for (const key of keys) {
      seen.add(key);
      const ttl = await redis.ttl(key);
      if (ttl === -1) {
        assert.equal(await redis.expire(key, maxAge), 1);
        changed++;
      }
    }
  } while (cursor !== '0');
  assert.equal(seen.size, total);
  assert.equal(changed, total - total / 5);
  near(await redis.ttl(`${prefix}0`), 600);
  near(await redis.ttl(`${prefix}1`), maxAge);
  assert.equal(await redis.del(...seen), total);
}

async function auditLog(redis) {
  const stream = `audit:log:${crypto.randomUUID()}`;
  const log = (event) =>
    redis.xadd(stream, 'MAXLEN', '~', 100000, '*', 'data', JSON.stringify({ ...event, timestamp: new Date().toISOString() }));
  const recent = async (count) => {
    const entries = await redis.xrevrange(stream, '+', '-', 'COUNT', count);
    return entries.map(([id, fields]) => ({ id, ...JSON.parse(fields[1]) }));
  };
  assert.deepEqual(await recent(10), []);
  const ids = [];
  for (let i = 0; i < 30; i++) ids.push(await log({ action: 'user.login', userId: `u${i}`, resource: 'auth', ip: '::1' }));
  const entries = await recent(10);
  assert.deepEqual(entries.map((e) => e.id), ids.slice(-10).reverse());
  assert.deepEqual(entries.map((e) => e.userId), Array.from({ length: 10 }, (_, i) => `u${29 - i}`));
  assert.equal(await redis.del(stream), 1);
}

// A wrong password is refused with the words clients look for, and does no harm.
async function refusals(redis) {
  const stranger = new Redis({
    host: parsed.hostname,
    port: Number(parsed.port),
    password: 'x'.repeat(43),
    tls: {},
    retryStrategy: null,
    maxRetriesPerRequest: 0,
  });
  stranger.on('error', () => {});
  await assert.rejects(stranger.get('session:1'), /WRONGPASS|NOAUTH|closed/);
  stranger.disconnect();
  await assert.rejects(redis.call('NOSUCHCOMMAND', 'x'), /ERR unknown command/);
  await assert.rejects(redis.call('GET'), /ERR wrong number of arguments for 'get' command/);
  assert.equal(await redis.ping(), 'PONG');
}

const examples = { 'session store': sessionStore, 'refresh tokens': refreshTokens, 'login limiter': loginLimiter, retention, audit: auditLog, refusals };

for (const [form, connect] of Object.entries(forms)) {
  const redis = connect();
  // By itself ioredis would try to connect for ever.
  redis.on('error', (err) => {
    console.error(`${form}: ${err.message}`);
    process.exit(1);
  });
  for (const [name, example] of Object.entries(examples)) {
    await example(redis);
    console.log(`${form}: ${name} ok`);
  }
  await redis.quit();
}
