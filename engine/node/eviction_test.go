package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/test/fixture/redisserver"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// TestHitRateBesideRedis uses a cache as applications do, with keys of a Zipf
// distribution, beside redis-server with as much memory and the same policy.
func TestHitRateBesideRedis(t *testing.T) {
	const memory = 3 << 20
	for _, policy := range []config.EvictionPolicy{config.AllKeysLRU, config.AllKeysLFU} {
		t.Run(string(policy), func(t *testing.T) {
			m := newMember(t, func(c *config.Config) {
				c.Memory = config.Memory{LimitBytes: memory, EvictionPolicy: policy}
				c.Durability = config.EverySecond
			})
			ours := m.redis(t)
			theirs := realRedis(t, "--maxmemory", strconv.Itoa(memory), "--maxmemory-policy", c(policy))
			a, b := hitRate(t, ours), hitRate(t, theirs)
			t.Logf("hits: %.3f, redis-server %.3f; %s", a, b, field(t, ours, "evicted_keys"))
			if a < 0.98*b {
				t.Errorf("%.3f of the reads find their key, with redis-server %.3f", a, b)
			}
			if evicted := field(t, ours, "evicted_keys"); evicted == "0" {
				t.Error("nothing was evicted: the test shows nothing")
			}
			if got := field(t, ours, "maxmemory_policy"); got != c(policy) {
				t.Errorf("maxmemory_policy:%s, want %s", got, c(policy))
			}
		})
	}
}

// c is the policy by redis-server's name.
func c(policy config.EvictionPolicy) string {
	return config.Memory{EvictionPolicy: policy}.MaxMemoryPolicy()
}

// hitRate reads keys and writes those that are missed, many at a time.
func hitRate(t *testing.T, client *redis.Client) float64 {
	t.Helper()
	const reads, keys, together = 60_000, 100_000, 50
	ctx, value := context.Background(), strings.Repeat("v", 500)
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.05, 1, keys)
	hits := 0
	for range reads / together {
		wanted := make([]string, together)
		gets, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range wanted {
				wanted[i] = fmt.Sprintf("object:%d", zipf.Uint64())
				p.Get(ctx, wanted[i])
			}
			return nil
		})
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		sets := client.Pipeline()
		for i, get := range gets {
			if get.Err() == nil {
				hits++
			} else {
				sets.Set(ctx, wanted[i], value, 0)
			}
		}
		if _, err := sets.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return float64(hits) / reads
}

// field is a line of INFO.
func field(t *testing.T, client *redis.Client, name string) string {
	t.Helper()
	info, err := client.Info(context.Background()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("INFO has no %s", name)
	return ""
}

// realRedis starts redis-server on a socket of its own.
func realRedis(t *testing.T, args ...string) *redis.Client {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: -1, DialTimeout: time.Second})
	t.Cleanup(func() { _ = client.Close() })
	redisserver.Start(t, dir, func() error { return client.Ping(context.Background()).Err() }, append([]string{"--unixsocket", socket}, args...)...)
	return client
}

// TestMembersAgreeUnderEviction: who leads evicts, and the others follow to the
// same state, whoever leads next and however one ends.
func TestMembersAgreeUnderEviction(t *testing.T) {
	r := replicas.New(t, 3, func(c config.Config, name string) (replicas.Member, error) {
		return node.Start(node.Options{Config: c, Member: name, Version: "test", DigestEvery: 40, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	})
	for i := range r.Configs {
		r.Configs[i].Memory = config.Memory{LimitBytes: 1 << 20, EvictionPolicy: config.AllKeysLFU}
	}
	r.Form()
	n, value := 0, strings.Repeat("v", 20_000)
	for range 2 {
		leader := r.WaitLeader()
		client := r.Redis(leader)
		begin := r.Status(leader).AppliedIndex
		r.Until("members that agree on what was evicted", func() bool {
			for range 20 {
				if err := client.Set(t.Context(), fmt.Sprint("key", n), value, 0).Err(); err != nil {
					t.Fatal(err)
				}
				n++
			}
			for i := range 3 {
				if r.Status(i).Group.AgreedIndex <= begin {
					return false
				}
			}
			return field(t, client, "evicted_keys") != "0"
		})
		if keys := r.Status(leader).Keys; keys > 60 {
			t.Errorf("%d keys of 20 kB in a MiB", keys)
		}
		r.Stop(leader)
		r.Until("another leader", func() bool { return r.WaitLeader() != leader })
		r.Start(leader)
	}
}
