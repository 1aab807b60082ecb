package replicated

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// redisServers are a primary, the first, and two replicas.
type redisServers struct {
	b       *testing.B
	primary endpoint
	servers []*exec.Cmd
}

func redisVersion(b *testing.B) string {
	out, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		b.Fatalf("redis-server: %v (apt-get install redis-server)", err)
	}
	fields := strings.Fields(string(out))
	return "redis-server " + strings.TrimPrefix(fields[2], "v=")
}

func startRedis(b *testing.B) *redisServers {
	certificate := newCertificate(b)
	r := &redisServers{b: b}
	var primaryPort string
	for i := range 3 {
		port, data := freePort(b), filepath.Join(certificate.dir, fmt.Sprintf("redis-%d", i))
		lines := []string{
			"bind 127.0.0.1", "port 0", "tls-port " + port, "tls-protocols TLSv1.3", "tls-auth-clients no", "tls-replication yes",
			"tls-cert-file " + certificate.cert, "tls-key-file " + certificate.key, "tls-ca-cert-file " + certificate.ca,
			"requirepass " + certificate.password, "masterauth " + certificate.password, "dir " + data,
			`save ""`, "appendonly yes", "appendfsync always", "repl-diskless-sync-delay 0",
		}
		if i == 0 {
			primaryPort = port
			r.primary = endpoint{net.JoinHostPort("127.0.0.1", port), certificate.password, certificate.client()}
		} else {
			lines = append(lines, "replicaof 127.0.0.1 "+primaryPort)
		}
		if err := os.Mkdir(data, 0o700); err != nil {
			b.Fatal(err)
		}
		path := filepath.Join(data, "redis.conf")
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			b.Fatal(err)
		}
		r.servers = append(r.servers, start(b, filepath.Join(data, "log"), "redis-server", path))
	}
	until(b, "redis-server's replicas", func(context.Context) bool {
		c, err := r.primary.dial()
		if err != nil {
			return false
		}
		defer c.Close()
		return (&writer{form: setAndWait, depth: 1}).batch(c) == nil
	})
	return r
}

func (r *redisServers) name() string { return "redis-server, `WAIT 1`" }

func (r *redisServers) connect(l load) func(time.Duration) []time.Duration {
	return connect(r.b, []endpoint{r.primary}, setAndWait, l)
}

func (r *redisServers) pids() []int { return pidsOf(r.servers) }

func (r *redisServers) stop() { stopAll(r.servers) }
