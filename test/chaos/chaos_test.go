// Package chaos is three members of the real engine, each a process, to which
// everything happens that a process can meet, under clients whose answers must be
// explainable by a database that has lost nothing and shown nothing stale.
package chaos

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/chaos/clients"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

var (
	duration = flag.Duration("chaos-for", 10*time.Second, "how long faults go on")
	lazily   = flag.Bool("chaos-every-second", false, "members have durability EverySecond")
	seed     = flag.Uint64("chaos-seed", 0, "of the faults and of the clients' commands; 0 for another one each time")
)

const users = 6

// TestMain lets the test's program be a member.
func TestMain(m *testing.M) { replicas.Main(m, replicas.DigestEvery) }

// world is the group under test and what is seen of it.
type world struct {
	*replicas.Group
	t      *testing.T
	keys   *clients.Keys
	faults map[string]int
}

// TestChaos: whatever happens to any one member, or to all at once, what was
// acknowledged is there, and no answer is older than one before it.
func TestChaos(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d", *seed)
	w := &world{Group: replicas.New(t, 3, replicas.Processes(t)), t: t, faults: map[string]int{}}
	if *lazily {
		for i := range w.Configs {
			w.Configs[i].Durability = config.EverySecond
		}
	}
	w.Form()
	w.keys = clients.NewKeys(func(rng *rand.Rand) *redis.Client { return w.Redis(rng.IntN(3)) })
	using, stop := context.WithCancel(context.Background())
	defer stop()
	var running sync.WaitGroup
	for i := range users {
		rng := rand.New(rand.NewPCG(*seed, uint64(i)))
		running.Go(func() { w.keys.Use(using, rng) })
	}
	rng := rand.New(rand.NewPCG(*seed, users))
	for end := time.Now().Add(*duration); time.Now().Before(end) && !t.Failed(); {
		w.strike(rng)
		time.Sleep(time.Duration(rng.IntN(600)) * time.Millisecond)
	}
	stop()
	running.Wait()
	w.readAll()
	w.check()
}

// readAll reads every key once more: what was acknowledged must be there.
func (w *world) readAll() {
	leader := w.WaitLeader()
	conn := w.Redis(leader)
	w.Until("commands answered", func() bool { return conn.Ping(context.Background()).Err() == nil })
	for _, key := range w.keys.ReadAll() {
		w.t.Errorf("%s cannot be read at the end", key)
	}
}

// strike does one thing to a member, and undoes it.
func (w *world) strike(rng *rand.Rand) {
	victim := rng.IntN(3)
	if leader := w.Leader(); leader >= 0 && rng.IntN(2) == 0 {
		victim = leader
	}
	faults := []struct {
		name string
		do   func(victim int)
	}{
		{"kill", w.kill}, {"kill", w.kill}, {"pause", func(i int) { w.pause(i, rng) }}, {"restart", w.restart},
		{"transfer", w.transfer}, {"power", func(int) { w.power() }}, {"lost volume", w.loseVolume},
	}
	f := faults[rng.IntN(len(faults))]
	w.faults[f.name]++
	f.do(victim)
}

func (w *world) process(i int) *replicas.Process { return w.Member(i).(*replicas.Process) }

func (w *world) kill(i int) {
	w.Take(i).(*replicas.Process).Kill()
	w.Start(i)
}

func (w *world) restart(i int) {
	w.Stop(i)
	w.Start(i)
}

// pause is as long as it takes to be taken for dead, or not quite.
func (w *world) pause(i int, rng *rand.Rand) {
	p := w.process(i)
	p.Pause()
	time.Sleep(time.Duration(200+rng.IntN(3000)) * time.Millisecond)
	p.Resume()
}

// power fails for all at once.
func (w *world) power() {
	for i := range w.Configs {
		w.Take(i).(*replicas.Process).Kill()
	}
	for i := range w.Configs {
		w.Start(i)
	}
}

func (w *world) transfer(to int) {
	leader := w.Leader()
	id, voter := w.ID(to)
	if leader < 0 || !voter {
		return
	}
	admin := w.Admin(leader)
	defer admin.Close()
	_ = admin.Change(context.Background(), adminapi.GroupChange{Operation: adminapi.GroupTransfer, ID: id}) // it may have to wait
}

// loseVolume takes a member's volume, and has the group take it in again.
func (w *world) loseVolume(i int) {
	w.Take(i).(*replicas.Process).Kill()
	w.Wipe(i)
	w.Start(i)
	w.Leave(i)
	w.Join(i)
}

// check looks for an order of the commands on every key.
func (w *world) check() {
	v := w.keys.Check()
	for _, key := range v.Illegal {
		w.t.Errorf("the answers about %s are not linearizable:\n%s", key, w.keys.Describe(key))
	}
	w.t.Logf("faults %v; %d commands answered, instead of answers %v; keys: %d linearizable, %d undecided", w.faults,
		w.keys.Answered(), w.keys.Errors(), v.Linearizable, v.Undecided)
	if v.Linearizable == 0 {
		w.t.Error("nothing was checked")
	}
}
