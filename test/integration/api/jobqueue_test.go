package api

import (
	"context"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
)

// TestJobQueueAccepted: what is accepted, the engine's settings can say.
func TestJobQueueAccepted(t *testing.T) {
	for name, more := range map[string]string{
		"nothing":   "",
		"a name":    "  queues: [{name: 'audit:logs_1.x-Y'}]\n",
		"limits":    "  queues: [{name: email, rateLimit: {max: 1000, per: 1h}, concurrency: 20, maxWaiting: 1000000, lease: 1m30s}]\n",
		"retries":   "  queues: [{name: email, retries: {maxAttempts: 0, backoff: Fixed, delay: 0s}}, {name: sms, retries: {delay: 500ms}}]\n",
		"retention": "  queues: [{name: email, retention: {completed: {maxAge: 24h, maxCount: 10}, failed: {maxAge: 720h}}}]\n",
		"a schema":  "  queues: [{name: email, schema: {type: object, required: [to], properties: {to: {type: string, format: email}}, $defs: {a: true}}}]\n",
		"secrets":   "  queues: [{name: pay, encryptFields: [card.number, ssn, 'straße.nr 1', '$.notes[0]'], deletionPolicy: Delete}]\n",
		"dead":      "  undeclaredQueues: Deny\n  queues: [{name: a, deadLetter: b}, {name: b}]\n",
		"schedules": "  schedules: [{name: nightly, queue: r, cron: '0 3 * * 6', timeZone: Europe/Berlin, data: {a: [1, null]}}, {name: secondly, queue: r, cron: '*/5 0 3 1-7/2 JAN,jul ?', data: text}, {name: again, queue: r, every: 100ms}]\n",
		"denied":    "  undeclaredQueues: Deny\n  queues: [{name: r}]\n  schedules: [{name: often, queue: r, every: 10m}]\n",
		"shared":    "  durability: EverySecond\n  networkPolicy: {clients: [{podSelector: {}}]}\n  audit: {level: All}\n",
	} {
		t.Run(name, func(t *testing.T) {
			object := instance(t, "JobQueue", strings.ReplaceAll("ok-"+name, " ", "-"), "1Gi", more)
			if err := create(t, object); err != nil {
				t.Fatal(err)
			}
			var got v1alpha1.JobQueue
			if err := server.client.Get(context.Background(), client.ObjectKeyFromObject(object), &got); err != nil {
				t.Fatal(err)
			}
			if got.Spec.UndeclaredQueues == "" || got.Spec.DeletionPolicy != v1alpha1.DeletionRetain {
				t.Errorf("undeclaredQueues %q, deletionPolicy %q", got.Spec.UndeclaredQueues, got.Spec.DeletionPolicy)
			}
			if _, err := desired.Queues(&got); err != nil {
				t.Error(err)
			}
			// What Go writes back, the rules accept: durations and JSON survive.
			before := desired.QueuesRevision(&got)
			got.Spec.Durability = v1alpha1.DurabilityEverySecond
			if err := server.client.Update(context.Background(), &got); err != nil {
				t.Fatal(err)
			}
			if desired.QueuesRevision(&got) != before {
				t.Error("the queues are others after they were written back")
			}
		})
	}
}

