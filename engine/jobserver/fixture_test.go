package jobserver_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/engine/node/dev"
)

// member is a whole engine with a port for jobs.
type member struct {
	*node.Node
	dir    string
	config config.Config
}

// token of a user is a text that its name is in.
func token(user string) string { return "the-token-of-" + user + "-with-enough-characters" }

// user may do operations on queues.
func user(name string, queues, operations []string) acl.User {
	sum := sha256.Sum256([]byte(token(name)))
	return acl.User{
		Name: name, Source: "AccessToken shop/" + name, Verifiers: []acl.Verifier{{Generation: 1, SHA256: hex.EncodeToString(sum[:])}},
		Jobs: []acl.JobRule{{Queues: queues, Operations: operations}},
	}
}

var admin = user("admin", []string{"*"}, acl.JobAdmin)

func start(t testing.TB, change ...func(*config.Config)) *member {
	t.Helper()
	m := &member{dir: t.TempDir()}
	var err error
	if m.config, err = dev.Prepare(m.dir, dev.Ports{}); err != nil {
		t.Fatal(err)
	}
	m.config.Listen.Keys = "" // jobs alone
	for _, f := range change {
		f(&m.config)
	}
	m.users(t, admin)
	m.run(t)
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return m
}

func (m *member) run(t testing.TB) {
	t.Helper()
	n, err := node.Start(node.Options{Config: m.config, Member: "jobs-0", Version: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	m.Node = n
}

// write replaces a watched file at once.
func (m *member) write(t testing.TB, path string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(m.dir, path)
	temp := filepath.Join(filepath.Dir(path), "..new")
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
}

// users puts users in force; once the node runs it waits for that.
func (m *member) users(t testing.TB, users ...acl.User) {
	t.Helper()
	f := acl.File{Version: acl.FileVersion, Users: users}
	sum := sha256.Sum256(fmt.Append(nil, users))
	f.Revision = hex.EncodeToString(sum[:8])
	m.write(t, "users/users.json", f)
	if m.Node != nil {
		wait(t, "the users are in force", func() bool { return m.Status().Credentials.Revision == f.Revision })
	}
}

func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: still not so", what)
		}
	}
}

// client is a raw connection, in either framing.
type client struct {
	net.Conn
	t      testing.TB
	r      *bufio.Reader
	frames bool
}

func (m *member) connect(t testing.TB, frames bool) *client {
	t.Helper()
	c, err := m.reach(t, m.Addresses().Jobs.String(), frames)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reach connects to an address that nobody may be at.
func (m *member) reach(t testing.TB, addr string, frames bool) (*client, error) {
	ca, err := os.ReadFile(filepath.Join(m.dir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	return &client{Conn: c, t: t, r: bufio.NewReader(c), frames: frames}, nil
}

// login connects as a user.
func (m *member) login(t testing.TB, name string, frames ...bool) *client {
	t.Helper()
	c := m.connect(t, len(frames) > 0 && frames[0])
	c.ok(object{"cmd": "AUTH", "token": token(name)})
	return c
}

type object = map[string]any

// send sends requests at once.
func (c *client) send(requests ...object) {
	c.t.Helper()
	if err := c.write(requests...); err != nil {
		c.t.Error(err)
	}
}

func (c *client) write(requests ...object) error {
	var all []byte
	for _, r := range requests {
		if c.frames {
			body, err := msgpack.Marshal(r)
			if err != nil {
				return err
			}
			all = append(binary.BigEndian.AppendUint32(all, uint32(len(body))), body...)
			continue
		}
		body, err := json.Marshal(r)
		if err != nil {
			return err
		}
		all = append(append(all, body...), '\n')
	}
	_, err := c.Write(all)
	return err
}

// receive reads one message; numbers are json.Number or those of MessagePack.
func (c *client) receive() object {
	c.t.Helper()
	o, err := c.read()
	if err != nil {
		c.t.Fatal(err)
	}
	return o
}

func (c *client) read() (o object, err error) {
	if !c.frames {
		line, err := c.r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		return o, d.Decode(&o)
	}
	var head [4]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(c.r, body); err != nil {
		return nil, err
	}
	return o, msgpack.Unmarshal(body, &o)
}

// call sends a request and returns its answer.
func (c *client) call(request object) object {
	c.t.Helper()
	c.send(request)
	return c.receive()
}

func (c *client) ok(request object) object {
	c.t.Helper()
	answer := c.call(request)
	if answer["ok"] != true {
		c.t.Fatalf("%v: %v", request, answer)
	}
	return answer
}

// refused wants an error that says something.
func (c *client) refused(request object, code string) string {
	c.t.Helper()
	answer := c.call(request)
	if answer["ok"] != false || answer["code"] != code {
		c.t.Errorf("%v: %v, want %s", request, answer, code)
	}
	return fmt.Sprint(answer["error"])
}

// number of an answer.
func number(v any) int64 {
	switch v := v.(type) {
	case json.Number:
		n, _ := v.Int64()
		return n
	case nil:
		return 0
	}
	var n int64
	_, _ = fmt.Sscan(fmt.Sprint(v), &n)
	return n
}

func (c *client) push(queue string, data any, more ...object) int64 {
	c.t.Helper()
	request := object{"cmd": "PUSH", "queue": queue, "data": data}
	for _, m := range more {
		for k, v := range m {
			request[k] = v
		}
	}
	return number(c.ok(request)["id"])
}

// pull takes a job that is there; nil if there is none.
func (c *client) pull(queue string, more ...object) object {
	c.t.Helper()
	request := object{"cmd": "PULL", "queue": queue, "timeout": 0}
	for _, m := range more {
		for k, v := range m {
			request[k] = v
		}
	}
	job, _ := c.ok(request)["job"].(object)
	return job
}

func (c *client) wantClosed(within time.Duration) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(within))
	if o, err := c.read(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("read %v, %v; want the end of the connection", o, err)
	}
}
