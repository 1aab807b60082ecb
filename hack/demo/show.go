package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/hack/cluster/progress"
	"github.com/coffer-dev/coffer/hack/image/images"
)

// Names in config/samples and of what the demo installs.
const (
	release         = "coffer"
	systemNamespace = "coffer-system"
	namespace       = "shop"
	database        = "sessions"
	jobQueue        = "work"
)

// demo is what the steps share: a cluster, and how images get there.
type demo struct {
	root           string
	kubeconfig     string // "" is the user's own
	kubectl, helm  string
	ref, clientRef string
	load           func(ctx context.Context, archive string) error // nil: the images are there
}

func (d *demo) kube(ctx context.Context, args ...string) (string, error) {
	return output(ctx, d.env(), d.kubectl, args...)
}

func (d *demo) env() []string {
	if d.kubeconfig == "" {
		return nil
	}
	return []string{"KUBECONFIG=" + d.kubeconfig}
}

// output runs a program; when it fails, the error holds what it said.
func output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// show is the demo once there is a cluster.
func (d *demo) show(ctx context.Context, out *progress.Printer) error {
	for _, step := range []struct {
		title string
		work  func(context.Context, *progress.Step) error
	}{
		{"images " + d.ref + ", " + d.clientRef, d.provideImages},
		{"helm install " + release + " charts/coffer", d.installChart},
		{"kvdatabase/" + database, d.applySample},
		{"client:", d.runClient},
	} {
		if err := out.Run(step.title, func(s *progress.Step) error { return step.work(ctx, s) }); err != nil {
			return err
		}
	}
	table, err := d.kube(ctx, "--namespace", namespace, "get", "kvdatabases,jobqueues,accesstokens")
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n%s", table, d.lookFurther())
	return nil
}

func (d *demo) provideImages(ctx context.Context, step *progress.Step) error {
	if d.load == nil {
		step.Result("(pushed by you)")
		return nil
	}
	for _, build := range []func() (string, error){
		func() (string, error) { return images.BuildCoffer(ctx, d.root, d.ref) },
		func() (string, error) { return images.BuildDemoClient(ctx, d.root, d.clientRef) },
	} {
		step.Note("building")
		archive, err := build()
		if err != nil {
			return err
		}
		step.Note("loading %s", filepath.Base(archive))
		if err := d.load(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) installChart(ctx context.Context, _ *progress.Step) error {
	repository, tag := splitRef(d.ref)
	_, err := output(ctx, d.env(), d.helm, "upgrade", "--install", release, filepath.Join(d.root, "charts", "coffer"),
		"--namespace", systemNamespace, "--create-namespace", "--wait", "--timeout", "3m",
		"--set-string", "image.repository="+repository, "--set-string", "image.tag="+tag, "--set", "image.pullPolicy=IfNotPresent")
	return err
}

// splitRef parts repository and tag; a colon before a slash belongs to the registry's port.
func splitRef(ref string) (repository, tag string) {
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		return ref[:i], ref[i+1:]
	}
	return ref, "latest"
}

// readyWithin bounds the wait for the database; it is usually ready in a few seconds.
const readyWithin = 3 * time.Minute

func (d *demo) applySample(ctx context.Context, step *progress.Step) error {
	if _, err := d.kube(ctx, "apply", "--kustomize", filepath.Join(d.root, "config", "samples")); err != nil {
		return err
	}
	status, err := d.waitDatabase(ctx, readyWithin, "Ready", func(s *v1alpha1.KVDatabase) bool {
		step.Note("%s", soFar(s))
		ready := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status == "True" && ready.ObservedGeneration == s.Generation
	})
	if err != nil {
		return err
	}
	step.Result("%s", soFar(status))
	return nil
}

// soFar sums up a starting database: which of its parts are there, then what it says itself.
func soFar(db *v1alpha1.KVDatabase) string {
	var parts []string
	for _, c := range []struct{ condition, text string }{
		{v1alpha1.ConditionTLSReady, "Certificate proven"},
		{v1alpha1.ConditionCredentialsSynced, "Credentials proven"},
		{v1alpha1.ConditionReady, "Ready"},
	} {
		if meta.IsStatusConditionTrue(db.Status.Conditions, c.condition) {
			parts = append(parts, c.text)
		}
	}
	if !meta.IsStatusConditionTrue(db.Status.Conditions, v1alpha1.ConditionReady) {
		parts = append(parts, db.Status.Status)
	}
	return strings.Join(parts, " · ")
}

// waitDatabase polls the database until it is as wanted; the error tells what it said last.
func (d *demo) waitDatabase(ctx context.Context, limit time.Duration, wanted string, done func(*v1alpha1.KVDatabase) bool) (*v1alpha1.KVDatabase, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var db v1alpha1.KVDatabase
	for {
		text, err := d.kube(ctx, "--namespace", namespace, "get", "kvdatabase", database, "--output=json")
		if err == nil {
			db = v1alpha1.KVDatabase{}
			err = json.Unmarshal([]byte(text), &db)
		}
		if err == nil && done(&db) {
			return &db, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("kvdatabase/%s is not %s after %s; it says: %s (credentials %s, last error: %w)",
				database, wanted, limit, db.Status.Status, db.Status.Credentials.Phase, err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (d *demo) lookFurther() string {
	kubectl := "kubectl"
	if d.kubeconfig != "" {
		kubectl = fmt.Sprintf("%s --kubeconfig %s", d.kubectl, d.kubeconfig)
		if link := filepath.Join(d.root, ".cluster", "bin", "kubectl"); exists(link) {
			kubectl = fmt.Sprintf("%s --kubeconfig %s", link, d.kubeconfig)
		}
	}
	hint := ""
	if _, err := exec.LookPath("redis-cli"); err != nil {
		hint = "   # redis-cli is in Debian's redis-tools"
	}
	return strings.NewReplacer("KUBECTL", kubectl, "NS", namespace, "DB", database, "QUEUE", jobQueue, "HINT", hint).Replace(`Look further
  alias k='KUBECTL -n NS'
  k get kvdb,jobq,atok,pods,pvc,certificates,networkpolicies; k describe kvdb DB
  k annotate kvdb DB coffer.dev/rotate-credentials=$(date +%s) --overwrite; k get kvdb DB -w
  k explain kvdatabase.spec; k explain jobqueue.spec
  k get secret DB-connection -o jsonpath='{.data.ca\.crt}' | base64 -d > /tmp/ca.crt
  REDISCLI_AUTH=$(k get secret DB-connection -o jsonpath='{.data.password}' | base64 -d) \
    redis-cli --tls --cacert /tmp/ca.crt -h $(k get service DB -o jsonpath='{.spec.clusterIP}')HINT
  k get secret QUEUE-connection -o jsonpath='{.data.ca\.crt}' | base64 -d > /tmp/jobs-ca.crt
  printf 'Authorization: Bearer %s' $(k get secret QUEUE-connection -o jsonpath='{.data.token}' | base64 -d) |
    curl -H @- --cacert /tmp/jobs-ca.crt --resolve QUEUE.NS:6790:$(k get service QUEUE -o jsonpath='{.spec.clusterIP}') \
    https://QUEUE.NS:6790/queues/email/jobs -d '{"data":{"to":"user@example.com","subject":"Hello"}}'
`)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
