// A queue of BullMQ on clients that follow a Coffer connection secret.
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import { CofferRedis } from './coffer.mjs';

// Jobs makes the parts of a queue. Each has a client of its own; BullMQ
// duplicates a worker's for the command that waits for jobs, and the duplicate
// follows the secret too.
export class Jobs {
  constructor(secret, name, options = {}) {
    this.secret = secret;
    this.name = name;
    this.options = options; // of ioredis
    this.parts = [];
  }

  part(Kind, ...args) {
    // BullMQ wants workers to try for as long as it takes.
    const connection = new CofferRedis(this.secret, { ...this.options, maxRetriesPerRequest: null });
    connection.on('error', (err) => this.secret.onError(err));
    const settings = typeof args.at(-1) === 'object' ? args.pop() : {};
    const part = new Kind(...args, { ...settings, connection });
    part.on('error', (err) => this.secret.onError(err));
    this.parts.push([part, connection]);
    return part;
  }

  queue = (settings = {}) => this.part(Queue, this.name, settings);
  worker = (process, settings = {}) => this.part(Worker, this.name, process, settings);
  events = (settings = {}) => this.part(QueueEvents, this.name, settings);
  flows = (settings = {}) => this.part(FlowProducer, settings);

  // Workers finish the jobs that they have begun.
  async close() {
    for (const [part, connection] of this.parts.reverse()) {
      await part.close();
      connection.disconnect();
    }
  }
}
