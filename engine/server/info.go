package server

import (
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
)

// Facts are what INFO tells of the parts behind the server.
type Facts struct {
	EngineVersion string
	RunID         string // 40 hexadecimal digits, new at every start
	Member        string
	Role          string // leader | follower | starting
	Term          uint64
	AppliedIndex  uint64
	Keys          int64
	Databases     []machine.DatabaseStats
	DataBytes     int64 // of the keyspace in memory, about
	Durability    string
	LogSyncs      int64 // fsyncs of the log
	StorageFull   bool
	LastSnapshot  int64 // when the last one was taken, or the member started, in s since the epoch
	MemoryLimit   int64 // bytes, 0 for none
	MaxData       int64 // bytes that the keyspace may take, 0 for no limit
	// MaxMemoryPolicy is the policy of eviction by redis-server's name.
	MaxMemoryPolicy string
	EvictedKeys     int64
	// RetentionExpiries is how many keys got an expiry by the rules of retention.
	RetentionExpiries int64
	Replica           ReplicaFacts
}

// heapObjects is the runtime's metric of what is allocated, in bytes.
const heapObjects = "/memory/classes/heap/objects:bytes"

type field struct {
	name  string
	value any
}

type section struct {
	name   string
	fields func(*Server, Facts) []field
	asked  bool // it is told of only when it is asked for, or everything is
}

// sections stand in redis-server's order; limits is ours.
var sections = []section{
	{"Server", (*Server).infoServer, false},
	{"Clients", (*Server).infoClients, false},
	{"Memory", (*Server).infoMemory, false},
	{"Persistence", (*Server).infoPersistence, false},
	{"Stats", (*Server).infoStats, false},
	{"Replication", (*Server).infoReplication, false},
	{"Commandstats", (*Server).infoCommandStats, true},
	{"Errorstats", (*Server).infoErrorStats, false},
	{"Latencystats", (*Server).infoLatencyStats, true},
	{"Keyspace", (*Server).infoKeyspace, false},
	{"Limits", (*Server).infoLimits, false},
}

// info is the text of INFO; without names, what redis-server tells then.
func (s *Server) info(names []string) string {
	facts := s.opts.Facts()
	usual := len(names) == 0 || slices.Contains(names, "default")
	all := slices.ContainsFunc(names, func(n string) bool { return n == "all" || n == "everything" })
	var b strings.Builder
	for _, sec := range sections {
		if !all && (!usual || sec.asked) && !slices.Contains(names, strings.ToLower(sec.name)) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		fmt.Fprintf(&b, "# %s\r\n", sec.name)
		for _, f := range sec.fields(s, facts) {
			fmt.Fprintf(&b, "%s:%v\r\n", f.name, f.value)
		}
	}
	return b.String()
}

func (s *Server) infoServer(f Facts) []field {
	uptime := time.Since(s.started)
	return []field{
		{"redis_version", command.RedisVersion},
		{"redis_mode", "standalone"},
		{"coffer_version", f.EngineVersion},
		{"os", runtime.GOOS + " " + runtime.GOARCH},
		{"arch_bits", 64},
		{"process_id", os.Getpid()},
		{"run_id", f.RunID},
		{"tcp_port", 0}, // there is no plaintext port
		{"uptime_in_seconds", int64(uptime.Seconds())},
		{"uptime_in_days", int64(uptime.Hours() / 24)},
	}
}

func (s *Server) infoClients(Facts) []field {
	st := s.Stats()
	return []field{
		{"connected_clients", st.Connections},
		{"unauthenticated_clients", st.Unauthenticated},
		{"maxclients", s.opts.Limits.MaxClients},
		{"client_buffer_bytes", st.Buffered},
		{"blocked_clients", s.parked.Load()},
		{"tracking_clients", len(s.loop.trackers.on)},
	}
}

