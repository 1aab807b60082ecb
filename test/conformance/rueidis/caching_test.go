package rueidis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// changes are what others do to what a client keeps.
var changes = []struct {
	name, before string // what is written first, if anything
	read         func(rueidis.Builder) rueidis.Cacheable
	was          string
	change, is   string
}{
	{"a write", "SET k a", getK, "a", "SET k b", "b"},
	{"a first write", "", getK, "nil", "SET k b", "b"},
	{"a deletion", "SET k a", getK, "a", "DEL k", "nil"},
	{"an increment", "SET k 1", getK, "1", "INCR k", "2"},
	{"a part", "SET k abc", func(b rueidis.Builder) rueidis.Cacheable { return b.Getrange().Key("k").Start(1).End(2).Cache() }, "bc", "SETRANGE k 1 x", "xc"},
	{"another name", "SET j a", getK, "nil", "RENAME j k", "a"},
	{"a field", "HSET k f a g b", func(b rueidis.Builder) rueidis.Cacheable { return b.Hget().Key("k").Field("f").Cache() }, "a", "HSET k f c", "c"},
	{"fields", "HSET k f a", func(b rueidis.Builder) rueidis.Cacheable { return b.Hmget().Key("k").Field("f", "g").Cache() }, "[a <nil>]", "HSET k g b", "[a b]"},
	{"an element", "RPUSH k a b", func(b rueidis.Builder) rueidis.Cacheable { return b.Lrange().Key("k").Start(0).Stop(-1).Cache() }, "[a b]", "LPOP k", "[b]"},
	{"a member", "SADD k a", func(b rueidis.Builder) rueidis.Cacheable { return b.Sismember().Key("k").Member("b").Cache() }, "0", "SADD k b", "1"},
	{"a score", "ZADD k 1 a", func(b rueidis.Builder) rueidis.Cacheable { return b.Zscore().Key("k").Member("a").Cache() }, "1", "ZINCRBY k 1.5 a", "2.5"},
	{"a type", "", func(b rueidis.Builder) rueidis.Cacheable { return b.Type().Key("k").Cache() }, "none", "RPUSH k a", "list"},
	{"a key of several", "MSET k a j b", func(b rueidis.Builder) rueidis.Cacheable { return b.Mget().Key("k", "j", "i").Cache() }, "[a b <nil>]", "SET i c", "[a b c]"},
	{"a script's", "SET k a", getK, "a", "EVAL redis.call('SET',KEYS[1],'b') 1 k", "b"},
	{"an expiry", "SET k a", getK, "a", "PEXPIRE k -1", "nil"},
	// The client does not ask how long the key is to live, so it has to be told.
	{"time", "SET k a PX 2000", func(b rueidis.Builder) rueidis.Cacheable { return b.Get().Key("k").Cache().ToStaticTTL() }, "a", "PING", "nil"},
	{"FLUSHALL", "SET k a", getK, "a", "FLUSHALL", "nil"},
	{"FLUSHDB", "SET k a", getK, "a", "FLUSHDB ASYNC", "nil"},
}

func getK(b rueidis.Builder) rueidis.Cacheable { return b.Get().Key("k").Cache() }

// TestWhatOthersChangeIsReadAgain, and nothing else is.
func TestWhatOthersChangeIsReadAgain(t *testing.T) {
	d := start(t)
	other := d.connect()
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			other := client{other.Client, t}
			other.do("FLUSHALL")
			if tt.before != "" {
				other.do(tt.before)
			}
			d.t = t
			mine := d.connect() // as it comes: OPTIN
			read := func() rueidis.Cacheable { return tt.read(mine.B()) }
			mine.keeps(read, tt.was)
			other.do("SET another 1")
			if got, hit := mine.look(read()); tt.name != "time" && (got != tt.was || !hit) {
				t.Errorf("after another key was written: %s (kept: %v)", got, hit)
			}
			other.do(tt.change)
			mine.learns(read, tt.is)
			if got, hit := mine.look(read()); got != tt.is || !hit && tt.is != "nil" {
				t.Errorf("when it was read again: %s (kept: %v)", got, hit)
			}
		})
	}
}

