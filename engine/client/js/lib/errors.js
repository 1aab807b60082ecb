// What the server answers instead of doing what it was asked; nothing has
// changed then. `code` is what a program decides by.
export class JobQueueError extends Error {
  name = 'JobQueueError';
  constructor(message, code) {
    super(message);
    this.code = code;
  }

  // The caller has no right to the job, and will not have it.
  get lostLease() {
    return ['LEASE', 'NOTFOUND', 'CONFLICT'].includes(this.code);
  }
}

// The answer was lost with its connection: the command was carried out, or it
// was not. A push with a job_id can be sent again.
export class DisconnectedError extends Error {
  name = 'DisconnectedError';
}

// A job that somebody waited for and that became a dead letter.
export class JobFailedError extends Error {
  name = 'JobFailedError';
}

export class ClosedError extends Error {
  name = 'ClosedError';
  constructor() {
    super('the client is closed');
  }
}

// Why a handler's signal is aborted while its job is being carried out: the job
// is, or soon will be, somebody else's.
export class LeaseLostError extends Error {
  name = 'LeaseLostError';
  constructor() {
    super("the job's lease was lost");
  }
}
