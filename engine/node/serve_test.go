package node_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/client"
	"github.com/coffer-dev/coffer/engine/config"
)

func TestRealClient(t *testing.T) {
	m := newMember(t)
	ctx := t.Context()
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", protocol), func(t *testing.T) {
			c := m.redis(t, func(o *redis.Options) { o.Protocol = protocol })
			if err := c.Set(ctx, "k", "v\r\n\x00", time.Hour).Err(); err != nil {
				t.Fatal(err)
			}
			if got, err := c.Get(ctx, "k").Result(); err != nil || got != "v\r\n\x00" {
				t.Errorf("GET: %q, %v", got, err)
			}
			if err := c.Get(ctx, "absent").Err(); !errors.Is(err, redis.Nil) {
				t.Errorf("GET of an absent key: %v", err)
			}
			cmds, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
				for i := range 2000 {
					p.Set(ctx, fmt.Sprintf("p%d", i), i, 0)
					p.Incr(ctx, fmt.Sprintf("p%d", i))
				}
				return nil
			})
			if err != nil || len(cmds) != 4000 || cmds[3999].(*redis.IntCmd).Val() != 2000 {
				t.Errorf("pipeline: %d replies, %v", len(cmds), err)
			}
			info, err := c.Info(ctx).Result()
			for _, want := range []string{"redis_version:7.2.4", "maxmemory_policy:noeviction", "coffer_version:test", "max_key_bytes:65536", "role:master", "loading:0"} {
				if !strings.Contains(info, want) {
					t.Errorf("INFO lacks %s (%v)", want, err)
				}
			}
		})
	}
	large := strings.Repeat("x", 20<<20)
	c := m.redis(t, func(o *redis.Options) { o.ReadTimeout = time.Minute })
	if err := c.Set(ctx, "large", large, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(ctx, "large").Result(); err != nil || got != large {
		t.Errorf("a large value came back as %d bytes, %v", len(got), err)
	}
}

