package metrics

import "github.com/prometheus/client_golang/prometheus"

// Jobs is what there is to tell of queues.
type Jobs struct {
	Pushed, Completed, Failed int64 // since each queue was first used
	Total                     Queue // of all queues
	Queues                    []Queue
}

// Queue has one queue's jobs by their state.
type Queue struct {
	Name                                                 string
	Waiting, Delayed, Active, Blocked, Completed, Failed int64
}

// Add adds another queue's jobs.
func (q *Queue) Add(o Queue) {
	q.Waiting += o.Waiting
	q.Delayed += o.Delayed
	q.Active += o.Active
	q.Blocked += o.Blocked
	q.Completed += o.Completed
	q.Failed += o.Failed
}

var (
	jobsPushed    = desc("jobs_pushed_total", "Jobs pushed.")
	jobsCompleted = desc("jobs_completed_total", "Jobs completed.")
	jobsFailed    = desc("jobs_failed_total", "Jobs that failed for good.")
	jobsCurrent   = desc("jobs_current", "Jobs of all queues, by state.", "state")
	queueJobs     = desc("queue_jobs", "Jobs of a queue, by state; of the first 256 queues, declared ones first.", "queue", "state")
)

func (j *Jobs) send(send func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string)) {
	send(jobsPushed, prometheus.CounterValue, float64(j.Pushed))
	send(jobsCompleted, prometheus.CounterValue, float64(j.Completed))
	send(jobsFailed, prometheus.CounterValue, float64(j.Failed))
	for state, n := range j.Total.states() {
		send(jobsCurrent, prometheus.GaugeValue, float64(n), state)
	}
	for _, q := range j.Queues {
		for state, n := range q.states() {
			send(queueJobs, prometheus.GaugeValue, float64(n), q.Name, state)
		}
	}
}

func (q *Queue) states() map[string]int64 {
	return map[string]int64{
		"waiting": q.Waiting, "delayed": q.Delayed, "active": q.Active, "waitingchildren": q.Blocked, "completed": q.Completed, "failed": q.Failed,
	}
}
