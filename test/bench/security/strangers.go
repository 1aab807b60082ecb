package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// crowd says what strangers do.
type crowd struct {
	Count int
	// Again is after how many seconds one who was closed comes back.
	Again float64
}

// seen is what they saw. It is told once all have been there, and at the end.
type seen struct {
	Connections int64 // that were made
	Handshakes  int64 // that were finished
}

// strangers is the process of a crowd. It is the least important one of the
// machine: of a real one's processors the server has none.
type strangers struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// gather starts a crowd and returns once all of it have been there.
func (e *engine) gather(c crowd) (*strangers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &strangers{cmd: exec.Command("nice", "-n", "19", self, "-crowd", e.addr)}
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = json.NewDecoder(out)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	var first seen
	if err = json.NewEncoder(s.in).Encode(c); err == nil {
		err = s.out.Decode(&first)
	}
	if err != nil {
		_, leaveErr := s.leave()
		return nil, errors.Join(err, leaveErr)
	}
	return s, nil
}

// leave ends the crowd.
func (s *strangers) leave() (last seen, err error) {
	_ = s.in.Close()
	err = s.out.Decode(&last)
	return last, errors.Join(err, s.cmd.Wait())
}

// beStrangers is what the process does until its input ends.
func beStrangers(addr string, in io.Reader, out io.Writer) error {
	input := json.NewDecoder(in)
	var c crowd
	if err := input.Decode(&c); err != nil {
		return err
	}
	var limit syscall.Rlimit // Go has raised the soft one to the hard one
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if want := uint64(c.Count + 100); limit.Cur < want {
		return fmt.Errorf("%d files may be open, %d strangers need %d: raise the hard limit (ulimit -Hn)", limit.Cur, c.Count, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var told seen
	var first sync.WaitGroup
	for i := range c.Count {
		first.Add(1)
		go func() {
			been := sync.OnceFunc(first.Done)
			for ctx.Err() == nil {
				visit(ctx, addr, i, &told, been)
				been()
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(c.Again * float64(time.Second))):
				}
			}
		}()
	}
	first.Wait()
	tell := func() error {
		return json.NewEncoder(out).Encode(seen{atomic.LoadInt64(&told.Connections), atomic.LoadInt64(&told.Handshakes)})
	}
	if err := tell(); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, in)
	return tell()
}

// visit connects from the stranger's own address, shakes hands, says nothing,
// and stays until the server closes.
func visit(ctx context.Context, addr string, number int, told *seen, been func()) {
	from := &net.TCPAddr{IP: strangersAddress(number)}
	raw, err := (&net.Dialer{LocalAddr: from, Timeout: time.Minute}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return
	}
	defer raw.Close()
	atomic.AddInt64(&told.Connections, 1)
	// It trusts anybody: to check a certificate is work that the server has no
	// part in.
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}) //nolint:gosec
	if c.HandshakeContext(ctx) != nil {
		return
	}
	atomic.AddInt64(&told.Handshakes, 1)
	been()
	_, _ = c.Read(make([]byte, 1))
}

// strangersAddress is in 127.1.0.0 and up.
func strangersAddress(n int) net.IP { return net.IPv4(127, byte(1+n>>16), byte(n>>8), byte(n)) }
