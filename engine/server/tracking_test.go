package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/store"
)

// tracker logs in with RESP3 and has tracking on, with these options.
func (f *fixture) tracker(t *testing.T, options string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, r := f.login(t)
	f.track(t, c, r, options)
	return c, r
}

func (f *fixture) track(t *testing.T, c net.Conn, r *bufio.Reader, options string) {
	t.Helper()
	if _, err := io.WriteString(c, "HELLO 3\r\nPING hello\r\n"); err != nil {
		t.Fatal(err)
	}
	for line := ""; line != "hello\r\n"; {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	exchange(t, c, r, "CLIENT TRACKING ON "+options+"\r\n", "+OK\r\n")
}

func invalidationOf(keys ...string) string {
	b := fmt.Sprintf(">2\r\n$10\r\ninvalidate\r\n*%d\r\n", len(keys))
	for _, key := range keys {
		b += fmt.Sprintf("$%d\r\n%s\r\n", len(key), key)
	}
	return b
}

// TestAnInvalidationDoesNotOvertakeTheAnswer, which may be of the value before the
// change, and which the client would keep.
func TestAnInvalidationDoesNotOvertakeTheAnswer(t *testing.T) {
	f := start(t)
	c, r := f.tracker(t, "")
	exchange(t, c, r, "SET k 1\r\n", "+OK\r\n")
	release := f.holdWrites()
	if _, err := io.WriteString(c, "SET x 1\r\nGET k\r\n"); err != nil {
		t.Fatal(err)
	}
	f.untilHeld(t)
	f.KeysChanged([]store.Change{{Key: "k"}}) // while the answer is on its way
	f.loopTurn()
	release()
	exchange(t, c, r, "", "+OK\r\n$1\r\n1\r\n"+invalidationOf("k"))
	exchange(t, c, r, "GET k\r\n", "$1\r\n1\r\n") // remembered again
	f.KeysChanged([]store.Change{{Key: "k"}})
	exchange(t, c, r, "", invalidationOf("k"))
	exchange(t, c, r, "PING\r\n", "+PONG\r\n")
}

// TestAnInvalidationWaitsForWhatWaits: a command that stands behind others was
// taken up with them, and is evaluated later.
func TestAnInvalidationWaitsForWhatWaits(t *testing.T) {
	f := start(t)
	c, r := f.tracker(t, "")
	exchange(t, c, r, "SADD s 1\r\n", ":1\r\n")
	release := f.holdWrites()
	if _, err := io.WriteString(c, "SET x 1\r\nSMEMBERS s\r\n"); err != nil {
		t.Fatal(err)
	}
	f.untilHeld(t)
	f.KeysChanged([]store.Change{{Key: "s"}})
	f.loopTurn()
	release()
	exchange(t, c, r, "", "+OK\r\n~1\r\n$1\r\n1\r\n"+invalidationOf("s"))
}

// TestForgettingWaitsForTheAnswers, too: of commands that came together the last may
// take the place of the first.
func TestForgettingWaitsForTheAnswers(t *testing.T) {
	f := start(t)
	c, r := f.tracker(t, "")
	f.loop.post(func() { f.loop.trackers.most = 1 })
	f.loopTurn()
	exchange(t, c, r, "GET a\r\nGET b\r\nGET c\r\n", "_\r\n_\r\n_\r\n>2\r\n$10\r\ninvalidate\r\n")
}

// untilHeld waits until a batch of writes is held.
func (f *fixture) untilHeld(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		f.executor.mu.Lock()
		holding := f.executor.holding
		f.executor.mu.Unlock()
		if holding > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("no write was held")
		}
	}
}

// loopTurn waits until the loop has done what was posted before.
func (f *fixture) loopTurn() {
	done := make(chan struct{})
	f.loop.post(func() { close(done) })
	<-done
}

// TestTrackedKeysAreBounded: who has read a key that is forgotten is told, since
// nobody would hear of its changes.
func TestTrackedKeysAreBounded(t *testing.T) {
	f := start(t)
	c, r := f.tracker(t, "")
	f.loop.post(func() { f.loop.trackers.most = 3 })
	const keys = 50
	told := map[string]bool{}
	for i := range keys + 1 { // the last one is there already, unless it was forgotten itself
		if _, err := fmt.Fprintf(c, "GET key%d\r\nPING done\r\n", min(i, keys-1)); err != nil {
			t.Fatal(err)
		}
		for line := ""; line != "done\r\n"; {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			if key := strings.TrimSpace(line); strings.HasPrefix(key, "key") {
				told[key] = true
			}
		}
	}
	remembered := make(chan map[string]bool)
	f.loop.post(func() {
		names := map[string]bool{}
		for key := range f.loop.trackers.keys {
			names[key] = true
		}
		remembered <- names
	})
	names := <-remembered
	if len(names) != 3 {
		t.Errorf("%d keys are remembered", len(names))
	}
	for i := range keys {
		if key := fmt.Sprint("key", i); !names[key] && !told[key] {
			t.Errorf("%s is forgotten and it was not told", key)
		}
	}
}