func TestJobQueueRefused(t *testing.T) {
	queue := func(more string) string { return "  queues: [{name: email, " + more + "}]\n" }
	schedule := func(more string) string { return "  schedules: [{name: nightly, queue: report, " + more + "}]\n" }
	for _, c := range []struct{ name, more, want string }{
		{"no name", "  queues: [{concurrency: 1}]\n", "spec.queues[0].name: Required value"},
		{"a name with a blank", "  queues: [{name: 'a b'}]\n", "a queue's name has letters, digits, '_', '.', ':' and '-' only, such as jobs:email"},
		{"a pattern as name", "  queues: [{name: 'jobs:*'}]\n", "a queue's name has letters"},
		{"a long name", "  queues: [{name: " + strings.Repeat("a", 257) + "}]\n", "may not be more than 256"},
		{"a name twice", "  queues: [{name: a}, {name: a}]\n", "Duplicate value"},
		{"no jobs", queue("rateLimit: {max: 0}"), "should be greater than or equal to 1"},
		{"a number as length", queue("rateLimit: {max: 1, per: '60000'}"), "rateLimit.per must be from 100ms to 24h, written in h, m, s and ms"},
		{"a short window", queue("rateLimit: {max: 1, per: 99ms}"), "rateLimit.per must be from 100ms to 24h"},
		{"concurrency of none", queue("concurrency: 0"), "should be greater than or equal to 1"},
		{"a schema that is none", queue("schema: text"), "must be of type object"},
		{"a field that is empty", queue("encryptFields: ['card..number']"), "encryptFields are paths of values"},
		{"a field that begins with a dot", queue("encryptFields: ['.card']"), "encryptFields are paths of values"},
		{"secrets without a key", "  encryption: {atRest: Disabled}\n" + queue("encryptFields: [ssn]"), "encryptFields needs encryption.atRest Enabled"},
		{"fewer attempts than none", queue("retries: {maxAttempts: -1}"), "should be greater than or equal to 0"},
		{"backoff", queue("retries: {backoff: Linear}"), `supported values: "Exponential", "Fixed"`},
		{"a delay of days", queue("retries: {delay: 1d}"), "retries.delay must be from 0s to 24h"},
		{"a short lease", queue("lease: 999ms"), "lease must be from 1s to 24h"},
		{"a short retention", queue("retention: {failed: {maxAge: 1ms}}"), "maxAge must be from 1s to 87600h"},
		{"its own dead letters", queue("deadLetter: email"), "deadLetter of queue email must be another queue than the one itself"},
		{"dead letters that are denied", "  undeclaredQueues: Deny\n" + queue("deadLetter: dead"), "a deadLetter names a queue that spec.queues does not list"},
		{"what becomes of it", queue("deletionPolicy: Keep"), `supported values: "Retain", "Delete"`},
		{"undeclared", "  undeclaredQueues: Maybe\n", `supported values: "Allow", "Deny"`},
		{"no time", schedule("data: {}"), "schedule nightly needs either cron or every"},
		{"two times", schedule("cron: '0 3 * * *', every: 10m"), "schedule nightly needs either cron or every"},
		{"a zone of nothing", schedule("every: 10m, timeZone: UTC"), "a schedule's timeZone is for cron"},
		{"four fields", schedule("cron: '0 3 * *'"), "cron must be minute, hour, day of the month, month and day of the week"},
		{"in words", schedule("cron: '@daily'"), "cron must be minute, hour"},
		{"nowhere", schedule("cron: '0 3 * * *', timeZone: ../etc"), "timeZone must be a name of the IANA database"},
		{"too often", schedule("every: 99ms"), "every must be from 100ms to 8760h"},
		{"to a queue that is denied", "  undeclaredQueues: Deny\n" + schedule("every: 10m"), "a schedule names a queue that spec.queues does not list: list it, or set undeclaredQueues to Allow"},
		{"too many", "  queues: [" + strings.Repeat("{name: a},", 257) + "]\n", "must have at most 256 items"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, create(t, instance(t, "JobQueue", "x", "1Gi", c.more)), c.want)
		})
	}
}

func TestKubectlOfJobQueues(t *testing.T) {
	if err := create(t, instance(t, "JobQueue", "typed-queue", "1Gi", "")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"get", "jobq"}, []string{"NAME", "READY", "STATUS", "QUEUES", "WAITING", "ACTIVE", "DEAD", "ROTATED", "AGE", "typed-queue"}},
		{[]string{"get", "coffer"}, []string{"typed-queue"}},
		{[]string{"get", "jobqueues", "-o", "wide"}, []string{"REPLICAS", "VERSION", "TLS-EXPIRES", "STORAGE", "ENDPOINT", "1Gi"}},
		{[]string{"explain", "jobqueue.spec"}, []string{"storage\t<Object> -required-", "queues\t<[]Object>", "schedules", "undeclaredQueues", "enum: Allow, Deny"}},
		{[]string{"explain", "jobqueue.spec.queues.retries"}, []string{"Default 3; from 0 to 1000", "Default Exponential"}},
		{[]string{"explain", "jobqueue.spec.queues.lease"}, []string{"Default 30s; from 1s to 24h"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			out := kubectl(t, append([]string{"-n", namespace}, c.args...)...)
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}
