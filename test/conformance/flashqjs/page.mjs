// Runs the code of an application's security page, with its connection options
// alone changed, in the two forms in which an application connects, and checks
// what comes of it.
//
//   node page.mjs DIR [ADDRESS]
//
// DIR has the connection secret, ADDRESS is the queue's where it is not that of
// the secret.
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { FlashQ, Worker } from 'flashq';
import { RateLimiter } from 'limiter';
import { z } from 'zod';

const [dir, address] = process.argv.slice(2);
const mounted = (name) => readFileSync(path.join(dir, name), 'utf8').trim();
const [, host, port] = address?.match(/(.*):(\d+)$/) ?? [];

const forms = {
  'new FlashQ({host, port, token, tls})': () =>
    new FlashQ({
      host: host ?? mounted('host'),
      port: Number(port ?? mounted('port')),
      token: mounted('token'),
      tls: { ca: mounted('ca.crt') },
    }),
  'new FlashQ({secretDir})': () => new FlashQ(address ? { secretDir: dir, host, port: Number(port) } : { secretDir: dir }),
};

// done resolves with the first count jobs that a worker has completed.
function done(worker, count = 1) {
  return new Promise((resolve, reject) => {
    const all = [];
    worker.on('completed', (job, result) => all.push({ job, result }) === count && resolve(all));
    worker.on('failed', (job, err) => reject(err));
    worker.on('error', reject);
  });
}

async function encryptedJobs(flashq) {
  const ALGORITHM = 'aes-256-gcm';
  const KEY = randomBytes(32);

  function encryptJobData(data) {
    const iv = randomBytes(16);
    const cipher = createCipheriv(ALGORITHM, KEY, iv);
    const plaintext = JSON.stringify(data);
    let encrypted = cipher.update(plaintext, 'utf8', 'base64');
    encrypted += cipher.final('base64');
    return { iv: iv.toString('base64'), tag: cipher.getAuthTag().toString('base64'), data: encrypted };
  }

  function decryptJobData(encrypted) {
    const decipher = createDecipheriv(ALGORITHM, KEY, Buffer.from(encrypted.iv, 'base64'));
    decipher.setAuthTag(Buffer.from(encrypted.tag, 'base64'));
    let decrypted = decipher.update(encrypted.data, 'base64', 'utf8');
    decrypted += decipher.final('utf8');
    return JSON.parse(decrypted);
  }

  async function pushEncryptedJob(queue, data) {
    const encrypted = encryptJobData(data);
    return flashq.push(queue, { encrypted });
  }

  const secret = { card: '4242', note: 'größer 🔑' };
  const { id } = await pushEncryptedJob('secure-jobs', secret);
  const worker = new Worker(flashq, 'secure-jobs', async (job) => {
    const data = decryptJobData(job.data.encrypted);
    return { seen: data };
  });
  const [{ job, result }] = await done(worker);
  await worker.close();
  assert.equal(job.id, id);
  assert.deepEqual(result.seen, secret);
  assert.deepEqual(await flashq.getResult(id), { seen: secret });

  const SENSITIVE_FIELDS = ['ssn', 'creditCard', 'password', 'apiKey'];
  function encryptSensitiveFields(data) {
    const result = { ...data };
    for (const field of SENSITIVE_FIELDS) {
      if (field in result) {
        result[`_encrypted_${field}`] = encryptJobData(result[field]);
        delete result[field];
      }
    }
    return result;
  }
  function decryptSensitiveFields(data) {
    const result = { ...data };
    for (const key of Object.keys(result)) {
      if (key.startsWith('_encrypted_')) {
        result[key.replace('_encrypted_', '')] = decryptJobData(result[key]);
        delete result[key];
      }
    }
    return result;
  }
  const person = { name: 'Ada', ssn: '078-05-1120', apiKey: 'k' };
  const pushed = await flashq.push('people', encryptSensitiveFields(person));
  const stored = await flashq.getJob(pushed.id);
  assert.equal(JSON.stringify(stored.data).includes(person.ssn), false);
  assert.deepEqual(decryptSensitiveFields(stored.data), person);
}

