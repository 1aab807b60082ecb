package node_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/client"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// inProcess starts a member in the test's own process, under its race detector.
func inProcess(c config.Config, name string) (replicas.Member, error) {
	return node.Start(node.Options{Config: c, Member: name, Version: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

// TestReplicasServeOneDatabase, whichever of them a client asks.
func TestReplicasServeOneDatabase(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	ctx := t.Context()
	for i := range 3 {
		if err := r.Redis(i).Set(ctx, fmt.Sprint("key", i), i, 0).Err(); err != nil {
			t.Fatalf("write by member %d: %v", i, err)
		}
	}
	for i := range 3 {
		for j := range 3 {
			if got := r.Redis(i).Get(ctx, fmt.Sprint("key", j)).Val(); got != fmt.Sprint(j) {
				t.Errorf("member %d: key%d is %q", i, j, got)
			}
		}
	}
	var index uint64
	r.Until("equal members", func() bool {
		index = r.Status(0).AppliedIndex
		return r.Status(1).AppliedIndex == index && r.Status(2).AppliedIndex == index && r.Status(1).Keys == 3
	})
}

// TestReplicasOutliveTheirLeader, and what was acknowledged with them.
func TestReplicasOutliveTheirLeader(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	ctx := t.Context()
	for round := range 3 {
		old := r.WaitLeader()
		other := (old + 1) % 3
		if err := r.Redis(other).Set(ctx, fmt.Sprint("round", round), "there", 0).Err(); err != nil {
			t.Fatal(err)
		}
		r.Stop(old)
		r.Until("another leader", func() bool { l := r.WaitLeader(); return l != old })
		c := r.Redis(other)
		for i := range round + 1 {
			if got, err := c.Get(ctx, fmt.Sprint("round", i)).Result(); got != "there" {
				t.Errorf("round %d: write %d is %q, %v", round, i, got, err)
			}
		}
		r.Start(old)
		r.Until("the member back", func() bool { return r.Status(old).Ready })
	}
}

// fill writes that much in values of 10 KB, of which no two are alike.
func fill(t *testing.T, c *redis.Client, bytes int) {
	t.Helper()
	const size = 10_000
	for n := 0; n < bytes/size; n += 100 {
		pipe := c.Pipeline()
		for k := n; k < n+100; k++ {
			pipe.Set(t.Context(), fmt.Sprint("fill", k), fmt.Sprintf("%0*d", size, k), 0)
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReplicaThatLagsGetsASnapshot, and one whose volume is lost is nobody until
// it is added anew, under another number.
func TestReplicaThatLagsGetsASnapshot(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	lag := (r.WaitLeader() + 1) % 3
	r.Stop(lag)
	fill(t, r.Redis(r.WaitLeader()), 30<<20)
	r.Start(lag)
	r.Until("the member that lagged to have all", func() bool { return r.Status(lag).Keys == r.Status(r.WaitLeader()).Keys })

	old, _ := r.ID(lag)
	r.Stop(lag)
	r.Wipe(lag)
	r.Start(lag)
	r.Until("the leader to know that a volume is lost", func() bool {
		for _, m := range r.Status(r.WaitLeader()).Group.Members {
			if m.ID == old {
				return m.Blank
			}
		}
		return false
	})
	if s := r.Status(lag); s.Role != "blank" || s.Ready || s.Group.ID != 0 {
		t.Errorf("a member without its volume: %+v", s)
	}
	r.Leave(lag)
	r.Join(lag)
	if id, _ := r.ID(lag); id == old || id == 0 {
		t.Errorf("the member that was added anew has number %d, before %d", id, old)
	}
	r.Until("the new member to have all", func() bool { return r.Status(lag).Keys == r.Status(r.WaitLeader()).Keys })
	r.Stop(r.WaitLeader())
	r.WaitLeader() // of the two that are left
}

// TestReplicasRefuseWhatIsNotTheirs: another instance, certificates of another
// authority or without the name, the volume of another member.
func TestReplicasRefuseWhatIsNotTheirs(t *testing.T) {
	r := replicas.New(t, 2, inProcess)
	r.Form()
	r.Stop(1)
	was := r.Configs[1]
	r.Configs[1].DataDir = r.Configs[0].DataDir + "-copy"
	if err := os.CopyFS(r.Configs[1].DataDir, os.DirFS(r.Configs[0].DataDir)); err != nil {
		t.Fatal(err)
	}
	r.Start(1)
	if err := r.Take(1).(*node.Node).Run(t.Context()); !errors.Is(err, node.ErrForeign) {
		t.Errorf("the volume of another member: %v", err)
	}
	r.Configs[1] = was
	r.Configs[1].Instance = "shop/other"
	r.Start(1)
	if err := r.Take(1).(*node.Node).Run(t.Context()); !errors.Is(err, node.ErrForeign) {
		t.Errorf("the volume of another instance: %v", err)
	}
	r.Configs[1] = was
	r.Start(1)
	r.Until("both again", func() bool { return r.Status(1).Ready })
}

// TestReplicasTakeUpCertificates while they serve.
func TestReplicasTakeUpCertificates(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	c := r.Redis(r.WaitLeader())
	for i := range 3 {
		r.Certify()
		time.Sleep(300 * time.Millisecond)
		if err := c.Set(t.Context(), "k", i, 0).Err(); err != nil {
			t.Fatalf("after certificate %d: %v", i, err)
		}
	}
}

// TestReplicasHandTheLeadershipOver without an election timeout.
func TestReplicasHandTheLeadershipOver(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	for range 4 {
		old := r.WaitLeader()
		to := (old + 1) % 3
		id, _ := r.ID(to)
		c := r.Redis(to)
		if err := c.Incr(t.Context(), "n").Err(); err != nil {
			t.Fatal(err)
		}
		r.Change(adminapi.GroupChange{Operation: adminapi.GroupTransfer, ID: id})
		r.Until("the other to lead", func() bool { return r.Status(to).Role == "leader" })
	}
	if got := r.Redis(0).Get(t.Context(), "n").Val(); got != "4" {
		t.Errorf("counted to %s", got)
	}
	if err := r.Admin(r.WaitLeader()).Change(t.Context(), adminapi.GroupChange{Operation: adminapi.GroupTransfer, ID: 99}); !errors.Is(err, client.ErrRefused) || !strings.Contains(err.Error(), "99 is not a voter") {
		t.Errorf("a transfer to nobody: %v", err)
	}
	// Without a majority nobody is served, and nobody told that he is.
	leader := r.WaitLeader()
	r.Stop((leader + 1) % 3)
	r.Stop((leader + 2) % 3)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := r.Redis(leader).Set(ctx, "lonely", 1, 0).Err(); err == nil {
		t.Error("a write was acknowledged by one member of three")
	}
	if err := r.Redis(leader).Get(ctx, "n").Err(); err == nil {
		t.Error("a read was answered by one member of three")
	}
}

// TestWhoTriesOnceMoreNoticesNoSwitchover: a connection ends with the leadership
// that it is of, and no connection is made for one that has ended.
func TestWhoTriesOnceMoreNoticesNoSwitchover(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	var clients sync.WaitGroup
	var acknowledged atomic.Int64
	stop := make(chan struct{})
	for i := range 12 {
		o := r.Redis(0).Options()
		o.PoolSize, o.MaxRetries, o.MinRetryBackoff = 1, 1, -1 // what is tried again has a connection of its own
		turn := i
		o.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
			turn++
			return (&tls.Dialer{Config: o.TLSConfig}).DialContext(ctx, network, r.Configs[turn%3].Listen.Keys)
		}
		c := redis.NewClient(o)
		defer c.Close()
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := c.Incr(context.Background(), fmt.Sprint("n", i)).Err(); err != nil {
					t.Errorf("a command failed twice: %v", err)
					return
				}
				acknowledged.Add(1)
			}
		})
	}
	for range 6 {
		old := r.WaitLeader()
		id, _ := r.ID((old + 1) % 3)
		r.Change(adminapi.GroupChange{Operation: adminapi.GroupTransfer, ID: id})
		before := acknowledged.Load()
		r.Until("the other to lead, and writes", func() bool {
			return r.Status((old+1)%3).Role == "leader" && acknowledged.Load() > before+100
		})
	}
	close(stop)
	clients.Wait()
}

// TestALeaderKnowsWhoComesThroughAMember: its address is the client's own.
func TestALeaderKnowsWhoComesThroughAMember(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	o := r.Redis((r.WaitLeader() + 1) % 3).Options()
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 99)}}
	o.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&tls.Dialer{NetDialer: from, Config: o.TLSConfig}).DialContext(ctx, network, address)
	}
	c := redis.NewClient(o)
	defer c.Close()
	if info, err := c.Do(t.Context(), "CLIENT", "INFO").Text(); err != nil || !strings.Contains(info, " addr=127.0.0.99:") {
		t.Errorf("%q, %v", info, err)
	}
}

