package api

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// accessToken is one for the database "db", with this spec beside it.
func accessToken(t *testing.T, name, more string) *unstructured.Unstructured {
	t.Helper()
	text := "apiVersion: coffer.dev/v1alpha1\nkind: AccessToken\nmetadata: {name: " + name + ", namespace: " + namespace + "}\nspec:\n  targetRef: {name: db}\n" + more
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	return object
}

const readSessions = "  keyValue: {role: ReadOnly, keys: ['session:*']}\n"

const ofQueue = "  targetRef: {kind: JobQueue, name: work}\n"

func TestAccessTokenDefaults(t *testing.T) {
	object := accessToken(t, "smallest", readSessions)
	if err := create(t, object); err != nil {
		t.Fatal(err)
	}
	var got v1alpha1.AccessToken
	if err := server.client.Get(context.Background(), client.ObjectKeyFromObject(object), &got); err != nil {
		t.Fatal(err)
	}
	if got.Spec.TargetRef.Kind != v1alpha1.TargetKVDatabase || got.TargetNamespace() != namespace || got.SecretNameOrDefault() != "smallest" || got.Spec.Rotation.OverlapOrDefault() != v1alpha1.DefaultOverlap {
		t.Errorf("%+v", got.Spec)
	}
	// What Go writes back, the rules accept.
	got.Spec.SecretName = "another"
	if err := server.client.Update(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
}

func TestAccessTokenAccepted(t *testing.T) {
	for name, more := range map[string]string{
		"commands":  "  keyValue: {commands: ['@read', '-@dangerous', 'config|get', '-get'], keys: ['*']}\n",
		"library":   "  keyValue: {role: BullMQ}\n",
		"prefix":    "  keyValue: {role: Celery, keys: ['mail*'], channels: ['x']}\n",
		"patterns":  "  keyValue: {role: Admin, keys: ['a[bc]?', 'x\\[*', '[^\\]a]'], readKeys: ['ü*'], writeKeys: ['w'], channels: ['news.*']}\n",
		"for-long":  readSessions + "  expiresAfter: 87600h\n",
		"until":     readSessions + "  expiresAt: 2031-06-30T00:00:00Z\n",
		"elsewhere": "  keyValue: {role: ReadWrite, channels: ['*']}\n  from: [{podSelector: {}}, {namespaceSelector: {matchLabels: {a: b}}}]\n",
		"bounded":   readSessions + "  quota: {connections: 1, requestsPerSecond: 10000000}\n  secretName: my.secret\n",
		"worker":    "  targetRef: {kind: JobQueue, name: work}\n  jobs: {role: Worker, queues: ['jobs:*', tasks]}\n",
		"by-rules":  "  targetRef: {kind: JobQueue, name: work}\n  jobs: {rules: [{queues: [email], operations: [Push, Read]}, {queues: ['*'], operations: ['*']}]}\n",
		"scheduled": readSessions + "  rotation: {overlap: 5m, interval: 24h}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := create(t, accessToken(t, name, more)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestAccessTokenRefused(t *testing.T) {
	for _, c := range []struct{ name, token, more, want string }{
		{"dotted name", "a.b", readSessions, "metadata.name must be one DNS label"},
		{"long name", strings.Repeat("a", 64), readSessions, "metadata.name must be one DNS label"},
		{"the database's own user", "default", readSessions, "that is the name of the database's own user"},
		{"no rules", "x", "", "keyValue is required with targetRef.kind KVDatabase: write a role and keys"},
		{"no target", "x", readSessions + "  targetRef: {}\n", "spec.targetRef.name: Required value"},
		{"no rules for jobs", "x", ofQueue, "jobs is required with targetRef.kind JobQueue: write a role and queues"},
		{"keys of a queue", "x", ofQueue + "  jobs: {role: Admin, queues: ['*']}\n" + readSessions, "keyValue is for targetRef.kind KVDatabase: remove it, and write jobs"},
		{"jobs of a database", "x", readSessions + "  jobs: {role: Admin, queues: ['*']}\n", "jobs is for targetRef.kind JobQueue: remove it, and write keyValue"},
		{"a role for no queue", "x", ofQueue + "  jobs: {role: Worker}\n", "jobs.role and jobs.queues need each other: write queues: ['*']"},
		{"a role and rules", "x", ofQueue + "  jobs: {role: Worker, queues: [a], rules: [{queues: [a], operations: [Push]}]}\n", "jobs needs either role or rules"},
		{"neither of jobs", "x", ofQueue + "  jobs: {}\n", "jobs needs either role or rules"},
		{"role of a database", "x", ofQueue + "  jobs: {role: ReadOnly, queues: [a]}\n", `supported values: "Producer", "Worker", "Admin"`},
		{"unknown operation", "x", ofQueue + "  jobs: {rules: [{queues: [a], operations: [push]}]}\n", `supported values: "Push", "Pull"`},
		{"operations twice", "x", ofQueue + "  jobs: {rules: [{queues: [a], operations: [Push, Push]}]}\n", "Duplicate value"},
		{"a rule for no queue", "x", ofQueue + "  jobs: {rules: [{queues: [], operations: [Push]}]}\n", "should have at least 1 items"},
		{"pattern of queues", "x", ofQueue + "  jobs: {role: Worker, queues: ['a[']}\n", "the pattern a[ of jobs.queues is malformed"},
		{"pattern of a rule", "x", ofQueue + "  jobs: {rules: [{queues: ['a\\'], operations: [Push]}]}\n", "of jobs.rules[].queues is malformed"},
		{"another kind", "x", readSessions + "  targetRef: {kind: StatefulSet, name: db}\n", `supported values: "KVDatabase", "JobQueue"`},
		{"role and commands", "x", "  keyValue: {role: Admin, commands: [get], keys: ['*']}\n", "keyValue needs either role or commands"},
		{"neither", "x", "  keyValue: {keys: ['*']}\n", "keyValue needs either role or commands"},
		{"empty commands", "x", "  keyValue: {commands: [], keys: ['*']}\n", "should have at least 1 items"},
		{"unknown role", "x", "  keyValue: {role: Owner, keys: ['*']}\n", `supported values: "ReadOnly", "ReadWrite", "Admin", "BullMQ", "Asynq", "Sidekiq", "Celery"`},
		{"unknown category", "x", "  keyValue: {commands: ['@reed'], keys: ['*']}\n", "has the unknown category @reed: `redis-cli ACL CAT` lists them"},
		{"unknown category taken away", "x", "  keyValue: {commands: ['get', '-@reed'], keys: ['*']}\n", "has the unknown category -@reed"},
		{"upper case", "x", "  keyValue: {commands: [GET], keys: ['*']}\n", "are lower-case names such as get or config|get"},
		{"redis' own plus", "x", "  keyValue: {commands: ['+get'], keys: ['*']}\n", "not +get"},
		{"no keys", "x", "  keyValue: {role: ReadOnly}\n", "needs keys, readKeys, writeKeys or channels: a token without any permits nothing"},
		{"empty keys", "x", "  keyValue: {role: ReadOnly, keys: []}\n", "needs keys, readKeys, writeKeys or channels"},
		{"empty pattern", "x", "  keyValue: {role: ReadOnly, keys: ['']}\n", "should be at least 1 chars long"},
		{"open bracket", "x", "  keyValue: {role: ReadOnly, keys: ['a[b']}\n", "the pattern a[b of keyValue.keys is malformed: close every [ with ]"},
		{"backslash at the end", "x", "  keyValue: {role: ReadOnly, readKeys: ['a\\']}\n", "of keyValue.readKeys is malformed"},
		{"control character", "x", "  keyValue: {role: ReadOnly, writeKeys: [\"a\\n\"]}\n", "of keyValue.writeKeys is malformed"},
		{"channel", "x", "  keyValue: {role: ReadWrite, channels: ['[']}\n", "of keyValue.channels is malformed"},
		{"too many patterns", "x", "  keyValue: {role: ReadOnly, keys: [" + strings.Repeat("a,", 65) + "]}\n", "must have at most 64 items"},
		{"two ends", "x", readSessions + "  expiresAfter: 1h\n  expiresAt: 2031-06-30T00:00:00Z\n", "expiresAfter and expiresAt exclude each other"},
		{"too short", "x", readSessions + "  expiresAfter: 59s\n", "expiresAfter must be from 1m to 87600h"},
		{"in days", "x", readSessions + "  expiresAfter: 30d\n", "written in h, m and s (for example 720h)"},
		{"no time", "x", readSessions + "  expiresAt: tomorrow\n", "date-time"},
		{"empty peer", "x", readSessions + "  from: [{}]\n", "an entry of from needs a podSelector"},
		{"empty quota", "x", readSessions + "  quota: {}\n", "quota needs connections or requestsPerSecond"},
		{"quota of nothing", "x", readSessions + "  quota: {connections: 0}\n", "should be greater than or equal to 1"},
		{"secret's name", "x", readSessions + "  secretName: A/b\n", "secretName must be the name of a Secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, create(t, accessToken(t, c.token, c.more)), c.want)
		})
	}
}

func TestAllowedNamespacesAndAudit(t *testing.T) {
	for name, c := range map[string]struct{ more, want string }{
		"all":                  {"  allowedNamespaces: {from: All}\n", ""},
		"by label":             {"  allowedNamespaces: {from: Selector, selector: {matchLabels: {team: shop}}}\n", ""},
		"selector without":     {"  allowedNamespaces: {from: Selector}\n", "allowedNamespaces.selector and allowedNamespaces.from: Selector need each other"},
		"selector for nothing": {"  allowedNamespaces: {selector: {}}\n", "allowedNamespaces.selector and allowedNamespaces.from: Selector need each other"},
		"unknown":              {"  allowedNamespaces: {from: Some}\n", `supported values: "Same", "All", "Selector"`},
		"audit":                {"  audit: {level: All, retention: 1h}\n", ""},
		"audit of nothing":     {"  audit: {level: None}\n", ""},
		"audit level":          {"  audit: {level: Some}\n", `supported values: "None", "Denied", "Writes", "All"`},
		"audit retention":      {"  audit: {retention: 59m}\n", "audit.retention must be from 1h to 87600h"},
	} {
		t.Run(name, func(t *testing.T) {
			err := create(t, database(t, "access", "1Gi", c.more))
			if c.want != "" {
				refused(t, err, c.want)
			} else if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestKubectlOfAccessTokens(t *testing.T) {
	for name, spec := range map[string]string{"typed-token": readSessions, "typed-worker": ofQueue + "  jobs: {role: Worker, queues: [a]}\n"} {
		if err := create(t, accessToken(t, name, spec)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"get", "atok"}, []string{"NAME", "READY", "STATUS", "TARGET", "ROLE", "EXPIRES", "ROTATED", "AGE", "typed-token", "ReadOnly", "typed-worker", "Worker"}},
		{[]string{"get", "coffer"}, []string{"typed-token"}},
		{[]string{"get", "accesstokens", "-o", "wide"}, []string{"USER", "SECRET", "ENDPOINT"}},
		{[]string{"explain", "accesstoken.spec"}, []string{"targetRef\t<Object> -required-", "expiresAfter", "counted", "quota"}},
		{[]string{"explain", "accesstoken.spec.keyValue.commands"}, []string{`["@read", "-@dangerous"]`}},
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