// TestTransactionsChangeWhatIsKept, one by a client that watches, and one's own.
func TestTransactionsChangeWhatIsKept(t *testing.T) {
	d := start(t)
	mine, other := d.connect(), d.connect()
	read := func() rueidis.Cacheable { return getK(mine.B()) }
	for i, c := range []client{other, mine, other} {
		was, is := strconv.Itoa(i), strconv.Itoa(i+1)
		mine.do("SET k " + was)
		mine.learns(read, was)
		err := c.Dedicated(func(on rueidis.DedicatedClient) error {
			ctx, b := context.Background(), on.B()
			for _, r := range on.DoMulti(ctx, b.Watch().Key("k").Build(), b.Multi().Build(), b.Incr().Key("k").Build(), b.Set().Key("j").Value(is).Build(), b.Exec().Build()) {
				if err := r.Error(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		mine.learns(read, is)
	}
}

// TestManyAtOnce: DoMultiCache asks for what is missing, in one go.
func TestManyAtOnce(t *testing.T) {
	d := start(t)
	mine, other := d.connect(), d.connect()
	ask := func() (values []string, hits int) {
		var all []rueidis.CacheableTTL
		for i := range 100 {
			all = append(all, rueidis.CT(mine.B().Get().Key(fmt.Sprint("k", i)).Cache(), kept))
		}
		all = append(all, rueidis.CT(mine.B().Hgetall().Key("h").Cache(), kept))
		for _, r := range mine.DoMultiCache(context.Background(), all...) {
			value, hit := mine.shown(r)
			values = append(values, value)
			if hit {
				hits++
			}
		}
		return values, hits
	}
	for i := range 100 {
		other.do(fmt.Sprintf("SET k%d v%d", i, i))
	}
	other.do("HSET h f v")
	first, hits := ask()
	if hits != 0 || first[99] != "v99" || first[100] != "map[f:v]" {
		t.Errorf("at first: %q, %d kept", first, hits)
	}
	if again, hits := ask(); hits != 101 || fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("again: %q, %d kept", again, hits)
	}
	other.do("MSET k1 new k50 new")
	other.do("HSET h f new")
	missed := 0
	within(t, func() bool {
		now, hits := ask()
		missed += len(now) - hits
		return now[1] == "new" && now[50] == "new" && now[100] == "map[f:new]"
	}, func() string { return "the client goes on with what it kept" })
	if missed != 3 {
		t.Errorf("%d were asked for again, want the 3 that changed", missed)
	}
}

// TestBroadcast: a client that names prefixes is told of every key that has one,
// read or not.
func TestBroadcast(t *testing.T) {
	d := start(t)
	told := make(chan string, 100)
	mine := d.connect(func(o *rueidis.ClientOption) {
		o.ClientTrackingOptions = []string{"BCAST", "PREFIX", "user:", "PREFIX", "page:"}
		o.PipelineMultiplex = -1 // one connection: each is told
		o.OnInvalidations = func(keys []rueidis.RedisMessage) {
			if keys == nil {
				told <- "all"
			}
			for _, key := range keys {
				name, _ := key.ToString()
				told <- name
			}
		}
	})
	hears := func(keys ...string) {
		t.Helper()
		for _, want := range keys {
			select {
			case got := <-told:
				if got != want {
					t.Errorf("told of %s, want %s", got, want)
				}
			case <-time.After(patience):
				t.Fatalf("told of nothing, want %s", want)
			}
		}
	}
	other := d.connect()
	other.do("MSET user:1 a page:1 a else:1 a")
	hears("page:1", "user:1") // in the order of the prefixes
	for _, key := range []string{"user:1", "page:1", "else:1"} {
		mine.keeps(func() rueidis.Cacheable { return mine.B().Get().Key(key).Cache() }, "a")
	}
	other.do("SET else:1 b")
	other.do("SET user:2 b") // which nobody read
	hears("user:2")
	for _, key := range []string{"user:1", "page:1", "else:1"} { // the last has none of the prefixes
		if got, hit := mine.get(key); got != "a" || !hit {
			t.Errorf("%s: %s (kept: %v)", key, got, hit)
		}
	}
	other.do("SET page:1 b")
	mine.learns(func() rueidis.Cacheable { return mine.B().Get().Key("page:1").Cache() }, "b")
	other.do("FLUSHALL")
	mine.learns(func() rueidis.Cacheable { return mine.B().Get().Key("user:1").Cache() }, "nil")
	hears("page:1", "all")
}

// TestWhatIsKeptEndsWithItsConnection: changes that come while there is none are
// not missed.
func TestWhatIsKeptEndsWithItsConnection(t *testing.T) {
	d := start(t)
	mine, other := d.connect(), d.connect()
	other.do("SET k a")
	read := func() rueidis.Cacheable { return getK(mine.B()) }
	mine.keeps(read, "a")
	for i := range 10 {
		want := fmt.Sprint("after", i)
		other.do("CLIENT KILL TYPE normal SKIPME yes")
		other.do("SET k " + want)
		mine.learns(read, want)
	}
}

// TestNobodySeesTheKeysGoBack has many read what many write, all through one client
// that keeps what it reads, and in the end it shows what is there.
func TestNobodySeesTheKeysGoBack(t *testing.T) {
	const keys, writers, readers, writes = 50, 4, 8, 300
	d := start(t)
	mine, other := d.connect(), d.connect()
	ctx, name := context.Background(), func(i int) string { return fmt.Sprint("counter:", i) }
	var reading, writing sync.WaitGroup
	var ended atomic.Bool
	var hits, misses atomic.Int64
	for range writers {
		writing.Go(func() {
			for range writes {
				if err := other.Do(ctx, other.B().Incr().Key(name(rand.IntN(keys))).Build()).Error(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range readers {
		reading.Go(func() {
			var seen [keys]int64
			for !ended.Load() {
				i := rand.IntN(keys)
				r := mine.DoCache(ctx, mine.B().Get().Key(name(i)).Cache(), kept)
				if r.IsCacheHit() {
					hits.Add(1)
				} else {
					misses.Add(1)
				}
				now, err := r.AsInt64()
				if err != nil && !rueidis.IsRedisNil(err) || now < seen[i] {
					t.Errorf("%s is %d (%v) and was %d", name(i), now, err, seen[i])
					return
				}
				seen[i] = now
			}
		})
	}
	writing.Wait()
	ended.Store(true)
	reading.Wait()
	for i := range keys {
		is, err := other.Do(ctx, other.B().Get().Key(name(i)).Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		mine.learns(func() rueidis.Cacheable { return mine.B().Get().Key(name(i)).Cache() }, is)
	}
	t.Logf("%d reads of what was kept, %d of the engine", hits.Load(), misses.Load())
	if hits.Load() == 0 || misses.Load() <= keys {
		t.Error("nothing was kept, or nothing was told: the test shows nothing")
	}
}