// TestTrackedBytesAreBounded: names of keys are a client's to choose.
func TestTrackedBytesAreBounded(t *testing.T) {
	f := start(t, func(l *config.Limits) { l.MaxClientBufferBytes = 1 << 20 })
	c, r := f.tracker(t, "")
	for i := range 40 {
		key := fmt.Sprintf("%d-%s", i, strings.Repeat("k", 10_000))
		if _, err := fmt.Fprintf(c, "GET %s\r\nPING done\r\n", key); err != nil {
			t.Fatal(err)
		}
		for line := ""; line != "done\r\n"; {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}
	bytes := make(chan int64)
	f.loop.post(func() { bytes <- f.loop.trackers.bytes })
	if n := <-bytes; n > 256<<10 || n < 200<<10 {
		t.Errorf("%d bytes of keys are remembered", n)
	}
}

// TestWhoIsGoneIsForgotten, with all keys, and nothing is kept for nobody.
func TestWhoIsGoneIsForgotten(t *testing.T) {
	f := start(t)
	stays, sr := f.tracker(t, "")
	exchange(t, stays, sr, "GET shared\r\n", "_\r\n")
	c, r := f.tracker(t, "")
	const keys = 2*forgottenAtOnce + 10
	many := fmt.Appendf(nil, "*%d\r\n$6\r\nEXISTS\r\n$6\r\nshared\r\n", keys+2)
	for i := range keys {
		key := fmt.Sprint("key", i)
		many = fmt.Appendf(many, "$%d\r\n%s\r\n", len(key), key)
	}
	exchange(t, c, r, string(many), ":0\r\n")
	b, br := f.tracker(t, "BCAST PREFIX a PREFIX b")
	exchange(t, b, br, "PING\r\n", "+PONG\r\n")
	_, _ = c.Close(), b.Close()
	type state struct{ on, keys, pairs, prefixes int }
	is := func() state {
		got := make(chan state)
		f.loop.post(func() {
			l := f.loop.trackers
			got <- state{len(l.on), len(l.keys), l.pairs, len(l.prefixes)}
		})
		return <-got
	}
	for end := time.Now().Add(20 * time.Second); is() != (state{1, 1, 1, 0}); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("remembered: %+v", is())
		}
	}
	bytes := make(chan int64)
	f.loop.post(func() { bytes <- f.loop.trackers.bytes })
	if n, want := <-bytes, int64(trackedCost+trackerCost+len("shared")); n != want {
		t.Errorf("%d bytes, want %d", n, want)
	}
	exchange(t, stays, sr, "SET shared 1\r\n", "+OK\r\n"+invalidationOf("shared"))
	exchange(t, stays, sr, "CLIENT TRACKING OFF\r\nSET shared 2\r\n", "+OK\r\n+OK\r\n")
	f.executor.mu.Lock()
	defer f.executor.mu.Unlock()
	f.executor.machine.Databases().At(0).PutString([]byte("k"), []byte("v"), 0)
	if changes := f.executor.machine.Databases().Changes(); changes != nil {
		t.Errorf("kept although nobody wants to know: %v", changes)
	}
}

// TestBroadcastsTellOfReadableKeysAlone, unlike redis-server's.
func TestBroadcastsTellOfReadableKeysAlone(t *testing.T) {
	f := start(t)
	f.users(t, user("cart", func(u *acl.User) { u.Keys = []string{"cart:*"} }), user("all"))
	c, r := f.as(t, "cart")
	f.track(t, c, r, "BCAST")
	w, wr := f.as(t, "all")
	exchange(t, w, wr, "SET secret 1\r\n", "+OK\r\n")
	exchange(t, w, wr, "MSET secret 1 cart:2 1 cart:1 1\r\n", "+OK\r\n")
	exchange(t, c, r, "", invalidationOf("cart:1", "cart:2"))
}

