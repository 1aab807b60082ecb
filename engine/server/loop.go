package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/protocol/resp"
	"github.com/coffer-dev/coffer/engine/reply"
)

const (
	// maxBatch is how many commands one turn serves.
	maxBatch = 1024
	// flushSize is how many reply bytes are gathered before they are written
	// although the batch goes on; idleOutput what a waiting session keeps.
	flushSize  = 1 << 20
	idleOutput = 64 << 10
	// idleItems is how many commands' and keys' room a session keeps for its
	// next batch.
	idleItems = 64
	// writeChunk bytes must be taken by the client within writeTimeout.
	writeChunk   = 256 << 10
	writeTimeout = 30 * time.Second
)

// run serves the connection from handshake to close.
func (c *session) run() {
	defer c.raw.Close()
	seconds := time.Duration(c.srv.opts.Limits.HandshakeSeconds)
	ctx, cancel := context.WithTimeout(context.Background(), seconds*time.Second)
	err := c.conn.HandshakeContext(ctx)
	cancel()
	if err != nil {
		c.srv.counters.handshakeFailures.Add(1)
		c.srv.opts.Log.Debug("TLS handshake failed", "conn", c.id, "host", c.host, "error", err)
		return
	}
	c.expectAuthentication()
	for c.mayGoOn() && c.turn() {
	}
	// Says goodbye within TLS, so that the client can tell an end from a cut.
	_ = c.raw.SetDeadline(time.Now().Add(time.Second))
	_ = c.conn.Close()
}

// turn waits for input, serves every complete request in it, and writes the
// replies. It reports whether the connection goes on.
func (c *session) turn() bool {
	served, ok := c.serveBuffered()
	if len(c.out) > 0 && !c.flush() {
		return false
	}
	if !ok {
		return false
	}
	if served > 0 {
		return true
	}
	if cap(c.out) > idleOutput {
		c.out = nil
	}
	return c.await()
}

// await waits for input. An interrupt that came while commands were served is
// seen here; if it no longer concerns the session, which may have
// authenticated anew, the wait goes on.
func (c *session) await() bool {
	for c.interrupted.Swap(false) {
		if !c.mayGoOn() {
			return false
		}
		if c.unauthenticated {
			c.expectAuthentication()
		} else {
			_ = c.raw.SetReadDeadline(time.Time{})
		}
	}
	err := c.reader.Fill(countingReader{c})
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded) && c.interrupted.Load()
}

// countingReader counts what is read from the client.
type countingReader struct{ c *session }

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.c.conn.Read(p)
	r.c.srv.counters.bytesIn.Add(int64(n))
	return n, err
}

// serveBuffered serves the complete requests that have arrived, up to the
// bounds of one batch. It stops early when the connection must close.
func (c *session) serveBuffered() (served int, ok bool) {
	run := c.items[:0] // keyspace commands not yet executed
	defer func() {
		if cap(run) <= idleItems {
			c.items = run[:0] // execute has emptied them
		}
		if clear(c.keys[:cap(c.keys)]); cap(c.keys) > idleItems {
			c.keys = nil
		}
	}()
	for served < maxBatch && !c.closing {
		argv, complete, err := c.reader.Next()
		if err != nil {
			c.execute(run)
			c.protocolError(err)
			return served, false
		}
		if !complete {
			break
		}
		served++
		cmd, item, refusal := c.prepare(argv)
		switch {
		case cmd != nil && cmd.Run == nil && !cmd.Heavy():
			run = append(run, item)
			continue
		case !c.execute(run):
			return served, false
		case cmd != nil && cmd.Run == nil:
			// Alone: others get their turn in between, and one such reply is in
			// memory at a time.
			if !c.execute([]machine.Item{item}) {
				return served, false
			}
		case cmd == nil:
			c.write(refusal)
		default:
			c.write(cmd.Run(c, argv))
		}
		run = run[:0]
		if c.unauthenticated {
			// What follows AUTH is read under the limits that AUTH brings.
			break
		}
		if !c.mayGoOn() {
			return served, false
		}
	}
	c.srv.counters.commands.Add(int64(served))
	return served, c.execute(run) && !c.closing
}

