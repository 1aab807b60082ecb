import { EventEmitter } from 'node:events';

/** Milliseconds since 1970, or a duration in milliseconds. */
type Milliseconds = number;

export type JobState = 'waiting' | 'delayed' | 'active' | 'waitingchildren' | 'completed' | 'failed' | 'unknown';

export interface TLSOptions {
  /** PEM of the authority that is trusted, in place of the system's. */
  ca?: string | Buffer | Array<string | Buffer>;
  /** The name in the server's certificate, where it is not the host. */
  servername?: string;
  /** PEM of a client's certificate and its key. */
  cert?: string | Buffer;
  key?: string | Buffer;
}

export interface FlashQOptions {
  /** Default: that of secretDir, or localhost. */
  host?: string;
  /** Default: that of secretDir, or 6789. */
  port?: number;
  token?: string;
  /** TLS 1.3 always; there is no plaintext. */
  tls?: TLSOptions | true;
  /**
   * Where the connection secret is mounted. Its token and authorities are used in
   * place of those given here, and read again after a rotation.
   */
  secretDir?: string;
}

export interface PushOptions {
  /** Higher first. */
  priority?: number;
  /** Until it may be pulled. */
  delay?: Milliseconds;
  /** After it, a job that waits is dropped. */
  ttl?: Milliseconds;
  /** After it, an attempt has failed. */
  timeout?: Milliseconds;
  /** Before it is a dead letter; 0 is without end. */
  max_attempts?: number;
  /** Before the second attempt; doubles. */
  backoff?: Milliseconds;
  /** One unfinished job of a queue has it. */
  unique_key?: string;
  /** Names the job: pushing it again resolves to the id of the first. */
  job_id?: string;
  debounce_id?: string;
  debounce_ttl?: Milliseconds;
  /** One job of a group is active at a time. */
  group_id?: string;
  /** Jobs that must be completed before. */
  depends_on?: number[];
  tags?: string[];
  lifo?: boolean;
  remove_on_complete?: boolean;
  remove_on_fail?: boolean;
  keep_completed_age?: Milliseconds;
  keep_completed_count?: number;
  stall_timeout?: Milliseconds;
}

export interface PushedJob<T = unknown> extends PushOptions {
  id: number;
  queue: string;
  data: T;
}

export interface Job<T = any> {
  id: number;
  queue: string;
  data: T;
  /** Where one was asked for. */
  state?: JobState;
  /** Of a job that was pulled. */
  lease?: string;
  priority: number;
  created_at: Milliseconds;
  run_at: Milliseconds;
  started_at: Milliseconds;
  completed_at: Milliseconds;
  attempts: number;
  max_attempts: number;
  progress: number;
  progress_msg?: string;
  tags: string[];
  unique_key?: string;
  custom_id?: string;
  group_id?: string;
  depends_on: number[];
  parent_id?: number;
  children_ids: number[];
}

export interface QueueInfo {
  name: string;
  pending: number;
  processing: number;
  delayed: number;
  completed: number;
  dlq: number;
  paused: boolean;
}

export interface Cron {
  queue: string;
  data: unknown;
  /** 5 or 6 fields; or repeat_every. */
  schedule?: string;
  /** Of schedule, as Europe/Berlin. Default: UTC. */
  timezone?: string;
  repeat_every?: Milliseconds;
  priority?: number;
  /** Of executions. */
  limit?: number;
}

export interface PullOptions {
  /** How long to wait for a job. Default: 20000. */
  timeout?: Milliseconds;
  /** How long the job is the caller's without a heartbeat. Default: 30000. */
  lease?: Milliseconds;
  signal?: AbortSignal;
}

type Leased = Pick<Job, 'id' | 'lease'>;

/**
 * A connection to a JobQueue. It connects with the first command, logs in again
 * when its token is rotated, and makes a new connection when one ends.
 */
export class FlashQ extends EventEmitter {
  constructor(options: FlashQOptions);
  connect(): Promise<void>;
  close(): Promise<void>;
  /** Any command of the protocol; resolves to its answer. */
  command(cmd: string, fields?: object, options?: { signal?: AbortSignal }): Promise<any>;

  push<T = unknown>(queue: string, data: T, options?: PushOptions): Promise<PushedJob<T>>;
  /** All of them or none; at most 1000. Resolves to their ids. */
  pushBatch<T = unknown>(queue: string, jobs: Array<{ data: T } & PushOptions>): Promise<number[]>;
  pushFlow(
    queue: string,
    data: unknown,
    children: Array<{ queue: string; data: unknown; priority?: number; delay?: Milliseconds }>,
    options?: { priority?: number },
  ): Promise<{ parent_id: number; children_ids: number[] }>;

