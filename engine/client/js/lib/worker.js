import { EventEmitter } from 'node:events';
import { pause } from './client.js';
import { ClosedError, DisconnectedError, JobQueueError, LeaseLostError } from './errors.js';

const pullWait = 20_000; // milliseconds
const minLease = 1000;
const minBackoff = 50;
const maxBackoff = 5000;

// Carries out the jobs of a queue from the moment it is made. Each job is held by
// a lease that the worker renews while the handler runs, on whatever connection
// there is: a connection that ends costs no job its lease.
//
// Emits 'completed' (job, result), 'failed' (job, err) and 'error' with what went
// wrong beside handlers, if somebody listens.
export class Worker extends EventEmitter {
  #client;
  #queue;
  #handle;
  #concurrency;
  #lease;
  #held = new Set();
  #stopping = new AbortController();
  #free; // wakes the loop when a job is finished
  #heartbeat;
  #ended;

  constructor(flashq, queue, handle, { concurrency = 1, lease = 30_000 } = {}) {
    super();
    if (!Number.isInteger(concurrency) || concurrency < 1) throw new RangeError('concurrency: must be a whole number from 1');
    if (!(lease >= minLease)) throw new RangeError(`lease: must be at least ${minLease} milliseconds`);
    this.#client = flashq;
    this.#queue = queue;
    this.#handle = handle;
    this.#concurrency = concurrency;
    this.#lease = lease;
    this.#heartbeat = setInterval(() => this.#beat(), lease / 6);
    this.#ended = this.#run();
  }

  // Pulls nothing more; resolves once all that was begun is finished and the
  // server knows.
  async close() {
    this.#stopping.abort(new ClosedError());
    await this.#ended;
  }

  async #run() {
    const running = new Set();
    let backoff = minBackoff;
    while (!this.#stopping.signal.aborted) {
      if (running.size >= this.#concurrency) {
        await Promise.race(running);
        continue;
      }
      try {
        for (const job of await this.#pull(this.#concurrency - running.size, running)) {
          const done = this.#carryOut(this.#hold(job)).then(() => running.delete(done));
          running.add(done);
        }
        backoff = minBackoff;
      } catch (err) {
        if (this.#stopping.signal.aborted || err instanceof ClosedError) break;
        this.#report(err);
        await pause(Math.random() * backoff);
        backoff = Math.min(2 * backoff, maxBackoff);
      }
    }
    await Promise.all(running);
    clearInterval(this.#heartbeat);
  }

  #pull(count) {
    const options = { timeout: pullWait, lease: this.#lease, signal: this.#stopping.signal };
    return this.#client.pullBatch(this.#queue, Math.min(count, 1000), options);
  }

  // The lease began a little before the answer came: renewing it at a third of
  // its time is well within.
  #hold(job) {
    const lost = new AbortController();
    const held = { job, lost, signal: lost.signal, last: Date.now() };
    held.expire = setTimeout(() => lost.abort(new LeaseLostError()), this.#lease);
    this.#held.add(held);
    return held;
  }

  #beat() {
    const now = Date.now();
    for (const held of this.#held) {
      if (now - held.last < this.#lease / 3 || held.signal.aborted) continue;
      held.last = now; // the next beat is a third later, whatever becomes of this one
      this.#client.heartbeat(held.job).then(
        () => {
          clearTimeout(held.expire);
          if (!this.#held.has(held)) return;
          held.expire = setTimeout(() => held.lost.abort(new LeaseLostError()), this.#lease - (Date.now() - now));
        },
        (err) => {
          if (err instanceof JobQueueError && err.lostLease) held.lost.abort(new LeaseLostError());
        },
      );
    }
  }

  async #carryOut(held) {
    const { job, signal } = held;
    let result, error;
    try {
      result = await this.#handle(job, { signal });
      JSON.stringify(result); // what has no JSON fails the job
    } catch (err) {
      error = err ?? new Error('the handler failed');
    }
    const heard = await this.#settle(held, () =>
      error ? this.#client.fail(job, String(error.message ?? error)) : this.#client.ack(job, result),
    );
    clearTimeout(held.expire);
    this.#held.delete(held);
    if (error) this.emit('failed', job, error);
    else if (heard) this.emit('completed', job, result);
  }

  // Tells the server what became of a job, again and again while nobody knows
  // whether it has heard; the lease says for how long.
  async #settle(held, tell) {
    // The lease must outlast several pauses; what is told waits for a connection by itself.
    const longest = Math.min(maxBackoff, this.#lease / 12);
    for (let backoff = minBackoff; ; backoff = Math.min(2 * backoff, longest)) {
      try {
        await tell();
        return true;
      } catch (err) {
        if (backoff > minBackoff && err instanceof JobQueueError && err.lostLease) return false; // heard before, or too late: nobody knows
        if (!(err instanceof DisconnectedError) || held.signal.aborted) {
          this.#report(err);
          return false;
        }
        await pause(Math.random() * backoff);
      }
    }
  }

  #report(err) {
    if (this.listenerCount('error') > 0) this.emit('error', err);
  }
}
