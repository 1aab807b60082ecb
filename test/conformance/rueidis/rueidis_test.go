// Package rueidis runs rueidis, whose clients keep what they read and rely on
// being told when it changes (CLIENT TRACKING), against the built engine.
package rueidis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coffer-dev/coffer/test/fixture/devengine"
)

const (
	// kept is how long clients keep what they read at most: longer than any test takes,
	// so that one who is not told of a change shows the old value until the test gives up.
	kept     = time.Hour
	patience = 20 * time.Second
)

func TestMain(m *testing.M) { devengine.Main(m) }

// database is an engine for one test.
type database struct {
	t            *testing.T
	dir, address string
}

func start(t *testing.T) database {
	t.Helper()
	e := devengine.Start(t, devengine.Build(t), filepath.Join(t.TempDir(), "dev"))
	return database{t: t, dir: e.Dir, address: e.Host + ":" + e.Port}
}

func (d database) read(name string) string {
	d.t.Helper()
	data, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// options are what an application writes.
func (d database) options() rueidis.ClientOption {
	d.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(d.read("ca.crt")))
	return rueidis.ClientOption{
		InitAddress: []string{d.address}, Username: "default", Password: d.read("password"),
		TLSConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13},
	}
}

// client is an application's own client, and a hand that looks into what it keeps.
type client struct {
	rueidis.Client
	t *testing.T
}

func (d database) connect(mods ...func(*rueidis.ClientOption)) client {
	d.t.Helper()
	options := d.options()
	for _, mod := range mods {
		mod(&options)
	}
	c, err := rueidis.NewClient(options)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(c.Close)
	return client{c, d.t}
}

// do says the words of a line.
func (c client) do(line string) {
	c.t.Helper()
	words := strings.Fields(line)
	if err := c.Do(context.Background(), c.B().Arbitrary(words...).Build()).Error(); err != nil && !rueidis.IsRedisNil(err) {
		c.t.Fatalf("%s: %v", line, err)
	}
}

// look reads through what the client keeps.
func (c client) look(cmd rueidis.Cacheable) (value string, hit bool) {
	c.t.Helper()
	return c.shown(c.DoCache(context.Background(), cmd, kept))
}

func (c client) get(key string) (value string, hit bool) {
	c.t.Helper()
	return c.look(c.B().Get().Key(key).Cache())
}

// shown is what an answer holds; "nil" for nothing.
func (c client) shown(r rueidis.RedisResult) (value string, hit bool) {
	c.t.Helper()
	if err := r.Error(); rueidis.IsRedisNil(err) {
		return "nil", r.IsCacheHit()
	} else if err != nil {
		c.t.Fatal(err)
	}
	v, err := r.ToAny()
	if err != nil {
		c.t.Fatal(err)
	}
	return fmt.Sprint(v), r.IsCacheHit()
}

// keeps reads twice and wants the second answer out of what the client keeps.
func (c client) keeps(read func() rueidis.Cacheable, want string) {
	c.t.Helper()
	if got, hit := c.look(read()); got != want || hit {
		c.t.Fatalf("the first read: %s (kept: %v), want %s of the engine", got, hit, want)
	}
	if got, hit := c.look(read()); got != want || !hit {
		c.t.Fatalf("the second read: %s (kept: %v), want %s of what was kept", got, hit, want)
	}
}

// learns waits until the client shows the value, which is once it was told.
func (c client) learns(read func() rueidis.Cacheable, want string) {
	c.t.Helper()
	var got string
	within(c.t, func() bool {
		got, _ = c.look(read())
		return got == want
	}, func() string { return fmt.Sprintf("the client goes on with %s, want %s", got, want) })
}

func within(t *testing.T, reached func() bool, otherwise func() string) {
	t.Helper()
	for end := time.Now().Add(patience); !reached(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise())
		}
	}
}
