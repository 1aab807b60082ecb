import { Client } from './client.js';
import { JobFailedError } from './errors.js';

const pullWait = 20_000; // milliseconds
const defaultLease = 30_000;

// Commands that say nothing beyond that they were carried out.
const nothing = () => undefined;

export class FlashQ extends Client {
  // Jobs in.

  async push(queue, data, options = {}) {
    const { id } = await this.command('PUSH', { queue, data, ...options });
    return { id, queue, data, ...options };
  }

  // All of them, or none; at most 1000.
  async pushBatch(queue, jobs) {
    return (await this.command('PUSHB', { queue, jobs })).ids;
  }

  async pushFlow(queue, data, children, options = {}) {
    const { parent_id, children_ids } = await this.command('FLOW', { queue, data, children, ...options });
    return { parent_id, children_ids };
  }

  // Jobs out. A Worker does all of this.

  async pull(queue, { timeout = pullWait, lease = defaultLease, signal } = {}) {
    return (await this.command('PULL', { queue, timeout, lease }, { signal })).job ?? null;
  }

  async pullBatch(queue, count, { timeout = pullWait, lease = defaultLease, signal } = {}) {
    return (await this.command('PULLB', { queue, count, timeout, lease }, { signal })).jobs;
  }

  ack = (job, result) => this.command('ACK', { id: job.id, lease: job.lease, result }).then(nothing);
  fail = (job, error) => this.command('FAIL', { id: job.id, lease: job.lease, error }).then(nothing);
  release = (job) => this.command('MOVETODELAYED', { id: job.id, lease: job.lease, delay: 0 }).then(nothing);
  heartbeat = (job) => this.command('HEARTBEAT', { id: job.id, lease: job.lease }).then(nothing);
  progress = (job, progress, message) => this.command('PROGRESS', { id: job.id, lease: job.lease, progress, message }).then(nothing);
  log = (job, message, level = 'info') => this.command('LOG', { id: job.id, lease: job.lease, message, level }).then(nothing);

  // One job.

  getJob = (id) => this.#job('GETJOB', { id });
  getJobByCustomId = (job_id) => this.#job('GETJOBBYCUSTOMID', { job_id });

  #job(cmd, fields) {
    return this.command(cmd, fields).then((a) => (a.job ? { ...a.job, state: a.state } : null));
  }

  getState = (id) => this.command('GETSTATE', { id }).then((a) => a.state);
  getResult = (id) => this.command('GETRESULT', { id }).then((a) => a.result ?? null);
  // Resolves to the result of a job once it is completed, and rejects when it
  // has failed or is not done in time.
  async finished(id, timeout = 30_000) {
    const answer = await this.command('WAITJOB', { id, timeout });
    if (answer.error) throw new JobFailedError(answer.error);
    return answer.result ?? null;
  }

  getProgress = (id) => this.command('GETPROGRESS', { id }).then((a) => a.progress);
  getLogs = (id) => this.command('GETLOGS', { id }).then((a) => a.logs);
  getChildren = (id) => this.command('GETCHILDREN', { parent_id: id }).then((a) => a.children_ids);
  cancel = (id) => this.command('CANCEL', { id }).then(nothing);
  update = (id, data) => this.command('UPDATEJOB', { id, data }).then(nothing);
  changePriority = (id, priority) => this.command('CHANGEPRIORITY', { id, priority }).then(nothing);
  moveToDelayed = (id, delay) => this.command('MOVETODELAYED', { id, delay }).then(nothing);
  promote = (id) => this.command('PROMOTE', { id }).then(nothing);
  discard = (id) => this.command('DISCARD', { id }).then(nothing);

  // Queues.

  listQueues = () => this.queueInfo().then((queues) => queues.map((q) => q.name));
  queueInfo = () => this.command('LISTQUEUES').then((a) => a.queues);
  getJobs = (queue, state, limit = 100, offset = 0) => this.command('GETJOBS', { queue, state, limit, offset }).then((a) => a.jobs);
  count = (queue) => this.command('COUNT', { queue }).then((a) => a.count);
  pause = (queue) => this.command('PAUSE', { queue }).then(nothing);
  resume = (queue) => this.command('RESUME', { queue }).then(nothing);
  isPaused = (queue) => this.command('ISPAUSED', { queue }).then((a) => a.paused);
  drain = (queue) => this.command('DRAIN', { queue }).then((a) => a.count);
  obliterate = (queue) => this.command('OBLITERATE', { queue }).then((a) => a.count);
  // Removes jobs of a state that are older than grace milliseconds; the queue may
  // be a pattern, as '*'.
  clean = (queue, grace, state, limit) => this.command('CLEAN', { queue, grace, state, limit }).then((a) => a.count);

  // Removes the jobs whose data or result has that value at that path, from all
  // queues that match a pattern; redact, the paths of what is personal, keeps the
  // jobs without that.
  erase = (queue, path, value, redact) => this.command('ERASE', { queue, path, value, redact }).then((a) => a.count);

  async getJobCounts(queue) {
    const { waiting, active, delayed, completed, failed } = await this.command('GETJOBCOUNTS', { queue });
    return { waiting, active, delayed, completed, failed };
  }

  // limit is {max, duration}: so many jobs in any duration milliseconds; or a
  // number of jobs per second.
  setRateLimit = (queue, limit) => this.command('RATELIMIT', { queue, limit }).then(nothing);
  clearRateLimit = (queue) => this.command('RATELIMITCLEAR', { queue }).then(nothing);
  setConcurrency = (queue, limit) => this.command('SETCONCURRENCY', { queue, limit }).then(nothing);
  clearConcurrency = (queue) => this.command('CLEARCONCURRENCY', { queue }).then(nothing);

  // Dead letters, crons, the whole.

  getDlq = (queue, count = 100) => this.command('DLQ', { queue, count }).then((a) => a.jobs);
  retryDlq = (queue, id) => this.command('RETRYDLQ', { queue, id }).then((a) => a.count);
  purgeDlq = (queue) => this.command('PURGEDLQ', { queue }).then((a) => a.count);
  addCron = (name, cron) => this.command('CRON', { name, ...cron }).then(nothing);
  deleteCron = (name) => this.command('CRONDELETE', { name }).then(nothing);
  listCrons = () => this.command('CRONLIST').then((a) => a.crons);
  ping = () => this.command('PING').then(nothing);

  async stats() {
    const { queued, processing, delayed, dlq, completed } = await this.command('STATS');
    return { queued, processing, delayed, dlq, completed };
  }
}
