// Package chaos is three members of the real engine, each a process, to which
// everything happens that a process can meet, under clients whose answers must be
// explainable by a database that has lost nothing and shown nothing stale.
package chaos

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
	"github.com/coffer-dev/coffer/test/linear"
)

var (
	duration = flag.Duration("chaos-for", 10*time.Second, "how long faults go on")
	seed     = flag.Uint64("chaos-seed", 0, "of the faults and of the clients' commands; 0 for another one each time")
)

const (
	clients = 6
	// keyTime is how long a key is used before another takes its place, and
	// keySlots how many keys of a kind are in use at once.
	keyTime  = 400 * time.Millisecond
	keySlots = 3
	// answerTime is how long a client waits.
	answerTime = 2 * time.Second
)

// TestMain lets the test's program be a member.
func TestMain(m *testing.M) { replicas.Main(m) }

// world is the group under test and what is seen of it.
type world struct {
	*replicas.Group
	t     *testing.T
	begun time.Time
	stop  chan struct{}

	mu      sync.Mutex
	history linear.History
	faults  map[string]int

	nextClient, values       atomic.Int64
	acknowledged, unanswered atomic.Int64
}

// TestChaos: whatever happens to any one member, or to all at once, what was
// acknowledged is there, and no answer is older than one before it.
func TestChaos(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d", *seed)
	w := &world{Group: replicas.New(t, 3, replicas.Processes(t)), t: t, begun: time.Now(), stop: make(chan struct{}), faults: map[string]int{}}
	w.Form()
	var running sync.WaitGroup
	for i := range clients {
		rng := rand.New(rand.NewPCG(*seed, uint64(i)))
		running.Go(func() { w.client(rng) })
	}
	rng := rand.New(rand.NewPCG(*seed, clients))
	for end := time.Now().Add(*duration); time.Now().Before(end) && !t.Failed(); {
		w.strike(rng)
		time.Sleep(time.Duration(rng.IntN(600)) * time.Millisecond)
	}
	close(w.stop)
	running.Wait()
	w.readAll()
	w.check()
}

// readAll reads every key once more: what was acknowledged must be there.
func (w *world) readAll() {
	leader := w.WaitLeader()
	conn := w.Redis(leader)
	w.Until("commands answered", func() bool { return conn.Ping(context.Background()).Err() == nil })
	id := int(w.nextClient.Add(1))
	for _, key := range w.history.Keys {
		if !w.ask(conn, id, key, linear.KindOf(key).All) {
			w.t.Errorf("%s cannot be read at the end", key)
		}
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

// client sends commands one after the other, to any member, until the end. One
// that has no answer leaves the client behind: another one goes on.
func (w *world) client(rng *rand.Rand) {
	var conn *redis.Client
	id := int(w.nextClient.Add(1))
	for {
		select {
		case <-w.stop:
			return
		default:
		}
		if conn == nil {
			conn = w.Redis(rng.IntN(3))
		}
		kind := linear.Pick(rng, linear.Kinds...)
		key := fmt.Sprintf("%s:%d-%d", kind.Name, time.Since(w.begun)/keyTime, rng.IntN(keySlots))
		argv := kind.Make(rng, strconv.FormatInt(w.values.Add(1), 10))
		if !w.ask(conn, id, key, argv) {
			conn, id = nil, int(w.nextClient.Add(1))
		}
		time.Sleep(time.Duration(rng.IntN(10)) * time.Millisecond)
	}
}

// ask sends one command, and writes down what came of it.
func (w *world) ask(conn *redis.Client, id int, key string, argv []string) bool {
	args := []any{argv[0], key}
	for _, a := range argv[1:] {
		args = append(args, a)
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	call := time.Since(w.begun)
	got, err := conn.Do(ctx, args...).Result()
	back := time.Since(w.begun)
	answer := linear.Unknown
	if err == nil || err == redis.Nil { //nolint:errorlint // it is never wrapped
		answer = linear.Render(argv, replyOf(got))
		w.acknowledged.Add(1)
	} else {
		w.unanswered.Add(1)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history.Add(key, id, argv, int64(call), int64(back), answer)
	return answer != linear.Unknown
}

// replyOf is what a client library made of a reply, as a reply.
func replyOf(v any) reply.Reply {
	switch v := v.(type) {
	case nil:
		return reply.Reply{Kind: reply.KindNull}
	case int64:
		return reply.Reply{Kind: reply.KindInteger, Int: v}
	case string:
		return reply.Reply{Kind: reply.KindBulk, Str: []byte(v)}
	case []any:
		r := reply.Reply{Kind: reply.KindArray}
		for _, item := range v {
			r.Items = append(r.Items, replyOf(item))
		}
		return r
	case map[any]any:
		r := reply.Reply{Kind: reply.KindMap}
		for k, item := range v {
			r.Items = append(r.Items, replyOf(k), replyOf(item))
		}
		return r
	}
	return reply.Error(fmt.Sprintf("%T", v))
}

// check looks for an order of the commands on every key.
func (w *world) check() {
	results := map[porcupine.CheckResult]int{}
	for _, key := range w.history.Keys {
		result := w.history.Check(key)
		results[result]++
		if result == porcupine.Illegal {
			w.t.Errorf("the answers about %s are not linearizable:\n%s", key, w.history.Describe(key, int64(time.Second)))
		}
	}
	w.t.Logf("faults %v; %d commands answered, %d not; keys: %d linearizable, %d undecided", w.faults,
		w.acknowledged.Load(), w.unanswered.Load(), results[porcupine.Ok], results[porcupine.Unknown])
	if results[porcupine.Ok] == 0 {
		w.t.Error("nothing was checked")
	}
}
