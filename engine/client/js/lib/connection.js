// One connection, JSON lines both ways. Requests are answered as they finish,
// matched by their reqId.
import { EventEmitter } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { DisconnectedError, JobQueueError } from './errors.js';

const connectTimeout = 10_000; // milliseconds; with the login
const newline = 0x0a;
export const maxRequest = 16 << 20; // bytes; a longer one would end the connection
const maxAnswer = 64 << 20;

// Connects and logs in.
export async function connect(secret) {
  const options = { ...secret.tls, host: secret.host, port: secret.port };
  if (net.isIP(options.servername)) delete options.servername; // IP addresses are verified, but not sent
  const connection = new Connection(tls.connect(options));
  const late = setTimeout(() => connection.end(new Error(`no connection within ${connectTimeout} ms`)), connectTimeout);
  try {
    await connection.login(secret.token);
    return connection;
  } catch (err) {
    connection.end(err);
    throw err instanceof DisconnectedError ? err.cause : err;
  } finally {
    clearTimeout(late);
  }
}

// Emits 'end' once, with why, and 'unclaimed' with an answer that nobody waits
// for any more.
export class Connection extends EventEmitter {
  #socket;
  #calls = new Map(); // by reqId
  #lastId = 0;
  #out = []; // lines that go with this turn
  #line = []; // chunks of a line that has not arrived whole
  #length = 0;
  token;
  ended = false;

  constructor(socket) {
    super();
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (err) => this.end(err));
    socket.on('close', () => this.end(new Error('the server closed the connection')));
  }

  async login(token) {
    await this.request('AUTH', { token });
    this.token = token;
  }

  request(cmd, fields, { signal } = {}) {
    if (this.ended) throw new Error('request on a connection that has ended');
    const reqId = String(++this.#lastId);
    const line = JSON.stringify({ cmd, ...fields, reqId }) + '\n';
    if (Buffer.byteLength(line) > maxRequest) {
      return Promise.reject(new RangeError(`${cmd}: a request of more than ${maxRequest} bytes`));
    }
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#calls.delete(reqId);
        reject(signal.reason);
      };
      const settled = () => signal?.removeEventListener('abort', giveUp);
      signal?.addEventListener('abort', giveUp);
      this.#calls.set(reqId, { resolve, reject, settled });
      this.#send(line);
    });
  }

  // What is sent in one turn of the event loop goes in one write.
  #send(line) {
    if (this.#out.length === 0) {
      setImmediate(() => {
        const text = this.#out.join('');
        this.#out = [];
        if (!this.ended) this.#socket.write(text);
      });
    }
    this.#out.push(line);
  }

  #receive(chunk) {
    for (let from = 0; ; ) {
      const to = chunk.indexOf(newline, from);
      const part = chunk.subarray(from, to < 0 ? chunk.length : to);
      this.#line.push(part);
      this.#length += part.length;
      if (this.#length > maxAnswer) return this.end(new Error(`an answer of more than ${maxAnswer} bytes`));
      if (to < 0) return;
      const line = this.#line.length === 1 ? part : Buffer.concat(this.#line);
      this.#line = [];
      this.#length = 0;
      this.#answer(line.toString('utf8'));
      if (this.ended) return;
      from = to + 1;
    }
  }

  #answer(line) {
    let answer;
    try {
      answer = JSON.parse(line);
    } catch (err) {
      return this.end(new Error(`an answer that is not JSON: ${err.message}`));
    }
    if (answer.reqId === undefined) return this.end(new JobQueueError(answer.error, answer.code));
    const call = this.#calls.get(answer.reqId);
    if (!call) return this.emit('unclaimed', answer);
    this.#calls.delete(answer.reqId);
    call.settled();
    if (answer.ok) call.resolve(answer);
    else call.reject(new JobQueueError(answer.error, answer.code));
  }

  end(why) {
    if (this.ended) return;
    this.ended = true;
    this.#socket.destroy();
    for (const call of this.#calls.values()) {
      call.settled();
      call.reject(new DisconnectedError(`the connection ended before the answer came: ${why.message}`, { cause: why }));
    }
    this.#calls.clear();
    this.emit('end', why);
  }
}
