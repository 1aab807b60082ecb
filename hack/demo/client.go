package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/hack/cluster/progress"
	"github.com/coffer-dev/coffer/hack/demo/client/job"
	"github.com/coffer-dev/coffer/hack/demo/client/report"
)

const (
	rotations = 2
	stepLimit = time.Minute // of one part of a rotation
)

// client is the demo's application.
func (d *demo) client() job.Client {
	return job.Client{Name: "demo-client", Namespace: namespace, Image: d.clientRef, Secret: database + "-connection", Clients: 20}
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
	working := func() bool { _, last, _ := w.State(); return last.Commands > 0 }
	if err := wait(ctx, step, w, "work", working); err != nil {
		return err
	}
	for range rotations {
		if err := d.rotate(ctx, step, pod, w); err != nil {
			return err
		}
	}
	if _, err := d.kube(ctx, "--namespace", namespace, "create", "configmap", d.client().StopConfigMap(), "--from-literal=stop=now"); err != nil {
		return err
	}
	if err := d.deliver(ctx, pod, "stop"); err != nil {
		return err
	}
	if err := wait(ctx, step, w, "end", func() bool { _, last, _ := w.State(); return last.Done }); err != nil {
		return err
	}
	return d.verdict(ctx, step, w)
}

func (d *demo) startClient(ctx context.Context) (pod string, err error) {
	client := d.client()
	for _, object := range []string{"job/" + client.Name, "configmap/" + client.StopConfigMap()} {
		if _, err := d.kube(ctx, "--namespace", namespace, "delete", object, "--ignore-not-found", "--wait"); err != nil {
			return "", err
		}
	}
	manifest, err := os.CreateTemp("", "coffer-demo-*.yaml")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(manifest.Name()) }()
	if _, err := manifest.WriteString(client.Manifest()); err != nil {
		return "", err
	}
	if err := manifest.Close(); err != nil {
		return "", err
	}
	if _, err := d.kube(ctx, "apply", "--filename", manifest.Name()); err != nil {
		return "", err
	}
	if _, err := d.kube(ctx, "--namespace", namespace, "wait", "--for=create", "--timeout=30s", "pod", "--selector", client.Selector()); err != nil {
		return "", err
	}
	if _, err := d.kube(ctx, "--namespace", namespace, "wait", "--for=jsonpath={.status.containerStatuses[0].started}=true",
		"--timeout=60s", "pod", "--selector", client.Selector()); err != nil {
		return "", fmt.Errorf("the client does not start (kubectl -n %s describe job demo-client): %w", namespace, err)
	}
	name, err := d.kube(ctx, "--namespace", namespace, "get", "pod", "--selector", client.Selector(), "--output=name")
	return strings.TrimSpace(name), err
}

// follow reads the client's output until it ends.
func (d *demo) follow(ctx context.Context, pod string) (*report.Output, error) {
	cmd := exec.CommandContext(ctx, d.kubectl, "--namespace", namespace, "logs", "--follow", pod)
	cmd.Env = append(os.Environ(), d.env()...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w := report.Follow(out)
	go func() {
		<-w.Ended()
		_ = cmd.Wait()
	}()
	return w, nil
}

// wait shows the client's progress until done; a client that fails a command or ends before that is an error.
func wait(ctx context.Context, step *progress.Step, w *report.Output, what string, done func() bool) error {
	deadline := time.After(stepLimit)
	for {
		patterns, last, other := w.State()
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
		case <-w.Ended():
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
func (d *demo) rotate(ctx context.Context, step *progress.Step, pod string, w *report.Output) error {
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
	err = wait(ctx, step, w, "take up the new password", func() bool {
		_, last, _ := w.State()
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
	_, err := d.kube(ctx, "--namespace", namespace, "annotate", pod, job.Deliver+"="+value, "--overwrite")
	return err
}

// verdict prints what the client did, and fails unless it did all of it well and nothing was restarted meanwhile.
func (d *demo) verdict(ctx context.Context, step *progress.Step, w *report.Output) error {
	if _, err := d.kube(ctx, "--namespace", namespace, "wait", "--for=condition=Complete", "--timeout=30s", "job/"+d.client().Name); err != nil {
		_, _, other := w.State()
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
	patterns, last, _ := w.State()
	step.Result("%s\n       rotated %d times under load: %d commands, %d failed, %d restarts", patterns, last.Rotations, last.Commands, last.Failed, restarts)
	if last.Rotations != rotations || last.Failed != 0 || restarts != 0 {
		return fmt.Errorf("wanted %d rotations, no failed command and no restart", rotations)
	}
	return nil
}
