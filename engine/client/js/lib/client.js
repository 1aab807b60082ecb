// The part of FlashQ that stays connected: it logs in again when its token is
// rotated, verifies by the newest authorities when it connects, and makes a new
// connection when one ends.
import { EventEmitter } from 'node:events';
import { connect } from './connection.js';
import { ClosedError } from './errors.js';
import { checkOptions, readSecret } from './secret.js';

const followInterval = 1000; // milliseconds; a kubelet takes up to 90 seconds to deliver
const pingInterval = 3_000;
const pingTimeout = 5_000;
const minBackoff = 50;
const maxBackoff = 5000;

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Emits 'connect', 'disconnect' with why, and 'error' with what no caller is
// told, if somebody listens.
export class Client extends EventEmitter {
  #options;
  #connecting; // a promise of the connection, while there is or will be one
  #connection;
  #closed = false;
  #timers = [];

  constructor(options = {}) {
    super();
    checkOptions(options);
    this.#options = { ...options };
  }

  // Makes the first connection; without it, the first command does. What fails
  // here is not tried again; later, connections are made anew for as long as the
  // client lives.
  async connect() {
    if (this.#closed) throw new ClosedError();
    if (!this.#connecting) {
      this.#connecting = this.#dial();
      this.#connecting.catch(() => (this.#connecting = undefined));
      await this.#connecting;
      this.#timers = [setInterval(() => this.#follow(), followInterval), setInterval(() => this.#ping(), pingInterval)];
      for (const timer of this.#timers) timer.unref(); // the connection keeps the process alive
    }
    await this.#connecting;
  }

  async close() {
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#connection?.end(new ClosedError());
  }

  // Sends a command and resolves to its answer. A command that has not left when
  // the connection ends goes on the next one; one whose answer is lost fails with
  // a DisconnectedError.
  async command(cmd, fields, { signal } = {}) {
    await this.connect();
    for (;;) {
      if (this.#closed) throw new ClosedError();
      signal?.throwIfAborted();
      const connection = await this.#connecting;
      if (!connection.ended) return connection.request(cmd, fields, { signal });
    }
  }

  async #dial() {
    const connection = await connect(readSecret(this.#options));
    if (this.#closed) {
      connection.end(new ClosedError());
      throw new ClosedError();
    }
    this.#connection = connection;
    connection.on('unclaimed', (answer) => this.#giveBack(connection, answer));
    connection.on('end', (why) => this.#lost(why));
    this.emit('connect');
    return connection;
  }

  #lost(why) {
    this.#connection = undefined;
    this.emit('disconnect', why);
    if (this.#closed) return;
    this.#connecting = this.#redial();
    this.#connecting.catch(() => {}); // whose command it is hears of it
  }

  async #redial() {
    for (let backoff = minBackoff; ; backoff = Math.min(2 * backoff, maxBackoff)) {
      // Clients that lost the same server do not come back all at once.
      await pause(Math.random() * backoff);
      if (this.#closed) throw new ClosedError();
      try {
        return await this.#dial();
      } catch (err) {
        if (this.#closed) throw err;
        this.report(err);
      }
    }
  }

  // Logs in again when the secret has another token. The connection, and what is
  // on its way, stays.
  async #follow() {
    const connection = this.#connection;
    if (!connection || !this.#options.secretDir) return;
    try {
      const { token } = readSecret(this.#options);
      if (token !== connection.token) await connection.login(token);
    } catch (err) {
      this.report(err); // the next turn tries again
    }
  }

  // A peer that is gone without a word is noticed here and nowhere else: TCP
  // tells nobody who only waits for an answer.
  #ping() {
    const connection = this.#connection;
    if (!connection) return;
    const late = setTimeout(() => connection.end(new Error(`no answer within ${pingTimeout} ms`)), pingTimeout);
    connection.request('PING').then(
      () => clearTimeout(late),
      () => clearTimeout(late),
    );
  }

  // Releases what was pulled for somebody who has given up waiting.
  #giveBack(connection, answer) {
    for (const job of answer.jobs ?? [answer.job]) {
      if (!job?.lease || connection.ended) continue;
      connection.request('MOVETODELAYED', { id: job.id, lease: job.lease, delay: 0 }).catch((err) => this.report(err));
    }
  }

  report(err) {
    if (this.listenerCount('error') > 0) this.emit('error', err);
  }
}
