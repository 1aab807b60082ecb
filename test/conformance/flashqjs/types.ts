// A program that type-checks only while index.d.ts says what the package is.
import { FlashQ, JobQueueError, Worker, type Job, type PushOptions } from 'flashq';

interface Mail {
  to: string;
}

export async function run(): Promise<number> {
  const flashq = new FlashQ({ host: 'queue', port: 6789, token: 'x', tls: { ca: 'pem' } });
  const options: PushOptions = { delay: 5000, job_id: 'a', tags: ['x'] };
  const { id, data } = await flashq.push<Mail>('mail', { to: 'a@example.com' }, options);
  const to: string = data.to;
  const worker = new Worker<Mail, string>(flashq, 'mail', async (job: Job<Mail>, { signal }) => (signal.aborted ? to : job.data.to), { concurrency: 2 });
  worker.on('completed', (_job, result) => console.log(result.length));
  await flashq.setRateLimit('mail', { max: 100, duration: 60_000 });
  const jobs = await flashq.getJobs<Mail>('mail', 'completed', 10_000);
  try {
    await flashq.update(id, { ...jobs[0]?.data, to: '[REDACTED]' });
  } catch (err) {
    if (err instanceof JobQueueError) return err.code.length;
  }
  // @ts-expect-error there is no plaintext
  new FlashQ({ token: 'x', tls: false });
  // @ts-expect-error a state that is not
  await flashq.clean('*', 0, 'done');
  await worker.close();
  return flashq.clean('*', 86400000, 'completed');
}