// TestBadInputLeavesOthersAlone: each offender gets its error and its end; a
// client that works beside them notices nothing.
func TestBadInputLeavesOthersAlone(t *testing.T) {
	m := newMember(t)
	var stop atomic.Bool
	var done sync.WaitGroup
	neighbour := m.redis(t)
	done.Go(func() {
		for i := 0; !stop.Load(); i++ {
			if err := neighbour.Set(context.Background(), "n", i, 0).Err(); err != nil {
				t.Errorf("the neighbour's command failed: %v", err)
				return
			}
		}
	})
	defer done.Wait()
	defer stop.Store(true)

	t.Run("TLS 1.2", func(t *testing.T) {
		c := m.tls()
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		if _, err := tls.Dial("tcp", m.addr(), c); err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("plaintext", func(t *testing.T) {
		c, err := net.Dial("tcp", m.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(c, "PING\r\n")
		got, _ := io.ReadAll(c)
		if strings.Contains(string(got), "PONG") || strings.HasPrefix(string(got), "+") || strings.HasPrefix(string(got), "-") {
			t.Errorf("a plaintext PING was answered: %q", got)
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		for _, credentials := range [][2]string{{"default", "wrong"}, {"nobody", password(1)}, {"reader", password(1)}} {
			c := m.redis(t, func(o *redis.Options) { o.Username, o.Password = credentials[0], credentials[1] })
			if err := c.Ping(t.Context()).Err(); err == nil || err.Error() != "WRONGPASS invalid username-password pair or user is disabled." {
				t.Errorf("%s: %v", credentials[0], err)
			}
		}
	})
	announce := "*2\r\n$3\r\nGET\r\n$"
	tests := []struct {
		name, send, want string
		authenticated    bool
	}{
		{"bulk before authentication", announce + "16385\r\n", "-ERR Protocol error: unauthenticated bulk length", false},
		{"array before authentication", "*17\r\n", "-ERR Protocol error: unauthenticated multibulk length", false},
		{"bulk", announce + "536870913\r\n", "-ERR Protocol error: invalid bulk length", true},
		{"negative bulk", announce + "-5\r\n", "-ERR Protocol error: invalid bulk length", true},
		{"array", "*2000000\r\n", "-ERR Protocol error: invalid multibulk length", true},
		{"not RESP", "*1\r\n!\r\n", "-ERR Protocol error: expected '$', got '!'", true},
		{"quotes", "GET \"a\r\n", "-ERR Protocol error: unbalanced quotes in request", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := m.wire(t)
			if tt.authenticated {
				w.auth(t, 1)
			}
			w.send(t, tt.send)
			if got := w.line(t); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			w.wantClosed(t, 5*time.Second)
		})
	}
}

func TestPermissionsAndLimits(t *testing.T) {
	m := newMember(t, func(c *config.Config) { c.Limits.MaxKeyBytes = 10 })
	w := m.wire(t)
	say := func(command, want string) {
		t.Helper()
		w.send(t, command+"\r\n")
		if got := w.line(t); got != want {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
	say("GET a", "-NOAUTH Authentication required.")
	say("NOSUCH a", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' ")
	say("AUTH reader "+password(1000), "+OK")
	say("GET shop:1", "$-1")
	say("GET other", "-NOPERM this user has no permissions to access one of the keys used as arguments")
	for _, all := range []string{"KEYS *", "KEYS shop:*", "SCAN 0", "DBSIZE"} {
		say(all, "-NOPERM this user has no permissions to access one of the keys used as arguments")
	}
	say("SET shop:1 x", "-NOPERM this user has no permissions to run the 'set' command")
	say("AUTH "+password(1), "+OK")
	say("SET 0123456789 x", "+OK")
	say("SET 0123456789a x", "-ERR key is longer than 10 bytes")
	say("RESET", "+RESET")
	say("GET a", "-NOAUTH Authentication required.")
	say("QUIT", "+OK")
	w.wantClosed(t, 5*time.Second)
}

func TestConnectionCaps(t *testing.T) {
	m := newMember(t, func(c *config.Config) {
		c.Limits.MaxClients, c.Limits.MaxUnauthenticatedPerHost, c.Limits.AuthenticateSeconds = 4, 2, 1
	})
	refused := func() bool {
		c, err := tls.Dial("tcp", m.addr(), m.tls())
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}
	first, second := m.wire(t), m.wire(t)
	if !refused() {
		t.Error("a third unauthenticated connection was let in")
	}
	first.auth(t, 1)
	second.auth(t, 1)
	m.wire(t).auth(t, 1)
	m.wire(t).auth(t, 1)
	if !refused() {
		t.Error("a fifth connection was let in")
	}
	_ = first.Close()
	m.waitStatus(t, "a place", func(s adminapi.Status) bool { return s.Connections == 3 })
	silent := m.wire(t)
	silent.wantClosed(t, 5*time.Second) // after authenticateSeconds
	second.send(t, "PING\r\n")
	if got := second.line(t); got != "+PONG" {
		t.Errorf("an authenticated connection: %s", got)
	}
}

// TestRotationUnderLoad rotates three times while clients write without
// retries, the way the operator does; no command fails.
func TestRotationUnderLoad(t *testing.T) {
	m := newMember(t)
	var generation atomic.Int64
	generation.Store(1)
	c := m.redis(t, func(o *redis.Options) {
		o.PoolSize, o.PoolFIFO, o.ConnMaxLifetime = 20, true, 300*time.Millisecond
		o.CredentialsProvider = func() (string, string) { return "default", password(generation.Load()) }
	})
	var stop atomic.Bool
	var failed, served atomic.Int64
	var done sync.WaitGroup
	for i := range 20 {
		done.Go(func() {
			for n := 0; !stop.Load(); n++ {
				if err := c.Set(context.Background(), fmt.Sprintf("k%d", i), n, 0).Err(); err != nil {
					failed.Add(1)
					t.Errorf("a command failed: %v", err)
					return
				}
				served.Add(1)
			}
		})
	}
	for next := int64(2); next <= 4; next++ {
		both := m.accept(t, next-1, next)
		m.waitStatus(t, "both accepted", func(s adminapi.Status) bool { return s.Credentials.Revision == both })
		generation.Store(next)
		// A connection that was being made with the old password has arrived by then.
		time.Sleep(500 * time.Millisecond)
		m.waitStatus(t, "old sessions gone", func(s adminapi.Status) bool { return sessionsOn(s, next-1) == 0 && sessionsOn(s, next) > 0 })
		only := m.accept(t, next)
		m.waitStatus(t, "old revoked", func(s adminapi.Status) bool { return s.Credentials.Revision == only })
		w := m.wire(t)
		w.send(t, "AUTH "+password(next-1)+"\r\n")
		if got := w.line(t); !strings.HasPrefix(got, "-WRONGPASS") {
			t.Errorf("the revoked password: %s", got)
		}
	}
	stop.Store(true)
	done.Wait()
	t.Logf("%d commands served, %d failed", served.Load(), failed.Load())
	if served.Load() < 100 {
		t.Error("hardly any load")
	}
}

func sessionsOn(s adminapi.Status, generation int64) (n int64) {
	for _, u := range s.Credentials.Users {
		for _, g := range u.Generations {
			if u.Name == "default" && g.Number == generation {
				n += g.Sessions
			}
		}
	}
	return n
}

// TestRevokedSessionsAreClosed: idle ones promptly; one that has authenticated
// anew stays.
func TestRevokedSessionsAreClosed(t *testing.T) {
	m := newMember(t)
	both := m.accept(t, 1, 2)
	m.waitStatus(t, "both accepted", func(s adminapi.Status) bool { return s.Credentials.Revision == both })
	left, moved := m.wire(t).auth(t, 1), m.wire(t).auth(t, 1).auth(t, 2)
	m.waitStatus(t, "sessions", func(s adminapi.Status) bool { return sessionsOn(s, 1) == 1 && sessionsOn(s, 2) == 1 })
	m.accept(t, 2)
	left.wantClosed(t, 3*time.Second)
	moved.send(t, "PING\r\n")
	if got := moved.line(t); got != "+PONG" {
		t.Errorf("the session that moved on: %s", got)
	}
}

// TestGenerationGivenAgain: the sessions of a lost secret end also when the new
// one gets its number.
func TestGenerationGivenAgain(t *testing.T) {
	m := newMember(t)
	idle, kept := m.wire(t).auth(t, 1), m.wire(t)
	kept.send(t, "AUTH reader "+password(1000)+"\r\n")
	if got := kept.line(t); got != "+OK" {
		t.Fatal(got)
	}
	data, err := os.ReadFile(filepath.Join(m.config.Files.Users, "users.json"))
	if err != nil {
		t.Fatal(err)
	}
	digest := func(secret string) string {
		sum := sha256.Sum256([]byte(secret))
		return hex.EncodeToString(sum[:])
	}
	mount(t, m.config.Files.Users, map[string]string{
		"users.json": strings.ReplaceAll(string(data), digest(password(1)), digest("another secret of the same number")),
	})
	idle.wantClosed(t, 10*time.Second)
	kept.send(t, "PING\r\n")
	if got := kept.line(t); got != "+PONG" {
		t.Errorf("a user whose secret is the same: %s", got)
	}
}

func TestBadUsersFileKeepsTheOldOne(t *testing.T) {
	m := newMember(t)
	mount(t, m.config.Files.Users, map[string]string{"users.json": `{"version":1,"secretField":"hunter2"}`})
	s := m.waitStatus(t, "error reported", func(s adminapi.Status) bool { return s.Credentials.Error != "" })
	if s.Credentials.Revision != "[1]" || strings.Contains(s.Credentials.Error, "hunter2") {
		t.Errorf("got %+v", s.Credentials)
	}
	m.wire(t).auth(t, 1)
	m.accept(t, 1, 2)
	m.waitStatus(t, "healed", func(s adminapi.Status) bool { return s.Credentials.Error == "" && s.Credentials.Revision == "[1 2]" })
}

func TestCertificateReload(t *testing.T) {
	m := newMember(t)
	old := m.wire(t).auth(t, 1)
	fingerprint := func() string {
		t.Helper()
		f, err := client.Fingerprint(t.Context(), m.addr(), serverName)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	before := fingerprint()
	renewed, broken := m.ca.server(t), m.ca.server(t)
	broken["tls.key"] = renewed["tls.key"]
	mount(t, m.config.Files.ClientTLS, broken)
	s := m.waitStatus(t, "error reported", func(s adminapi.Status) bool { return s.TLS.Error != "" })
	if fingerprint() != before || s.TLS.Fingerprint != before {
		t.Error("a certificate whose key does not fit was taken up")
	}
	mount(t, m.config.Files.ClientTLS, renewed)
	s = m.waitStatus(t, "renewed", func(s adminapi.Status) bool { return s.TLS.Fingerprint != before })
	if got := fingerprint(); got != s.TLS.Fingerprint || s.TLS.Error != "" {
		t.Errorf("handshake %s, status %+v", got, s.TLS)
	}
	old.send(t, "PING\r\n")
	if got := old.line(t); got != "+PONG" {
		t.Errorf("an open connection: %s", got)
	}
}

// TestNoSessionIsResumed: with a ticket a client could go on without having
// seen a renewed certificate.
func TestNoSessionIsResumed(t *testing.T) {
	m := newMember(t)
	c := m.tls()
	c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	for range 2 {
		conn, err := tls.Dial("tcp", m.addr(), c)
		if err != nil {
			t.Fatal(err)
		}
		// A reply follows whatever tickets the server sends.
		if _, err := io.WriteString(conn, "AUTH default "+password(1)+"\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 16)); err != nil {
			t.Fatal(err)
		}
		if conn.ConnectionState().DidResume {
			t.Error("the second connection resumed the first one's session")
		}
		_ = conn.Close()
	}
}

func TestAdminAnswersOnlyTheOperator(t *testing.T) {
	m := newMember(t)
	s, _, err := m.admin(t, operatorName).Status(t.Context())
	if err != nil || s.Member != "kv-0" || s.Instance != "shop/kv" || !s.Ready || s.Role != "leader" || s.Storage.CapacityBytes == 0 {
		t.Errorf("got %+v, %v", s, err)
	}
	for name, o := range map[string]client.Options{
		"other name":     {Certificate: m.ca.client(t, "operator.other.shop.coffer.dev")},
		"other CA":       {Certificate: newAuthority(t).client(t, operatorName)},
		"no certificate": {},
	} {
		o.Address, o.ServerName, o.Authorities = m.Addresses().Admin.String(), serverName, m.ca.Pool()
		c := client.New(o)
		if s, _, err := c.Status(t.Context()); err == nil {
			t.Errorf("%s: answered %+v", name, s)
		}
		c.Close()
	}
}

func TestHealthAndMetrics(t *testing.T) {
	m := newMember(t)
	m.wire(t).auth(t, 1)
	transport := &http.Transport{TLSClientConfig: m.tls()}
	defer transport.CloseIdleConnections()
	get := func(path, authorization string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+m.Addresses().Metrics.String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", authorization)
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, body := get(path, ""); code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for _, authorization := range []string{"", "Bearer ", "Bearer " + password(1), token} {
		if code, _ := get("/metrics", authorization); code != http.StatusUnauthorized {
			t.Errorf("metrics for %q: %d", authorization, code)
		}
	}
	code, body := get("/metrics", "Bearer "+token)
	for _, want := range []string{
		`coffer_sessions{generation="1",user="default"} 1`, "coffer_ready 1", "coffer_raft_leader 1",
		`coffer_certificate_not_after_seconds{use="client"}`, "coffer_commands_total", "coffer_storage_capacity_bytes",
	} {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("metrics: %d, lacks %s", code, want)
		}
	}
}

// TestStrangersDoNotFillTheHTTPPorts: each connection costs memory and a
// descriptor, of which the database needs some, too.
func TestStrangersDoNotFillTheHTTPPorts(t *testing.T) {
	m := newMember(t)
	for _, addr := range []net.Addr{m.Addresses().Admin, m.Addresses().Metrics} {
		refused := false
		for range 200 {
			c, err := net.Dial("tcp", addr.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := c.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
				refused = true
				break
			}
		}
		if !refused {
			t.Errorf("%s holds 200 silent connections of one address", addr)
		}
	}
}

// TestStopDrainsAndRestartKeeps: what was acknowledged before a stop under
// load is there after the restart, and the drained clients got whole replies.
func TestStopDrainsAndRestartKeeps(t *testing.T) {
	m := newMember(t)
	var done sync.WaitGroup
	acknowledged := make([]int, 8)
	for i := range acknowledged {
		w := m.wire(t).auth(t, 1)
		done.Go(func() {
			for n := 1; ; n++ {
				if _, err := fmt.Fprintf(w, "SET k%d %d\r\n", i, n); err != nil {
					return
				}
				line, err := w.r.ReadString('\n')
				if err != nil {
					if line != "" {
						t.Errorf("half a reply: %q", line)
					}
					return
				}
				acknowledged[i] = n
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	done.Wait()
	m.start(t)
	c := m.redis(t)
	for i, want := range acknowledged {
		if got, err := c.Get(t.Context(), fmt.Sprintf("k%d", i)).Int(); err != nil || got < want || want == 0 {
			t.Errorf("k%d: %d, %v; acknowledged %d", i, got, err, want)
		}
	}
}

// TestNoSecretOnDisk: the data directory holds no password.
func TestNoSecretOnDisk(t *testing.T) {
	m := newMember(t)
	m.wire(t).auth(t, 1).send(t, "SET a b\r\n")
	err := filepath.WalkDir(m.config.DataDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), password(1)) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
