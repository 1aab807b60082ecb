package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/hack/cluster/progress"
)

const (
	rotations   = 2
	stepLimit   = time.Minute // of one part of a rotation
	clientLabel = "job-name=demo-client"
)

// clientJob is the demo's application: it mounts the connection secret as files, and ends when the ConfigMap
// demo-client-stop appears in its other mount.
const clientJob = `
apiVersion: batch/v1
kind: Job
metadata: {name: demo-client, namespace: NAMESPACE}
spec:
  backoffLimit: 0
  template:
    metadata: {labels: {app: demo-client}}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
      containers:
      - name: client
        image: "IMAGE"
        imagePullPolicy: IfNotPresent
        args: [--secret=/etc/coffer/connection, --until-file=/etc/demo/stop, --clients=20]
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
        volumeMounts:
        - {name: connection, mountPath: /etc/coffer/connection, readOnly: true}
        - {name: stop, mountPath: /etc/demo, readOnly: true}
      volumes:
      - name: connection
        secret: {secretName: DATABASE-connection, defaultMode: 0440}
      - name: stop
        configMap: {name: demo-client-stop, optional: true}
`

// report is a line of the client's output.
type report struct {
	Commands   int64  `json:"commands"`
	Failed     int64  `json:"failed"`
	Generation string `json:"generation"`
	Rotations  int    `json:"rotations"`
	Done       bool   `json:"done"`
}

// watcher follows the client's output.
type watcher struct {
	mu       sync.Mutex
	patterns []string
	last     report
	other    string // the last line that is neither
	ended    chan struct{}
}

func (w *watcher) see(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var r report
	switch {
	case json.Unmarshal([]byte(line), &r) == nil:
		w.last = r
	case strings.HasSuffix(line, " ok"):
		w.patterns = append(w.patterns, line)
	default:
		w.other = line
	}
}

func (w *watcher) state() (patterns string, last report, other string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.patterns, " · "), w.last, w.other
}

// runClient starts the client, rotates its credentials twice while it works, and lets it end.
func (d *demo) runClient(ctx context.Context, step *progress.Step) error {
	pod, err := d.startClient(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := d.follow(ctx, pod)
	if err != nil {
		return err
	}
	working := func() bool { _, last, _ := w.state(); return last.Commands > 0 }
	if err := w.wait(ctx, step, "work", working); err != nil {
		return err
	}
	for range rotations {
		if err := d.rotate(ctx, step, pod, w); err != nil {
			return err
		}
	}
	if _, err := d.kube(ctx, "--namespace", namespace, "create", "configmap", "demo-client-stop", "--from-literal=stop=now"); err != nil {
		return err
	}
	if err := d.deliver(ctx, pod, "stop"); err != nil {
		return err
	}
	if err := w.wait(ctx, step, "end", func() bool { _, last, _ := w.state(); return last.Done }); err != nil {
		return err
	}
	return d.verdict(ctx, step, w)
}

func (d *demo) startClient(ctx context.Context) (pod string, err error) {
	for _, object := range []string{"job/demo-client", "configmap/demo-client-stop"} {
		if _, err := d.kube(ctx, "--namespace", namespace, "delete", object, "--ignore-not-found", "--wait"); err != nil {
			return "", err
		}
	}
	manifest, err := os.CreateTemp("", "coffer-demo-*.yaml")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(manifest.Name()) }()
	text := strings.NewReplacer("NAMESPACE", namespace, "DATABASE", database, "IMAGE", d.clientRef).Replace(clientJob)
	if _, err := manifest.WriteString(text); err != nil {
		return "", err
	}
	if err := manifest.Close(); err != nil {
		return "", err
	}
	if _, err := d.kube(ctx, "apply", "--filename", manifest.Name()); err != nil {
		return "", err
	}
	if _, err := d.kube(ctx, "--namespace", namespace, "wait", "--for=create", "--timeout=30s", "pod", "--selector", clientLabel); err != nil {
		return "", err
	}
	if _, err := d.kube(ctx, "--namespace", namespace, "wait", "--for=jsonpath={.status.containerStatuses[0].started}=true",
		"--timeout=60s", "pod", "--selector", clientLabel); err != nil {
		return "", fmt.Errorf("the client does not start (kubectl -n %s describe job demo-client): %w", namespace, err)
	}
	name, err := d.kube(ctx, "--namespace", namespace, "get", "pod", "--selector", clientLabel, "--output=name")
	return strings.TrimSpace(name), err
}

