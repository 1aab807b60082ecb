package replicated

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// etcdServers are three members of etcd.
type etcdServers struct {
	b         *testing.B
	program   string
	ca        string
	endpoints []string
	servers   []*exec.Cmd
}

func startEtcd(b *testing.B) *etcdServers {
	certificate := newCertificate(b)
	e := &etcdServers{b: b, program: filepath.Join(certificate.dir, "etcd"), ca: certificate.ca}
	build := exec.Command("go", "-C", "test/bench/replicated/etcd", "build", "-o", e.program, ".")
	if text, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build etcd: %v\n%s", err, text)
	}
	var peers, all []string
	for i := range 3 {
		peers = append(peers, "https://127.0.0.1:"+freePort(b))
		e.endpoints = append(e.endpoints, "https://127.0.0.1:"+freePort(b))
		all = append(all, fmt.Sprintf("m%d=%s", i, peers[i]))
	}
	for i := range 3 {
		e.servers = append(e.servers, start(b, filepath.Join(certificate.dir, fmt.Sprintf("etcd-%d.log", i)), e.program, "serve",
			"--name", fmt.Sprintf("m%d", i), "--data-dir", filepath.Join(certificate.dir, fmt.Sprintf("etcd-%d", i)),
			"--listen-client-urls", e.endpoints[i], "--advertise-client-urls", e.endpoints[i],
			"--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i],
			"--initial-cluster", strings.Join(all, ","), "--initial-cluster-state", "new", "--log-level", "error",
			"--cert-file", certificate.cert, "--key-file", certificate.key,
			"--peer-cert-file", certificate.cert, "--peer-key-file", certificate.key, "--peer-trusted-ca-file", certificate.ca,
			"--tls-min-version", "TLS1.3", "--quota-backend-bytes", strconv.Itoa(8<<30)))
	}
	until(b, "etcd's members", func(ctx context.Context) bool {
		drive, err := e.load(ctx, 3)
		if err == nil {
			_, err = drive(0)
		}
		return err == nil
	})
	return e
}

// load starts the program that has etcd's client, which connects.
func (e *etcdServers) load(ctx context.Context, connections int) (drive func(time.Duration) ([]time.Duration, error), err error) {
	cmd := exec.CommandContext(ctx, e.program, "load", e.ca, strings.Join(e.endpoints, ","),
		strconv.Itoa(connections), strconv.Itoa(valueBytes), strconv.Itoa(keySpace))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	text, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	out := json.NewDecoder(text)
	if ready := false; out.Decode(&ready) != nil || !ready {
		return nil, fmt.Errorf("no connections: %w", cmd.Wait())
	}
	return func(d time.Duration) (times []time.Duration, err error) {
		if _, err := fmt.Fprintln(in, d); err != nil {
			return nil, err
		}
		err = out.Decode(&times)
		return times, errors.Join(err, cmd.Wait())
	}, nil
}

func (e *etcdServers) name() string { return "etcd" }

// connect: a put is one at a time, as etcd's clients have no other.
func (e *etcdServers) connect(l load) func(time.Duration) []time.Duration {
	if l.depth > 1 {
		return nil
	}
	drive, err := e.load(context.Background(), l.connections)
	if err != nil {
		e.b.Fatalf("etcd: %v", err)
	}
	return func(d time.Duration) []time.Duration {
		times, err := drive(d)
		if err != nil {
			e.b.Fatalf("etcd: %v", err)
		}
		return times
	}
}

func (e *etcdServers) pids() []int { return pidsOf(e.servers) }

func (e *etcdServers) stop() { stopAll(e.servers) }
