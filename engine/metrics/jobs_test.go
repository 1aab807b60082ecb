package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestJobs under the names that docs/jobs.md has; none from a member that serves
// no jobs.
func TestJobs(t *testing.T) {
	sample := Sample{Jobs: &Jobs{Pushed: 7, Completed: 4, Failed: 1, Total: Queue{Waiting: 2}, Queues: []Queue{{Name: "mail", Waiting: 2, Active: 1}}}}
	for _, with := range []bool{true, false} {
		if !with {
			sample.Jobs = nil
		}
		w := httptest.NewRecorder()
		Handler(func() Sample { return sample }).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
		for _, line := range []string{
			"coffer_jobs_pushed_total 7", "coffer_jobs_completed_total 4", "coffer_jobs_failed_total 1", `coffer_jobs_current{state="waiting"} 2`,
			`coffer_queue_jobs{queue="mail",state="active"} 1`, `coffer_queue_jobs{queue="mail",state="failed"} 0`,
		} {
			if strings.Contains(w.Body.String(), "\n"+line+"\n") != with {
				t.Errorf("%q: %v", line, !with)
			}
		}
	}
}
