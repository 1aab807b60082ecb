export { FlashQ } from './lib/flashq.js';
export { Worker } from './lib/worker.js';
export { ClosedError, DisconnectedError, JobFailedError, JobQueueError, LeaseLostError } from './lib/errors.js';