// TestNoLoopHearsOfOthers: of a key that a connection has changed itself and read
// behind that in the same batch, and of one that others have changed in the same entry.
func TestNoLoopHearsOfOthers(t *testing.T) {
	f := start(t)
	w, wr := f.login(t)
	c, r := f.tracker(t, "NOLOOP")
	exchange(t, c, r, "SET k 1\r\nGET k\r\n", "+OK\r\n$1\r\n1\r\n")
	exchange(t, w, wr, "SET k 2\r\n", "+OK\r\n")
	exchange(t, c, r, "", invalidationOf("k"))

	b, br := f.tracker(t, "BCAST NOLOOP")
	exchange(t, b, br, "CLIENT ID\r\n", ":3\r\n")
	f.KeysChanged([]store.Change{{Key: "both", By: 3}, {Key: "both", By: 1}, {Key: "own", By: 3}, {Key: "own", By: 3}})
	exchange(t, b, br, "", invalidationOf("both"))
}

// TestOneUserStandsIn for no other, who has not asked for what would be pushed.
func TestOneUserStandsIn(t *testing.T) {
	f := start(t)
	f.users(t, user("one"), user("two"))
	c, r := f.as(t, "one")
	same, sr := f.as(t, "one")
	exchange(t, same, sr, "CLIENT ID\r\n", ":2\r\n")
	other, or := f.as(t, "two")
	exchange(t, other, or, "CLIENT ID\r\n", ":3\r\n")
	exchange(t, c, r, "CLIENT TRACKING ON REDIRECT 3\r\n", "-ERR The client ID you want redirect to does not exist\r\n")
	exchange(t, c, r, "CLIENT TRACKING ON REDIRECT 2\r\nGET k\r\n", "+OK\r\n$-1\r\n")
	exchange(t, same, sr, "AUTH two two\r\nHELLO 3\r\n", "+OK\r\n%")
	exchange(t, other, or, "SET k 1\r\n", "+OK\r\n")
	if _, err := io.WriteString(c, "CLIENT TRACKINGINFO\r\n"); err != nil {
		t.Fatal(err)
	}
	for line := ""; line != "broken_redirect\r\n"; {
		var err error
		if line, err = r.ReadString('\n'); err != nil || line == "redirect\r\n" {
			t.Fatalf("another user's connection stands in: %q, %v", line, err)
		}
	}
}

// TestManyChangesAreOneBroadcast, which names none of them.
func TestManyChangesAreOneBroadcast(t *testing.T) {
	f := start(t)
	c, r := f.tracker(t, "BCAST PREFIX a")
	var changes []store.Change
	for i := range maxBroadcast + 1 {
		changes = append(changes, store.Change{Key: fmt.Sprint("b", i)})
	}
	f.KeysChanged(changes[:maxBroadcast])
	f.KeysChanged(changes)
	exchange(t, c, r, "", ">2\r\n$10\r\ninvalidate\r\n_\r\n")
	f.KeysChanged([]store.Change{{Key: "a" + strings.Repeat("x", maxBroadcastBytes)}})
	exchange(t, c, r, "", ">2\r\n$10\r\ninvalidate\r\n_\r\n")
}

// TestPrefixesAreBounded.
func TestPrefixesAreBounded(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	var prefixes []string
	for i := range 300 {
		prefixes = append(prefixes, fmt.Sprintf("PREFIX p%03d", i))
	}
	exchange(t, c, r, "CLIENT TRACKING ON BCAST "+strings.Join(prefixes, " ")+"\r\n", "-"+errTooManyPrefixes.Error()+"\r\n")
	exchange(t, c, r, "CLIENT TRACKING ON BCAST "+strings.Join(prefixes[:100], " ")+"\r\n", "+OK\r\n")
	exchange(t, c, r, "CLIENT TRACKING ON BCAST "+strings.Join(prefixes[100:250], " ")+"\r\n", "-"+errTooManyPrefixes.Error()+"\r\n")
}

// TestWhoDoesNotTakeInvalidationsIsClosed: one that is lost would leave the client
// with a value that is none any more.
func TestWhoDoesNotTakeInvalidationsIsClosed(t *testing.T) {
	f := start(t, func(l *config.Limits) { l.MaxOutputBytes = 64 << 10 })
	c, r := f.tracker(t, "BCAST")
	exchange(t, c, r, "SET k 1\r\n", "+OK\r\n"+invalidationOf("k"))
	release := f.holdWrites()
	defer release()
	if _, err := io.WriteString(c, "SET k 2\r\n"); err != nil {
		t.Fatal(err)
	}
	f.untilHeld(t)
	for range 80 { // withheld, until there are too many
		f.KeysChanged([]store.Change{{Key: strings.Repeat("k", 1000)}})
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("reading on: %v", err)
	}
}
