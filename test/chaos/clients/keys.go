// Package clients use a database and a queue while things break. They write down
// what they asked and what they were told, and judge it afterwards.
package clients

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/test/linear"
)

const (
	// keyTime is how long a key is used before another takes its place, and
	// keySlots how many keys of a kind are in use at once.
	keyTime  = 400 * time.Millisecond
	keySlots = 3
	// answerTime is how long a client waits for an answer; a client that got none
	// or an error waits up to sulk before it goes on, so that no key has more
	// commands of unknown outcome than can be searched.
	answerTime = 2 * time.Second
	sulk       = 100 * time.Millisecond
	// readers read all keys at the end.
	readers = 8
)

// Keys is what clients of a database saw.
type Keys struct {
	// Connect makes a connection to any member, by any way.
	Connect func(rng *rand.Rand) *redis.Client
	// Calm is the longest pause between two commands of a client.
	Calm time.Duration
	// Writes are those that were acknowledged.
	Writes *Pulse

	begun              time.Time
	nextClient, values atomic.Int64
	answered           atomic.Int64

	mu      sync.Mutex
	history linear.History
	errors  map[string]int
}

// NewKeys is a history that begins now.
func NewKeys(connect func(*rand.Rand) *redis.Client) *Keys {
	return &Keys{Connect: connect, Calm: 10 * time.Millisecond, Writes: NewPulse(), begun: time.Now(), errors: map[string]int{}}
}

// Use is a client: it sends commands one after the other until ctx ends. One
// that has no answer leaves the client behind: another one goes on.
func (k *Keys) Use(ctx context.Context, rng *rand.Rand) {
	var conn *redis.Client
	id := int(k.nextClient.Add(1))
	for ctx.Err() == nil {
		if conn == nil {
			conn = k.Connect(rng)
		}
		kind := linear.Pick(rng, linear.All...)
		key := fmt.Sprintf("%s:%d-%d", kind.Name, time.Since(k.begun)/keyTime, rng.IntN(keySlots))
		argv := kind.Make(rng, strconv.FormatInt(k.values.Add(1), 10))
		if !k.ask(conn, id, key, argv) {
			_ = conn.Close()
			conn, id = nil, int(k.nextClient.Add(1))
			time.Sleep(rand.N(sulk))
		}
		time.Sleep(time.Duration(rng.Int64N(int64(k.Calm))))
	}
	if conn != nil {
		_ = conn.Close()
	}
}

// ask sends one command, or transaction, and writes down what came of it.
func (k *Keys) ask(conn *redis.Client, id int, key string, argv []string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	call := time.Since(k.begun)
	answer, err := do(ctx, conn, key, argv)
	back := time.Since(k.begun)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		answer = linear.Unknown
		k.errors[errorKind(err)]++
	} else {
		k.answered.Add(1)
		if linear.Writes(argv) {
			k.Writes.Beat()
		}
	}
	k.history.Add(key, id, argv, int64(call), int64(back), answer)
	return err == nil
}

// ReadAll reads every key once more: what was acknowledged must be there. It
// returns the keys that could not be read.
func (k *Keys) ReadAll() (unread []string) {
	keys := make(chan string)
	var mu sync.Mutex
	var reading sync.WaitGroup
	for i := range readers {
		rng := rand.New(rand.NewPCG(0, uint64(i)))
		reading.Go(func() {
			conn := k.Connect(rng)
			defer func() { _ = conn.Close() }()
			for key := range keys {
				if !k.read(&conn, rng, key) {
					mu.Lock()
					unread = append(unread, key)
					mu.Unlock()
				}
			}
		})
	}
	k.mu.Lock()
	all := k.history.Keys
	k.mu.Unlock()
	for _, key := range all {
		keys <- key
	}
	close(keys)
	reading.Wait()
	return unread
}

// read tries more than once: a member may just have come.
func (k *Keys) read(conn **redis.Client, rng *rand.Rand, key string) bool {
	for range 5 {
		if k.ask(*conn, int(k.nextClient.Add(1)), key, linear.KindOf(key).All) {
			return true
		}
		_ = (*conn).Close()
		time.Sleep(answerTime)
		*conn = k.Connect(rng)
	}
	return false
}

// Verdict is what the search for an order of the commands on every key found.
type Verdict struct {
	Linearizable, Undecided int
	// Illegal are the keys whose answers no order explains.
	Illegal []string
}

// Check judges every key. Nothing may use them meanwhile.
func (k *Keys) Check() (v Verdict) {
	keys := make(chan string)
	var mu sync.Mutex
	var checking sync.WaitGroup
	for range runtime.NumCPU() {
		checking.Go(func() {
			for key := range keys {
				result := k.history.Check(key)
				mu.Lock()
				switch result {
				case porcupine.Ok:
					v.Linearizable++
				case porcupine.Illegal:
					v.Illegal = append(v.Illegal, key)
				default:
					v.Undecided++
				}
				mu.Unlock()
			}
		})
	}
	for _, key := range k.history.Keys {
		keys <- key
	}
	close(keys)
	checking.Wait()
	return v
}

// Describe lists the commands of a key as they were called, in seconds.
func (k *Keys) Describe(key string) string { return k.history.Describe(key, int64(time.Second)) }

// At is a moment in the times of Describe.
func (k *Keys) At(moment time.Time) time.Duration { return moment.Sub(k.begun) }

// Names are the keys that were used, in their order.
func (k *Keys) Names() []string { return k.history.Keys }

// Answered is how many commands were.
func (k *Keys) Answered() int64 { return k.answered.Load() }

// Errors counts what came instead of answers, by its kind.
func (k *Keys) Errors() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.errors)
}