func (s *Server) infoMemory(f Facts) []field {
	sample := []metrics.Sample{{Name: heapObjects}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(sample)
	used, total := sample[0].Value.Uint64(), sample[1].Value.Uint64()
	return []field{
		{"used_memory", used},
		{"used_memory_human", human(used)},
		{"used_memory_rss", total},
		{"used_memory_dataset", f.DataBytes},
		{"maxmemory", f.MaxData},
		{"maxmemory_policy", f.MaxMemoryPolicy},
		{"memory_limit", f.MemoryLimit},
	}
}

// human is a size as redis-server prints it.
func human(n uint64) string {
	const kib = 1 << 10
	switch {
	case n < kib:
		return fmt.Sprintf("%dB", n)
	case n < kib<<10:
		return fmt.Sprintf("%.2fK", float64(n)/kib)
	case n < kib<<20:
		return fmt.Sprintf("%.2fM", float64(n)/(kib<<10))
	}
	return fmt.Sprintf("%.2fG", float64(n)/(kib<<20))
}

func (s *Server) infoPersistence(f Facts) []field {
	status := "ok"
	if f.StorageFull {
		status = "err"
	}
	return []field{
		{"loading", 0},
		{"durability", f.Durability},
		{"aof_enabled", 1},
		{"aof_last_write_status", status},
		{"rdb_bgsave_in_progress", 0},
		{"rdb_last_save_time", f.LastSnapshot},
		{"coffer_log_syncs", f.LogSyncs},
	}
}

// count is a statistic that CONFIG RESETSTAT has begin again.
type count struct {
	name  string
	count int64
}

func (s *Server) counted(facts Facts) []count {
	st := s.Stats()
	return []count{
		{"total_connections_received", st.Accepted},
		{"total_commands_processed", st.Commands},
		{"total_net_input_bytes", st.BytesIn},
		{"total_net_output_bytes", st.BytesOut},
		{"rejected_connections", st.Rejected},
		{"evicted_keys", facts.EvictedKeys},
		{"total_error_replies", s.loop.statistics.replies},
		{"retention_expiries", facts.RetentionExpiries},
		{"evicted_unauthenticated_clients", st.Evicted},
		{"acl_access_denied_auth", st.AuthFailures},
		{"acl_access_denied_cmd", st.Denied},
		{"tls_handshake_failures", st.HandshakeFailures},
		{"protocol_errors", st.ProtocolErrors},
		{"client_output_buffer_limit_disconnections", st.OutputExceeded},
		{"client_buffer_limit_disconnections", st.Shed},
		{"slow_request_disconnections", st.Slow},
	}
}

func (s *Server) infoStats(facts Facts) (fields []field) {
	for _, f := range s.counted(facts) {
		fields = append(fields, field{f.name, f.count - s.forgotten[f.name]})
	}
	t := s.loop.trackers
	return append(fields, []field{
		{"tracking_total_keys", len(t.keys)},
		{"tracking_total_items", t.pairs},
		{"tracking_total_prefixes", len(t.prefixes)},
	}...)
}

func (s *Server) infoReplication(f Facts) []field {
	role := "master"
	if f.Role == "follower" {
		role = "slave"
	}
	fields := []field{{"role", role}}
	if s.opts.Replica {
		fields = s.infoReplica(f)
	}
	return append(fields, []field{
		{"connected_slaves", 0},
		{"coffer_member", f.Member},
		{"coffer_term", f.Term},
		{"coffer_applied_index", f.AppliedIndex},
		{"coffer_role", f.Role},
	}...)
}

func (s *Server) infoKeyspace(f Facts) (fields []field) {
	for _, d := range f.Databases {
		fields = append(fields, field{fmt.Sprintf("db%d", d.Number), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=%d", d.Keys, d.Expiring, d.AverageTTL)})
	}
	return fields
}

func (s *Server) infoLimits(Facts) []field {
	l := s.opts.Limits
	return []field{
		{"max_clients", l.MaxClients},
		{"max_unauthenticated", l.MaxUnauthenticated},
		{"max_unauthenticated_per_host", l.MaxUnauthenticatedPerHost},
		{"handshake_seconds", l.HandshakeSeconds},
		{"authenticate_seconds", l.AuthenticateSeconds},
		{"max_bulk_bytes", l.MaxBulkBytes},
		{"max_request_bytes", l.MaxRequestBytes},
		{"max_array_length", l.MaxArrayLength},
		{"max_output_bytes", l.MaxOutputBytes},
		{"max_key_bytes", l.MaxKeyBytes},
		{"max_client_buffer_bytes", l.MaxClientBufferBytes},
		{"request_seconds", l.RequestSeconds},
		{"reply_seconds", int64(writeTimeout.Seconds())},
		{"failed_logins_per_source", admission.FreeFailures},
		{"failed_logins_seconds", int64(admission.FailureWindow.Seconds())},
		{"early_bulk_bytes", earlyBulk},
		{"early_array_length", earlyArray},
		{"early_request_bytes", earlyRequest},
	}
}