async function validation(flashq) {
  const EmailJobSchema = z.object({
    to: z.string().email().max(254),
    subject: z.string().max(998),
    body: z.string().max(1048576),
    attachments: z
      .array(
        z.object({
          filename: z.string().max(255).regex(/^[a-zA-Z0-9._-]+$/),
          contentType: z.string().max(100),
          size: z.number().max(10485760),
        }),
      )
      .max(10)
      .optional(),
  });
  const PaymentJobSchema = z.object({
    orderId: z.string().uuid(),
    amount: z.number().positive().max(999999.99),
    currency: z.enum(['USD', 'EUR', 'GBP']),
    customerId: z.string().uuid(),
  });
  const ImageProcessingSchema = z.object({
    imageUrl: z.string().url().startsWith('https://'),
    operations: z.array(z.enum(['resize', 'crop', 'rotate', 'compress'])).max(10),
    outputFormat: z.enum(['jpeg', 'png', 'webp']),
  });

  async function pushValidatedJob(queue, schema, data) {
    const validated = schema.parse(data);
    return flashq.push(queue, validated);
  }

  const before = await flashq.count('emails');
  const mail = { to: 'user@example.com', subject: 'Hello', body: 'Content here' };
  const { id } = await pushValidatedJob('emails', EmailJobSchema, mail);
  assert.deepEqual((await flashq.getJob(id)).data, mail);
  await assert.rejects(pushValidatedJob('emails', EmailJobSchema, { ...mail, to: 'nobody' }), z.ZodError);
  assert.equal(await flashq.count('emails'), before + 1);
  const payment = { orderId: randomUUID(), amount: 12.5, currency: 'EUR', customerId: randomUUID() };
  await pushValidatedJob('payments', PaymentJobSchema, payment);
  await assert.rejects(pushValidatedJob('payments', PaymentJobSchema, { ...payment, amount: -1 }), z.ZodError);
  const image = { imageUrl: 'https://example.com/a.png', operations: ['resize', 'crop'], outputFormat: 'webp' };
  await pushValidatedJob('images', ImageProcessingSchema, image);
  await assert.rejects(pushValidatedJob('images', ImageProcessingSchema, { ...image, imageUrl: 'http://example.com' }), z.ZodError);

  function sanitizeString(str) {
    return str.replace(/[<>'"&]/g, '').trim().slice(0, 10000);
  }
  const clean = await flashq.push('comments', { text: sanitizeString('  <b>"x" & y</b> ') });
  assert.equal((await flashq.getJob(clean.id)).data.text, 'bx  y/b');
  for (const queue of ['emails', 'payments', 'images', 'comments']) await flashq.obliterate(queue);
}

async function rateLimits(flashq) {
  await flashq.setRateLimit('api-calls', {
    max: 100, // 100 jobs
    duration: 60000, // per minute
  });
  const limits = {
    emails: { max: 1000, duration: 3600000 }, // 1000/hour
    payments: { max: 100, duration: 60000 }, // 100/minute
    notifications: { max: 10000, duration: 60000 }, // 10000/minute
  };
  for (const [queue, limit] of Object.entries(limits)) {
    await flashq.setRateLimit(queue, limit);
  }

  await flashq.pushBatch('api-calls', Array.from({ length: 150 }, (_, n) => ({ data: { n } })));
  const first = await flashq.pullBatch('api-calls', 1000, { timeout: 0 });
  assert.equal(first.length, 100);
  assert.deepEqual(await flashq.pullBatch('api-calls', 1000, { timeout: 0 }), []);
  assert.equal(await flashq.pull('api-calls', { timeout: 100 }), null);
  await flashq.clearRateLimit('api-calls');
  assert.equal((await flashq.pullBatch('api-calls', 1000, { timeout: 0 })).length, 50);
  for (const queue of ['api-calls', ...Object.keys(limits)]) {
    await flashq.clearRateLimit(queue);
    await flashq.obliterate(queue);
  }

  class RateLimitedClient {
    limiters = new Map();
    constructor(client) {
      this.client = client;
    }
    getLimiter(queue) {
      if (!this.limiters.has(queue)) {
        this.limiters.set(queue, new RateLimiter({ tokensPerInterval: 100, interval: 'minute' }));
      }
      return this.limiters.get(queue);
    }
    async push(queue, data, options) {
      if (!this.getLimiter(queue).tryRemoveTokens(1)) {
        throw new Error(`Rate limit exceeded for queue: ${queue}`);
      }
      return this.client.push(queue, data, options);
    }
  }
  const limited = new RateLimitedClient(flashq);
  for (let n = 0; n < 100; n++) await limited.push('limited', { n });
  await assert.rejects(limited.push('limited', {}), /Rate limit exceeded for queue: limited/);
  assert.equal(await flashq.count('limited'), 100);
  assert.equal(await flashq.drain('limited'), 100);
}

async function auditLogging(flashq) {
  const entries = [];
  class AuditLogger {
    log(entry) {
      const auditEntry = { ...entry, timestamp: new Date().toISOString() };
      entries.push(
        flashq.push('audit:logs', auditEntry, {
          ttl: 86400000 * 90, // Keep for 90 days
        }),
      );
    }
  }
  const audit = new AuditLogger();

  class AuditedFlashQ {
    constructor(client, userId, ip) {
      Object.assign(this, { client, userId, ip });
    }
    async push(queue, data, options) {
      try {
        const result = await this.client.push(queue, data, options);
        audit.log({ action: 'push', queue, jobId: result.id, userId: this.userId, ip: this.ip, success: true });
        return result;
      } catch (error) {
        audit.log({
          action: 'push',
          queue,
          userId: this.userId,
          ip: this.ip,
          success: false,
          details: { error: error.message },
        });
        throw error;
      }
    }
  }
  const audited = new AuditedFlashQ(flashq, 'u1', '192.0.2.1');
  const { id } = await audited.push('audited', { a: 1 }, { priority: 5 });
  await assert.rejects(audited.push('not a queue', {}), /queue/);
  await Promise.all(entries);
  const logged = await flashq.getJobs('audit:logs', 'waiting', 10);
  assert.equal(logged.length, 2);
  assert.equal(logged[0].data.jobId, id);
  assert.equal(logged[0].data.success, true);
  assert.match(logged[1].data.details.error, /queue/);
  await flashq.obliterate('audit:logs');
  await flashq.obliterate('audited');
}

async function retention(flashq) {
  const userId = randomUUID();
  for (const queue of ['profiles', 'exports']) {
    await flashq.pushBatch(queue, [
      { data: { userId, email: 'a@example.com', name: 'Ada', personalData: { born: 1815 }, kept: queue } },
      { data: { userId: 'another', email: 'b@example.com' } },
    ]);
    const worker = new Worker(flashq, queue, async () => 'done', { concurrency: 2 });
    await done(worker, 2);
    await worker.close();
  }

  async function cleanupUserData(userId) {
    const queues = await flashq.listQueues();
    for (const queue of queues) {
      const jobs = await flashq.getJobs(queue, 'completed', 10000);
      for (const job of jobs) {
        if (job.data?.userId === userId) {
          await flashq.update(job.id, {
            ...job.data,
            email: '[REDACTED]',
            name: '[REDACTED]',
            personalData: null,
          });
        }
      }
    }
  }
  await cleanupUserData(userId);
  for (const queue of ['profiles', 'exports']) {
    const jobs = await flashq.getJobs(queue, 'completed', 10000);
    const own = jobs.find((job) => job.data.userId === userId);
    assert.deepEqual(own.data, { userId, email: '[REDACTED]', name: '[REDACTED]', personalData: null, kept: queue });
    assert.equal(jobs.find((job) => job.data.userId === 'another').data.email, 'b@example.com');
  }

  // What the page does job by job is one command, whatever state they are in.
  assert.equal(await flashq.erase('*', 'userId', userId, ['kept']), 2);
  const [own] = (await flashq.getJobs('exports', 'completed', 10000)).filter((job) => job.data.userId === userId);
  assert.equal(own.data.kept, '[REDACTED]');
  assert.equal(await flashq.erase('*', 'userId', userId), 2);
  assert.equal((await flashq.getJobs('exports', 'completed', 10000)).length, 1);

  assert.equal(await flashq.clean('*', 86400000 * 30, 'completed'), 0); // 30 days: none is as old
  assert.ok((await flashq.clean('*', 0, 'completed')) >= 2);
  assert.deepEqual(await flashq.getJobs('profiles', 'completed', 10000), []);
}

async function payments(flashq) {
  // The payment processor, which is not the queue's.
  const stripe = { paymentIntents: { create: async ({ amount }) => ({ id: `tx-${amount}` }) } };
  const worker = new Worker(flashq, 'payments', async (job) => {
    const { paymentTokenId, amount } = job.data;
    const result = await stripe.paymentIntents.create({ payment_method: paymentTokenId, amount, currency: 'usd', confirm: true });
    return { success: true, transactionId: result.id };
  });
  const { id } = await flashq.push('payments', { paymentTokenId: 'tok', orderId: randomUUID(), amount: 100 });
  assert.deepEqual(await flashq.finished(id), { success: true, transactionId: 'tx-100' });
  await worker.close();
}

const examples = { encryptedJobs, validation, rateLimits, auditLogging, retention, payments };

for (const [form, make] of Object.entries(forms)) {
  const flashq = make();
  await flashq.connect();
  for (const [name, example] of Object.entries(examples)) {
    await example(flashq);
    console.log(`${form}: ${name} ok`);
  }
  await flashq.close();
}