  pull<T = any>(queue: string, options?: PullOptions): Promise<Job<T> | null>;
  pullBatch<T = any>(queue: string, count: number, options?: PullOptions): Promise<Array<Job<T>>>;
  ack(job: Leased, result?: unknown): Promise<void>;
  fail(job: Leased, error?: string): Promise<void>;
  /** Gives a job back, behind those that wait; the attempt is not counted. */
  release(job: Leased): Promise<void>;
  heartbeat(job: Leased): Promise<void>;
  progress(job: Leased, percent: number, message?: string): Promise<void>;
  log(job: Leased, message: string, level?: 'debug' | 'info' | 'warn' | 'error'): Promise<void>;

  getJob<T = any>(id: number): Promise<Job<T> | null>;
  getJobByCustomId<T = any>(jobId: string): Promise<Job<T> | null>;
  getState(id: number): Promise<JobState>;
  getResult<T = any>(id: number): Promise<T | null>;
  /** Resolves to the result once the job is completed; rejects with a JobFailedError when it has failed. */
  finished<T = any>(id: number, timeout?: Milliseconds): Promise<T | null>;
  getProgress(id: number): Promise<{ progress: number; message?: string }>;
  getLogs(id: number): Promise<Array<{ timestamp: Milliseconds; level: string; message: string }>>;
  getChildren(id: number): Promise<number[]>;
  cancel(id: number): Promise<void>;
  update(id: number, data: unknown): Promise<void>;
  changePriority(id: number, priority: number): Promise<void>;
  moveToDelayed(id: number, delay: Milliseconds): Promise<void>;
  promote(id: number): Promise<void>;
  discard(id: number): Promise<void>;

  listQueues(): Promise<string[]>;
  queueInfo(): Promise<QueueInfo[]>;
  getJobs<T = any>(queue: string, state?: JobState, limit?: number, offset?: number): Promise<Array<Job<T>>>;
  getJobCounts(queue: string): Promise<{ waiting: number; active: number; delayed: number; completed: number; failed: number }>;
  /** Jobs that wait or are delayed. */
  count(queue: string): Promise<number>;
  pause(queue: string): Promise<void>;
  resume(queue: string): Promise<void>;
  isPaused(queue: string): Promise<boolean>;
  drain(queue: string): Promise<number>;
  obliterate(queue: string): Promise<number>;
  /** The queue may be a pattern, as '*'. Resolves to how many jobs were removed. */
  clean(queue: string, grace: Milliseconds, state: JobState, limit?: number): Promise<number>;
  /**
   * Removes the jobs, of any state, whose data or result has that value at that path, such as
   * 'user.id'; the queue may be a pattern. With redact, a list of paths, they stay and lose what is
   * there. Resolves to how many there were.
   */
  erase(queue: string, path: string, value: string | number | boolean | null, redact?: string[]): Promise<number>;
  /** A number is jobs per second. */
  setRateLimit(queue: string, limit: { max: number; duration: Milliseconds } | number): Promise<void>;
  clearRateLimit(queue: string): Promise<void>;
  setConcurrency(queue: string, limit: number): Promise<void>;
  clearConcurrency(queue: string): Promise<void>;

  getDlq<T = any>(queue: string, count?: number): Promise<Array<Job<T>>>;
  retryDlq(queue: string, id?: number): Promise<number>;
  purgeDlq(queue: string): Promise<number>;
  addCron(name: string, cron: Cron): Promise<void>;
  deleteCron(name: string): Promise<void>;
  listCrons(): Promise<Array<Cron & { name: string; next_run: Milliseconds; executions: number }>>;
  ping(): Promise<void>;
  stats(): Promise<{ queued: number; processing: number; delayed: number; dlq: number; completed: number }>;

  on(event: 'connect', listener: () => void): this;
  on(event: 'disconnect' | 'error', listener: (why: Error) => void): this;
}

export interface WorkerOptions {
  /** Jobs at a time. Default: 1. */
  concurrency?: number;
  /** How long a job stays with a worker that is not heard of. Default: 30000; at least 1000. */
  lease?: Milliseconds;
}

/** Carries out a queue's jobs, from the moment it is made until close. */
export class Worker<T = any, R = unknown> extends EventEmitter {
  /** The signal is aborted, with a LeaseLostError, when the job is no longer this worker's. */
  constructor(flashq: FlashQ, queue: string, handler: (job: Job<T>, context: { signal: AbortSignal }) => R | Promise<R>, options?: WorkerOptions);
  /** Resolves once all that was begun is finished. */
  close(): Promise<void>;

  /** The server has acknowledged the job. One whose acknowledgement was lost on its way has no event. */
  on(event: 'completed', listener: (job: Job<T>, result: R) => void): this;
  on(event: 'failed', listener: (job: Job<T>, error: Error) => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
}

/** A refusal; nothing has changed. */
export class JobQueueError extends Error {
  /** INVALID, DENIED, NOTFOUND, CONFLICT, LEASE, FULL, CLOSED; others may be added. */
  code: string;
  readonly lostLease: boolean;
}
/** The answer was lost with its connection: the command was carried out, or it was not. */
export class DisconnectedError extends Error {}
/** A job that somebody waited for and that became a dead letter. */
export class JobFailedError extends Error {}
export class ClosedError extends Error {}
export class LeaseLostError extends Error {}