// follow reads the client's output until it ends.
func (d *demo) follow(ctx context.Context, pod string) (*watcher, error) {
	cmd := exec.CommandContext(ctx, d.kubectl, "--namespace", namespace, "logs", "--follow", pod)
	cmd.Env = append(os.Environ(), d.env()...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w := &watcher{ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.see(lines.Text())
		}
		_ = cmd.Wait()
	}()
	return w, nil
}

// wait shows the client's progress until done; a client that fails a command or ends before that is an error.
func (w *watcher) wait(ctx context.Context, step *progress.Step, what string, done func() bool) error {
	deadline := time.After(stepLimit)
	for {
		patterns, last, other := w.state()
		step.Note("%s · %d commands, %d failed, generation %s", patterns, last.Commands, last.Failed, last.Generation)
		if last.Failed > 0 {
			return fmt.Errorf("%d of the client's commands failed", last.Failed)
		}
		if done() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.ended:
			if done() {
				return nil
			}
			return fmt.Errorf("the client ended before it was to %s: %s", what, other)
		case <-deadline:
			return fmt.Errorf("the client did not %s within %s: %s", what, stepLimit, other)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// rotate asks for new credentials and completes the rotation once the client uses nothing else.
func (d *demo) rotate(ctx context.Context, step *progress.Step, pod string, w *watcher) error {
	value := strconv.FormatInt(time.Now().UnixNano(), 10)
	var before int64
	_, err := d.waitDatabase(ctx, stepLimit, "idle", func(db *v1alpha1.KVDatabase) bool {
		before = db.Status.Credentials.Generation
		return db.Status.Credentials.Phase == v1alpha1.PhaseIdle
	})
	if err != nil {
		return err
	}
	if err := d.annotateDatabase(ctx, v1alpha1.AnnotationRotateCredentials, value); err != nil {
		return err
	}
	after := before + 1
	_, err = d.waitDatabase(ctx, stepLimit, "in the overlap of both passwords", func(db *v1alpha1.KVDatabase) bool {
		return db.Status.Credentials.Generation == after && db.Status.Credentials.Phase == v1alpha1.PhaseOverlap
	})
	if err != nil {
		return err
	}
	// kubelet would deliver the new secret within about 90 seconds; when the pod changes, at once.
	if err := d.deliver(ctx, pod, strconv.FormatInt(after, 10)); err != nil {
		return err
	}
	err = w.wait(ctx, step, "take up the new password", func() bool {
		_, last, _ := w.state()
		return last.Generation == strconv.FormatInt(after, 10)
	})
	if err != nil {
		return err
	}
	if err := d.waitSessionsGone(ctx, after); err != nil {
		return err
	}
	if err := d.annotateDatabase(ctx, v1alpha1.AnnotationRotateComplete, value); err != nil {
		return err
	}
	_, err = d.waitDatabase(ctx, stepLimit, "idle", func(db *v1alpha1.KVDatabase) bool {
		return db.Status.Credentials.Generation == after && db.Status.Credentials.Phase == v1alpha1.PhaseIdle
	})
	return err
}

func (d *demo) annotateDatabase(ctx context.Context, annotation, value string) error {
	_, err := d.kube(ctx, "--namespace", namespace, "annotate", "kvdatabase", database, annotation+"="+value, "--overwrite")
	return err
}

// deliver changes the pod, so that its kubelet looks at the mounted secrets now.
func (d *demo) deliver(ctx context.Context, pod, value string) error {
	_, err := d.kube(ctx, "--namespace", namespace, "annotate", pod, "demo.coffer.dev/deliver="+value, "--overwrite")
	return err
}

// verdict prints what the client did, and fails unless it did all of it well and nothing was restarted meanwhile.
func (d *demo) verdict(ctx context.Context, step *progress.Step, w *watcher) error {
	if _, err := d.kube(ctx, "--namespace", namespace, "wait", "--for=condition=Complete", "--timeout=30s", "job/demo-client"); err != nil {
		_, _, other := w.state()
		return errors.Join(err, errors.New(other))
	}
	restarts := 0
	for _, ns := range []string{namespace, systemNamespace} {
		counts, err := d.kube(ctx, "--namespace", ns, "get", "pods", "--output=jsonpath={.items[*].status.containerStatuses[*].restartCount}")
		if err != nil {
			return err
		}
		for _, count := range strings.Fields(counts) {
			n, err := strconv.Atoi(count)
			if err != nil {
				return err
			}
			restarts += n
		}
	}
	patterns, last, _ := w.state()
	step.Result("%s\n       rotated %d times under load: %d commands, %d failed, %d restarts", patterns, last.Rotations, last.Commands, last.Failed, restarts)
	if last.Rotations != rotations || last.Failed != 0 || restarts != 0 {
		return fmt.Errorf("wanted %d rotations, no failed command and no restart", rotations)
	}
	return nil
}
