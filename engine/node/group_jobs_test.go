package node

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/reply"
)

// jobOp is an operation on jobs.
type jobOp struct{ op queue.Op }

func (o jobOp) Apply(tx *machine.Tx) reply.Reply {
	o.op.Apply(tx.Queues, tx.Now, tx.Seed)
	return reply.OK
}

func parseJob(argv [][]byte) (machine.Op, error) {
	op, err := queue.ParseOp(argv[1])
	return jobOp{op}, err
}

// jobs carries out an operation on jobs.
func jobs[T queue.Op](t *testing.T, g *Group, op T) T {
	t.Helper()
	if err := op.Check(time.Now().UnixMilli()); err != nil {
		t.Fatal(err)
	}
	item := machine.Item{Op: jobOp{op}, Argv: [][]byte{[]byte("job"), op.Append(nil)}, Write: op.Writes()}
	if do(t, g, item); op.Failed() != nil {
		t.Fatal(op.Failed())
	}
	return op
}

// TestJobsAreDueOnTime: delays, leases and schedules come about by themselves,
// soon after their time, whoever carries out the commands before; also what was
// in the log when the group began.
func TestJobsAreDueOnTime(t *testing.T) {
	for _, durability := range []config.Durability{config.Always, config.EverySecond} {
		t.Run(string(durability), func(t *testing.T) {
			fs, ready, removed := vfs.NewMem(), make(chan string, 100), make(chan queue.Event, 100)
			options := groupOptions(fs, func(o *GroupOptions) {
				o.Parse, o.Durability = parseJob, durability
				o.OnReady = func(name string) { ready <- name }
				o.OnEvent = func(e queue.Event) {
					if e.Kind == queue.EventStalled {
						removed <- e
					}
				}
			})
			wait := func(what string, began time.Time, due time.Duration) {
				t.Helper()
				select {
				case name := <-ready:
					if late := time.Since(began) - due; name != what || late < -time.Millisecond || late > 500*time.Millisecond {
						t.Errorf("%s was ready %v late, want %s", name, late, what)
					}
				case <-time.After(5 * time.Second):
					t.Fatalf("%s was never ready", what)
				}
			}
			g := startGroup(t, options)
			began := time.Now()
			jobs(t, g, &queue.Push{Jobs: []queue.NewJob{{Queue: "later", Data: []byte("1"), Delay: 120}, {Queue: "later", Data: []byte("1"), Delay: 40}}})
			wait("later", began, 40*time.Millisecond)
			wait("later", began, 120*time.Millisecond)
			began = time.Now()
			if n := len(jobs(t, g, &queue.Pull{Queue: "later", Count: 1, Lease: 80}).Result); n != 1 {
				t.Fatalf("%d jobs", n)
			}
			<-ready // the other one
			wait("later", began, 80*time.Millisecond)
			if e := <-removed; e.Attempts != 1 {
				t.Errorf("%+v", e)
			}
			began = time.Now()
			jobs(t, g, &queue.SetSchedule{Schedule: queue.Schedule{Name: "s", Queue: "cron", Every: 300}})
			if err := g.Stop(); err != nil {
				t.Fatal(err)
			}
			g = startGroup(t, options)
			wait("cron", began, 300*time.Millisecond)
			if err := g.Stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