// TestAVoteIsForWhoHasTheLog: a member that nobody has heard of, or that has not
// caught up, gets none; who leads cannot be taken out, nor a majority broken.
func TestAVoteIsForWhoHasTheLog(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Start(0)
	r.Start(1)
	r.Until("a member to begin", func() bool { return r.Status(0).Role == "blank" })
	refused := func(c adminapi.GroupChange, why string) {
		t.Helper()
		err := r.Admin(0).Change(t.Context(), c)
		if !errors.Is(err, client.ErrRefused) || !strings.Contains(err.Error(), why) {
			t.Errorf("%+v: %v, want %q", c, err, why)
		}
	}
	refused(adminapi.GroupChange{Operation: adminapi.GroupAdd, Member: "kv-1"}, "not in a group yet")
	if err := r.Admin(1).Change(t.Context(), adminapi.GroupChange{Operation: adminapi.GroupBegin}); !errors.Is(err, client.ErrRefused) {
		t.Errorf("a second member began a group: %v", err)
	}
	if err := r.Admin(0).Change(t.Context(), adminapi.GroupChange{Operation: adminapi.GroupBegin}); err != nil {
		t.Fatal(err)
	}
	r.WaitLeader()
	refused(adminapi.GroupChange{Operation: adminapi.GroupAdd, Member: "other-1"}, `"other-1" is not a pod of this instance`)
	refused(adminapi.GroupChange{Operation: adminapi.GroupRemove, ID: 1}, "transfer the leadership first")
	r.Change(adminapi.GroupChange{Operation: adminapi.GroupAdd, Member: "kv-2"}) // which does not run
	var id uint64
	r.Until("a learner", func() bool { id, _ = r.ID(2); return id != 0 && !r.Status(0).Group.Changing })
	refused(adminapi.GroupChange{Operation: adminapi.GroupPromote, ID: id}, "has the log up to 0 of")
	refused(adminapi.GroupChange{Operation: adminapi.GroupTransfer, ID: id}, "is not a voter")
	refused(adminapi.GroupChange{Operation: adminapi.GroupAdd, Member: "kv-2"}, "remove it first")
	r.Leave(2)
	r.Join(1)
	r.Stop(1)
	r.Start(2)
	r.Until("a leader without a majority to step down", func() bool { return r.Status(0).Role != "leader" })
	if r.Status(2).Role != "blank" {
		t.Errorf("a member that nobody added: %+v", r.Status(2))
	}
	r.Start(1)
	r.Until("a leader", func() bool { return r.Leader() >= 0 })
}
