package docs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-dev/coffer/engine/httpapi"
	"github.com/coffer-dev/coffer/engine/job"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// section of a page is what stands under a heading.
func section(t *testing.T, path, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(read(t, path), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no %q", path, heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// tableRows are a table's, each with its cells.
func tableRows(text string) (all [][]string) {
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all = append(all, cells)
	}
	return all
}

// TestJobCommandsAreDocumented, all of them and no others, with the operation
// that each needs.
func TestJobCommandsAreDocumented(t *testing.T) {
	text, _, _ := strings.Cut(section(t, "docs/jobs.md", "## Commands"), "\n### ")
	var names []string
	for _, row := range tableRows(text)[1:] {
		if row[0] == "AUTH" {
			continue
		}
		names = append(names, row[0])
		said, _, _ := strings.Cut(row[2], ":")
		if said, _, _ = strings.Cut(said, ","); strings.Contains(said, " or ") {
			said, _, _ = strings.Cut(said, " or ")
		}
		if op := job.Operation(row[0]); op != "" && op != said {
			t.Errorf("%s: documented as %q, needs %s", row[0], said, op)
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, job.Commands()) {
		t.Errorf("documented %v\nthere are  %v", names, job.Commands())
	}
}

// TestJobOptionsAreDocumented: a row for each that a request may have.
func TestJobOptionsAreDocumented(t *testing.T) {
	_, text, _ := strings.Cut(section(t, "docs/jobs.md", "## Commands"), "### Options")
	for _, row := range tableRows(text)[1:] {
		for name := range strings.SplitSeq(row[0], ", ") {
			var req wire.Request
			if err := wire.Parse(wire.Lines, []byte(`{"cmd":"PUSH","`+name+`":{}}`), &req); err == nil || !strings.HasPrefix(err.Error(), name) && name != "job_id" {
				t.Errorf("%s is no option: %v", name, err)
			}
		}
	}
}

// TestJobLimitsAreDocumented with the values that are in force.
func TestJobLimitsAreDocumented(t *testing.T) {
	limits := map[string]int{
		"a message before AUTH": wire.EarlyFrame, "a message after it": wire.MaxFrame, "nesting of objects and arrays, the request included": wire.MaxDepth,
		"reqId": wire.MaxReqID, "a job's data, its result, a partial result": queue.MaxData, "jobs, ids, children of one request; dependencies of one job": queue.MaxBatch,
		"dependencies of all jobs of one request": queue.MaxDependsAll, "jobs leased to one connection, pulled without `lease`": job.MaxHeld,
		"jobs listed at once": queue.MaxListed, "a queue's name: letters, digits, `_`, `.`, `:`, `-`": queue.MaxQueueName,
		"unique_key, debounce_id, job_id, group_id": queue.MaxKey, "tags of a job": queue.MaxTags, "a tag": queue.MaxTag, "log lines kept of a job": queue.MaxLogs,
		"partial results of a job": queue.MaxPartials, "a wait: timeout of PULL, PULLB and WAITJOB": job.MaxWait, "a PULL's wait that says no timeout": job.DefaultWait,
		"requests of one connection that wait at a time": job.MaxWaiting, "subscriptions of one connection": job.MaxSubscriptions,
		"queues": queue.MaxQueues, "schedules": queue.MaxSchedules,
	}
	number := regexp.MustCompile(`^[0-9,]+`)
	for _, row := range tableRows(section(t, "docs/jobs.md", "## Limits"))[1:] {
		n, err := strconv.Atoi(strings.ReplaceAll(number.FindString(row[1]), ",", ""))
		if want, ok := limits[row[0]]; err != nil || !ok || n != want {
			t.Errorf("%q: documented as %d, is %d (known: %v), %v", row[0], n, want, ok, err)
		}
		delete(limits, row[0])
	}
	for what := range limits {
		t.Errorf("%q is not documented", what)
	}
	if queue.MaxBatch != wire.MaxList || queue.MaxChildren != wire.MaxList || queue.MaxDepends != wire.MaxList {
		t.Error("lists are bounded twice, differently")
	}
}

// TestJobCodesAreDocumented: programs decide by them.
func TestJobCodesAreDocumented(t *testing.T) {
	codes := []string{
		queue.CodeInvalid, queue.CodeNotFound, queue.CodeConflict, queue.CodeLease, queue.CodeFull, queue.CodeClosed, queue.CodeUndeclared,
		job.CodeDenied, job.CodeUnknown, job.CodeBusy, job.CodeTimeout, job.CodeUnavailable,
	}
	var documented []string
	for _, row := range tableRows(section(t, "docs/jobs.md", "## Errors"))[1:] {
		documented = append(documented, row[0])
	}
	slices.Sort(codes)
	slices.Sort(documented)
	if !slices.Equal(codes, documented) {
		t.Errorf("documented %v\nthere are  %v", documented, codes)
	}
	for _, kind := range job.EventNames {
		if !strings.Contains(section(t, "docs/jobs.md", "## Events"), "`"+kind+"`") {
			t.Errorf("the event %s is not documented", kind)
		}
	}
}

// TestJobRoutesAreDocumented: those of the port for jobs over HTTP, with their
// commands.
func TestJobRoutesAreDocumented(t *testing.T) {
	var documented []string
	for _, row := range rows(t, read(t, "docs/jobs.md"), "## HTTP") {
		documented = append(documented, strings.Trim(row[0], "` ")+" "+row[1])
	}
	if d := cmp.Diff(documented, httpapi.Routes()); d != "" {
		t.Errorf("docs/jobs.md (-is +says):\n%s", d)
	}
}
