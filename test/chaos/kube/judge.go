package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/test/fixture"
)

// judge has all clients come to their end, reads everything once more, and says
// what all of it means.
func (w *world) judge(ctx context.Context) {
	r := w.report
	r.Ended = time.Now()
	for _, f := range r.faults { // before clients pause by themselves
		f.Pause = w.pulse(w.named(f.Victim)).Pause(f.At, f.Until)
	}
	w.Note("reading everything once more")
	w.stopUsing()
	w.running.Wait()
	if len(r.Broken) == 0 {
		r.broke(await(ctx, "all jobs are carried out", func(context.Context) (string, error) {
			return obstacle(w.jobs.Left() == 0, "%d are left", w.jobs.Left()), nil
		}))
	}
	w.stopWorking()
	w.carrying.Wait()
	r.Unread = w.keys.ReadAll()
	w.Note("looking for an order of %d commands on %d keys", w.keys.Answered(), len(w.keys.Names()))
	r.Keys, r.Jobs = w.keys.Check(), w.jobs.Check()
	r.Answered, r.Writes = w.keys.Answered(), int64(w.keys.Writes.Count())
	r.Errors = map[string]int{}
	for _, counts := range []map[string]int{w.keys.Errors(), w.jobs.Errors()} {
		for kind, n := range counts {
			r.Errors[kind] += n
		}
	}
	length := int(r.Ended.Sub(r.Begun)/time.Second) + 1
	r.writes, r.pushes = w.keys.Writes.PerSecond(r.Begun, length), w.jobs.Pushes.PerSecond(r.Begun, length)
}

func (w *world) named(name string) v1alpha1.Instance {
	for _, o := range w.instances() {
		if o.GetName() == name {
			return o
		}
	}
	panic("there is no " + name)
}

// keep leaves what explains a failure, and nothing of a run that went well.
func (w *world) keep(ctx context.Context) error {
	if w.report.Err() == nil {
		return os.RemoveAll(w.Kept)
	}
	var illegal, all, faults strings.Builder
	for _, key := range append(w.report.Keys.Illegal, w.report.Unread...) {
		fmt.Fprintf(&illegal, "%s\n%s\n", key, w.keys.Describe(key))
	}
	for _, key := range w.keys.Names() {
		fmt.Fprintf(&all, "%s\n%s\n", key, w.keys.Describe(key))
	}
	for _, f := range w.report.faults {
		fmt.Fprintf(&faults, "%s (%.3f s) - %s %s of %s, longest pause %s\n", f.At.UTC().Format(time.RFC3339Nano), w.keys.At(f.At).Seconds(),
			f.Until.UTC().Format(time.RFC3339Nano), f.Kind, f.Victim, f.Pause)
	}
	var err error
	for name, text := range map[string]string{"illegal.txt": illegal.String(), "history.txt": all.String(), "faults.txt": faults.String(),
		"objects.txt": fixture.Explain(ctx, w.Namespace, w.System, w.database.Name, w.queue.Name)} {
		err = errors.Join(err, os.WriteFile(filepath.Join(w.Kept, name), []byte(text), 0o600))
	}
	return err
}
