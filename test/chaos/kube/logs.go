package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// follower keeps what containers say: the logs of a pod go with it.
type follower struct {
	*world
	dir string

	mu   sync.Mutex
	last map[string]*metav1.Time // by container: when its stream ended; nil while it is read
}

func (w *world) followLogs(ctx context.Context) error {
	f := &follower{world: w, dir: filepath.Join(w.Kept, "logs"), last: map[string]*metav1.Time{}}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	go func() {
		for sleep(ctx, time.Second) == nil {
			for _, namespace := range []string{w.Namespace, w.System} {
				pods := &corev1.PodList{}
				if list, err := w.cluster.Logs.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{}); err == nil {
					pods = list
				}
				for i := range pods.Items {
					f.look(ctx, &pods.Items[i])
				}
			}
		}
	}()
	return nil
}

// look begins to read containers that run and are not read.
func (f *follower) look(ctx context.Context, pod *corev1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range pod.Status.ContainerStatuses {
		since, known := f.last[c.ContainerID]
		if c.State.Running == nil || known && since == nil {
			continue
		}
		f.last[c.ContainerID] = nil
		name := fmt.Sprintf("%s-%s-%d.log", pod.Name, pod.UID[:8], c.RestartCount)
		options := &corev1.PodLogOptions{Container: c.Name, Follow: true, Timestamps: true, SinceTime: since}
		go func() {
			_ = f.read(ctx, pod, options, filepath.Join(f.dir, name)) // what is missing is seen in the file
			f.mu.Lock()
			defer f.mu.Unlock()
			f.last[c.ContainerID] = new(metav1.Now())
		}()
	}
}

func (f *follower) read(ctx context.Context, pod *corev1.Pod, options *corev1.PodLogOptions, file string) error {
	stream, err := f.cluster.Logs.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	out, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, stream)
	return errors.Join(err, out.Close())
}
