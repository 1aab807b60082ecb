package server

import (
	"fmt"
	"net"
	"strconv"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/store"
)

var _ command.Settings = (*session)(nil)

// Settings implements command.Session.
func (c *session) Settings() command.Settings { return c }

// ResetStatistics implements command.Settings. What is scraped goes on.
func (c *session) ResetStatistics() {
	s := c.srv
	c.loop.statistics = newStatistics()
	s.forgotten = map[string]int64{}
	for _, f := range s.counted(s.opts.Facts()) {
		s.forgotten[f.name] = f.count
	}
}

// fixed are what cannot be otherwise here.
var fixed = [][2]string{
	{"acl-pubsub-default", "resetchannels"},
	{"activedefrag", "no"},
	{"appendonly", "yes"}, // the log
	{"cluster-enabled", "no"},
	{"daemonize", "no"},
	{"databases", strconv.Itoa(store.Count)},
	{"enable-module-command", "no"},
	{"enable-protected-configs", "no"},
	{"latency-monitor-threshold", "0"},
	{"latency-tracking", "yes"},
	{"latency-tracking-info-percentiles", "50 99 99.9"},
	{"logfile", ""},
	{"port", "0"}, // there is TLS alone
	{"replica-read-only", "yes"},
	{"save", ""}, // snapshots are taken as the log grows
	{"slave-read-only", "yes"},
	{"syslog-enabled", "no"},
	{"timeout", "0"},
	{"tls-auth-clients", "no"},
	{"tls-cluster", "no"},
	{"tls-protocols", "TLSv1.3"},
	{"tls-replication", "yes"},
	{"unixsocket", ""},
}

// Parameters implements command.Settings.
func (c *session) Parameters() []command.Parameter {
	l, f := c.srv.opts.Limits, c.srv.opts.Facts()
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	all := []command.Parameter{
		{Name: "acllog-max-len", Value: number(maxRefusals)},
		{Name: "appendfsync", Value: appendfsync(f.Durability), Field: "spec.durability"},
		{Name: "client-output-buffer-limit", Value: fmt.Sprintf("normal %[1]d 0 0 slave 0 0 0 pubsub %[1]d 0 0", l.MaxOutputBytes)},
		{Name: "client-query-buffer-limit", Value: number(l.MaxRequestBytes), Field: "spec.limits.maxRequestBytes"},
		{Name: "enable-debug-command", Value: yesNo(c.srv.opts.Debug != nil)},
		{Name: "maxclients", Value: number(int64(l.MaxClients)), Field: "spec.limits.maxClients"},
		{Name: "maxmemory", Value: number(f.MaxData), Field: "spec.memory.limit"},
		{Name: "maxmemory-clients", Value: number(l.MaxClientBufferBytes), Field: "spec.resources.limits.memory"},
		{Name: "maxmemory-policy", Value: f.MaxMemoryPolicy, Field: "spec.memory.evictionPolicy"},
		{Name: "notify-keyspace-events", Value: c.srv.opts.Credentials().Settings.Events().String(), Field: "spec.notifyKeyspaceEvents"},
		{Name: "proto-max-bulk-len", Value: number(l.MaxBulkBytes)},
		{Name: "slowlog-log-slower-than", Value: number(slowAfter.Microseconds())},
		{Name: "slowlog-max-len", Value: number(maxSlow)},
		{Name: "tracking-table-max-keys", Value: number(maxTrackedKeys)},
		{Name: "tls-port", Value: c.srv.port()},
	}
	replicaOf := ""
	if f.Replica.LeaderHost != "" {
		replicaOf = f.Replica.LeaderHost + " " + number(f.Replica.LeaderPort)
	}
	for _, name := range []string{"replicaof", "slaveof"} {
		all = append(all, command.Parameter{Name: name, Value: replicaOf, Field: "spec.replicas"})
	}
	for _, p := range fixed {
		all = append(all, command.Parameter{Name: p[0], Value: p[1]})
	}
	return all
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// appendfsync is a durability in redis-server's words.
func appendfsync(durability string) string {
	if durability == string(config.EverySecond) {
		return "everysec"
	}
	return "always"
}

func (s *Server) port() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return "0"
	}
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return port
}
