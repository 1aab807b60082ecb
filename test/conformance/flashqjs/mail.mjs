// An application's part that hands mail to a JobQueue and sends what is in it.
// The connection secret is mounted, and changes.
import { DisconnectedError, FlashQ, Worker } from 'flashq';

// The client reads the secret again as long as it lives.
export function connect(secretDir, report) {
  const flashq = new FlashQ({ secretDir });
  flashq.on('error', report);
  return flashq;
}

// Hands in a mail. Its id makes it safe to do so again when the answer was lost
// with its connection: there will be one job.
export async function enqueue(flashq, id, mail) {
  for (;;) {
    try {
      return await flashq.push('mail', mail, { job_id: id, max_attempts: 5 });
    } catch (err) {
      if (!(err instanceof DisconnectedError)) throw err;
    }
  }
}

// Sends mail until the worker's close(), which resolves when what was begun is
// finished. send is called again, later, for a mail that it threw an error for;
// the signal is aborted if the job is no longer ours.
export function sendAll(flashq, send, report) {
  const worker = new Worker(flashq, 'mail', (job, { signal }) => send(job.data, signal), { concurrency: 8 });
  worker.on('error', report);
  return worker;
}