// prepare finds the command, asks whether it may be run, and parses it. A nil
// command means that the refusal is the answer.
func (c *session) prepare(argv [][]byte) (*command.Command, machine.Item, reply.Reply) {
	refuse := func(err error) (*command.Command, machine.Item, reply.Reply) {
		return nil, machine.Item{}, reply.Error(err.Error())
	}
	cmd, err := command.Resolve(argv)
	if err != nil {
		return refuse(err)
	}
	c.last, c.lastAt = cmd.Name, time.Now()
	c.keys = cmd.AppendKeys(c.keys[:0], argv)
	if cmd.Flags&command.NoAuth == 0 {
		if c.identity == nil {
			return nil, machine.Item{}, reply.Error("NOAUTH Authentication required.")
		}
		action := cmd.Action(c.keys)
		if denied := c.identity.Allows(&action); denied != nil {
			c.srv.counters.denied.Add(1)
			return refuse(denied)
		}
	}
	for _, key := range c.keys {
		if limit := c.srv.opts.Limits.MaxKeyBytes; len(key.Name) > limit {
			return refuse(fmt.Errorf("ERR key is longer than %d bytes", limit))
		}
	}
	if cmd.Run != nil {
		return cmd, machine.Item{}, reply.Reply{}
	}
	op, err := cmd.Parse(argv)
	if err != nil {
		return refuse(err)
	}
	return cmd, machine.Item{Op: op, Argv: argv, Write: cmd.Flags&command.Write != 0, Grows: cmd.Grows()}, reply.Reply{}
}

// execute runs keyspace commands and appends their replies. False means that
// the connection cannot go on.
func (c *session) execute(run []machine.Item) bool {
	if len(run) == 0 {
		return true
	}
	if err := c.srv.opts.Executor.Do(run); err != nil {
		c.write(reply.Error("ERR the server is stopping"))
		return false
	}
	for i := range run {
		if !c.write(run[i].Reply) {
			return false
		}
		run[i] = machine.Item{} // lets go of it before the next is encoded
	}
	return true
}

// write appends a reply, and flushes when a good deal has gathered.
func (c *session) write(r reply.Reply) bool {
	if size := r.Size(); size > c.srv.opts.Limits.MaxOutputBytes {
		c.srv.counters.outputExceeded.Add(1)
		c.srv.opts.Log.Warn("closing a connection whose reply exceeds limits.maxOutputBytes", "conn", c.id, "command", c.last, "bytes", size)
		c.closing = true
		return false
	}
	c.out = resp.AppendReply(c.out, c.proto, r)
	return len(c.out) < flushSize || c.flush()
}

// protocolError answers as redis does; the connection is then closed.
func (c *session) protocolError(err error) {
	c.srv.counters.protocolErrors.Add(1)
	c.srv.opts.Log.Debug("protocol error", "conn", c.id, "host", c.host, "error", err)
	c.write(reply.Error("ERR " + err.Error()))
}

// flush writes what has gathered. Before authentication the deadline for that
// counts; after it each chunk has its own.
func (c *session) flush() bool {
	rest := c.out
	for len(rest) > 0 {
		n := min(len(rest), writeChunk)
		if !c.unauthenticated {
			_ = c.raw.SetWriteDeadline(time.Now().Add(writeTimeout))
		}
		if _, err := c.conn.Write(rest[:n]); err != nil {
			c.srv.opts.Log.Debug("writing replies", "conn", c.id, "error", err)
			c.out = nil
			return false
		}
		c.srv.counters.bytesOut.Add(int64(n))
		rest = rest[n:]
	}
	c.out = c.out[:0]
	return true
}
