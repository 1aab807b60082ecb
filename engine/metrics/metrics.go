// Package metrics adapts what the engine's parts count to Prometheus. Nothing
// is counted here: each scrape reads one Sample.
package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Sample is what there is to tell at one moment.
type Sample struct {
	Version, Instance, Member string

	Connections, Unauthenticated                        int64
	Accepted, Rejected, HandshakeFailures, AuthFailures int64
	ProtocolErrors, Denied, Commands, OutputExceeded    int64
	BytesIn, BytesOut                                   int64
	Sessions                                            []Sessions
	Users                                               []User
	AuditRecords                                        uint64
	AuditLost                                           int64
	Buffered, Shed, Slow                                int64

	Leader             bool
	Term, AppliedIndex uint64
	Keys, LogSyncs     int64
	Ready, StorageFull bool
	StorageCapacity    int64
	StorageAvailable   int64
	DataBytes          int64
	DataLimit          int64
	EvictedKeys        int64
	Retained           map[string]int64 // keys that got an expiry, by a rule's pattern

	Jobs *Jobs // nil from a member that serves none

	Certificates []Certificate
	ReloadErrors []ReloadError
}

// Sessions are one credential's live ones.
type Sessions struct {
	User       string
	Generation int64
	Count      int64
}

// User is what a user was refused.
type User struct {
	Name                    string
	Denied, Held, Throttled int64
}

// Certificate is one that is served.
type Certificate struct {
	Use      string // client | admin
	NotAfter time.Time
}

// ReloadError says whether the newest content of a mount was refused.
type ReloadError struct {
	Source string // users | client | admin | authorities | encryption | queues | settings
	Failed bool
}

// Handler serves the metrics; sample is called once per scrape.
func Handler(sample func() Sample) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collector{sample},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

type collector struct{ sample func() Sample }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("coffer_"+name, help, labels, nil)
}

var (
	buildInfo        = desc("build_info", "What runs here; always 1.", "version", "instance", "member")
	connections      = desc("connections", "Open client connections, by state.", "state")
	sessions         = desc("sessions", "Authenticated sessions by user and credential generation.", "user", "generation")
	accepted         = desc("connections_accepted_total", "Connections taken on.")
	rejected         = desc("connections_rejected_total", "Connections refused because a cap was reached.")
	handshakes       = desc("tls_handshake_failures_total", "TLS handshakes that failed.")
	authFailures     = desc("authentication_failures_total", "Wrong users or passwords.")
	protocolErrors   = desc("protocol_errors_total", "Connections closed for malformed or oversized requests.")
	denied           = desc("commands_denied_total", "Commands refused for want of permission.")
	userDenied       = desc("user_commands_denied_total", "Commands refused to a user for want of permission.", "user")
	userHeld         = desc("user_requests_held_total", "Requests that waited because of the user's quota.", "user")
	userThrottled    = desc("user_requests_throttled_total", "Requests refused because of the user's quota.", "user")
	buffered         = desc("client_buffer_bytes", "Buffers of all clients together.")
	shed             = desc("client_buffer_limit_closed_total", "Connections closed because all buffers together exceeded their limit.")
	slow             = desc("slow_request_closed_total", "Connections closed because a request took too long to arrive.")
	auditRecords     = desc("audit_records_total", "The last record's index in the audit log.")
	auditLost        = desc("audit_records_lost_total", "Audit records that could not be written.")
	commands         = desc("commands_total", "Commands served.")
	outputExceeded   = desc("output_limit_closed_total", "Connections closed because a reply exceeded the output limit.")
	networkBytes     = desc("network_bytes_total", "Bytes inside TLS, by direction.", "direction")
	leader           = desc("raft_leader", "1 on the leader.")
	term             = desc("raft_term", "The replicated log's term.")
	appliedIndex     = desc("raft_applied_index", "Last applied log index.")
	logSyncs         = desc("log_syncs_total", "How often the log was made durable (fsync); writes that wait together share one.")
	keys             = desc("keys", "Keys, those that expired but are not yet swept among them.")
	dataBytes        = desc("data_bytes", "Memory that the data take, about.")
	dataLimit        = desc("data_limit_bytes", "Memory that the data may take; 0 without a limit.")
	evictedKeys      = desc("evicted_keys_total", "Keys that were evicted to make room (spec.memory.evictionPolicy).")
	retained         = desc("retention_expiries_total", "Keys that were given an expiry by a rule of spec.retention.", "match")
	ready            = desc("ready", "1 if the member serves.")
	storageFull      = desc("storage_full", "1 if writes are refused for want of space.")
	storageCapacity  = desc("storage_capacity_bytes", "Size of the volume.")
	storageAvailable = desc("storage_available_bytes", "Free space on the volume.")
	certNotAfter     = desc("certificate_not_after_seconds", "End of the served certificate's validity, Unix time.", "use")
	reloadFailed     = desc("credential_reload_failed", "1 if the newest mounted content was refused.", "source")
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.sample()
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	send(buildInfo, gauge, 1, s.Version, s.Instance, s.Member)
	send(connections, gauge, float64(s.Connections-s.Unauthenticated), "authenticated")
	send(connections, gauge, float64(s.Unauthenticated), "unauthenticated")
	for _, x := range s.Sessions {
		send(sessions, gauge, float64(x.Count), x.User, strconv.FormatInt(x.Generation, 10))
	}
	for _, u := range s.Users {
		send(userDenied, counter, float64(u.Denied), u.Name)
		send(userHeld, counter, float64(u.Held), u.Name)
		send(userThrottled, counter, float64(u.Throttled), u.Name)
	}
	send(buffered, gauge, float64(s.Buffered))
	send(shed, counter, float64(s.Shed))
	send(slow, counter, float64(s.Slow))
	send(auditRecords, counter, float64(s.AuditRecords))
	send(auditLost, counter, float64(s.AuditLost))
	for _, x := range []struct {
		desc  *prometheus.Desc
		value int64
	}{
		{accepted, s.Accepted}, {rejected, s.Rejected}, {handshakes, s.HandshakeFailures}, {authFailures, s.AuthFailures},
		{protocolErrors, s.ProtocolErrors}, {denied, s.Denied}, {commands, s.Commands}, {outputExceeded, s.OutputExceeded},
	} {
		send(x.desc, counter, float64(x.value))
	}
	send(networkBytes, counter, float64(s.BytesIn), "in")
	send(networkBytes, counter, float64(s.BytesOut), "out")
	send(leader, gauge, truth(s.Leader))
	send(term, gauge, float64(s.Term))
	send(appliedIndex, counter, float64(s.AppliedIndex))
	send(logSyncs, counter, float64(s.LogSyncs))
	send(keys, gauge, float64(s.Keys))
	send(dataBytes, gauge, float64(s.DataBytes))
	send(dataLimit, gauge, float64(s.DataLimit))
	send(evictedKeys, counter, float64(s.EvictedKeys))
	for match, n := range s.Retained {
		send(retained, counter, float64(n), match)
	}
	send(ready, gauge, truth(s.Ready))
	send(storageFull, gauge, truth(s.StorageFull))
	send(storageCapacity, gauge, float64(s.StorageCapacity))
	send(storageAvailable, gauge, float64(s.StorageAvailable))
	if s.Jobs != nil {
		s.Jobs.send(send)
	}
	for _, x := range s.Certificates {
		send(certNotAfter, gauge, float64(x.NotAfter.Unix()), x.Use)
	}
	for _, x := range s.ReloadErrors {
		send(reloadFailed, gauge, truth(x.Failed), x.Source)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
