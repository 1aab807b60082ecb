package node

import (
	"cmp"
	"slices"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/metrics"
	"github.com/coffer-dev/coffer/engine/server"
)

// Reasons of a member's status.
const (
	storageFull = "the volume is full: writes are refused"
	takesOver   = "the member leads, and does not serve yet"
	behind      = "the member does not have what the leader acknowledged"
	noLeader    = "no member leads the group: a majority of its members is needed"
	logWaits    = "the log cannot be taken up before there is space on the volume"
)

// AuditPage implements httpapi.Administered.
func (n *Node) AuditPage(after uint64, limit int) adminapi.AuditPage {
	if phase := n.phase.Load(); phase != nil {
		return adminapi.AuditPage{Version: adminapi.Version}
	}
	return n.audit.Read(after, limit)
}

// unopened is the status of a member that has no state yet.
func (n *Node) unopened(phase string) adminapi.Status {
	s := adminapi.Status{
		Version: adminapi.Version, EngineVersion: n.opts.Version, Instance: n.opts.Config.Instance, Member: n.opts.Member,
		Role: starting, Reason: phase,
	}
	if n.peers != nil {
		s.Group = n.peers.status()
		if phase == blank || phase == forgot {
			s.Role = "blank"
		}
	}
	return s
}

// Status is the member's answer to the operator.
func (n *Node) Status() adminapi.Status {
	if phase := n.phase.Load(); phase != nil && (*phase != stopping || n.group == nil) {
		return n.unopened(*phase)
	}
	facts := n.group.Stats()
	stats := n.stats()
	snapshot := n.credentials.Current()
	s := adminapi.Status{
		Version:       adminapi.Version,
		EngineVersion: n.opts.Version,
		Instance:      n.opts.Config.Instance,
		Member:        n.opts.Member,
		Role:          facts.Role,
		Term:          facts.Term,
		AppliedIndex:  facts.AppliedIndex,
		Ready:         true,
		Keys:          facts.Keys,
		Connections:   stats.Connections,
		Credentials: adminapi.Credentials{
			Revision: snapshot.Users.Revision(),
			Users:    usersOf(snapshot.Users, stats),
			Error:    snapshot.UsersError,

			FileVersion: acl.FileVersion,
		},
		TLS: adminapi.TLS{
			Fingerprint: snapshot.Client.Fingerprint,
			NotAfter:    snapshot.Client.NotAfter.UTC().Format(time.RFC3339),
			Error:       snapshot.ClientError,

			Authorities:      snapshot.Authorities.Fingerprints,
			AuthoritiesError: snapshot.AuthoritiesError,
		},
		Storage:    facts.Storage,
		Encryption: facts.Encryption,
	}
	s.Encryption.Error = snapshot.KeysError
	n.countAudit(&s.Encryption)
	s.Audit = n.audit.Status()
	if n.peers != nil {
		s.Group = n.peers.status()
	}
	s.Jobs = n.jobsStatus(snapshot)
	s.Settings = &adminapi.Settings{Revision: snapshot.Settings.Revision, Error: snapshot.SettingsError}
	if facts.Storage.Full {
		s.Reason = storageFull
	}
	if err := n.notReady(); err != nil {
		s.Ready, s.Reason = false, err.Error()
	}
	return s
}

// usersOf lists every accepted generation, and revoked ones that sessions are
// still on.
func usersOf(accepted *acl.Users, stats admission.Stats) []adminapi.User {
	generations := map[string][]adminapi.Generation{}
	for _, name := range accepted.Names() {
		for _, g := range accepted.Identity(name).Generations() {
			key := admission.SessionKey{User: name, Generation: g}
			generations[name] = append(generations[name], adminapi.Generation{Number: g, Accepted: true, Sessions: stats.Sessions[key]})
			delete(stats.Sessions, key)
		}
	}
	for key, count := range stats.Sessions {
		generations[key.User] = append(generations[key.User], adminapi.Generation{Number: key.Generation, Sessions: count})
	}
	users := make([]adminapi.User, 0, len(generations))
	for name, list := range generations {
		slices.SortFunc(list, func(a, b adminapi.Generation) int { return cmp.Compare(a.Number, b.Number) })
		refused := stats.Users[name]
		users = append(users, adminapi.User{Name: name, Generations: list, Denied: refused.Denied, Held: refused.Held, Throttled: refused.Throttled})
	}
	slices.SortFunc(users, func(a, b adminapi.User) int { return cmp.Compare(a.Name, b.Name) })
	return users
}

// stats are those of all ports for clients.
func (n *Node) stats() admission.Stats {
	s := n.server.Stats()
	if n.reads != nil {
		s = s.Add(n.reads.Stats())
	}
	if n.jobs != nil {
		s = s.Add(n.jobs.Stats())
	}
	return s
}

// facts are INFO's.
func (n *Node) facts() server.Facts {
	f := n.group.Stats()
	return server.Facts{
		EngineVersion: n.opts.Version, RunID: n.runID, Member: n.opts.Member,
		Role: f.Role, Term: f.Term, AppliedIndex: f.AppliedIndex, Keys: f.Keys, Databases: f.Databases, DataBytes: f.Bytes,
		Durability: string(n.opts.Config.Durability), StorageFull: f.Storage.Full,
		MemoryLimit: n.memoryLimit, MaxData: n.maxData(), LogSyncs: n.logSyncs.Load(),
		MaxMemoryPolicy: n.opts.Config.Memory.MaxMemoryPolicy(), EvictedKeys: f.Evicted,
		LastSnapshot: f.LastSnapshot, RetentionExpiries: f.RetainedInAll,
	}
}

// sample is what a scrape reads; before the core is open, what there is.
func (n *Node) sample() metrics.Sample {
	snapshot := n.credentials.Current()
	s := metrics.Sample{
		Version: n.opts.Version, Instance: n.opts.Config.Instance, Member: n.opts.Member,
		Certificates: []metrics.Certificate{
			{Use: "client", NotAfter: snapshot.Client.NotAfter}, {Use: "admin", NotAfter: snapshot.Admin.NotAfter},
		},
		ReloadErrors: []metrics.ReloadError{
			{Source: "users", Failed: snapshot.UsersError != ""},
			{Source: "client", Failed: snapshot.ClientError != ""},
			{Source: "admin", Failed: snapshot.AdminError != ""},
			{Source: "authorities", Failed: snapshot.AuthoritiesError != ""},
			{Source: "encryption", Failed: snapshot.KeysError != ""},
			{Source: "queues", Failed: snapshot.QueuesError != ""},
			{Source: "settings", Failed: snapshot.SettingsError != ""},
		},
	}
	if n.phase.Load() != nil {
		return s
	}
	facts, st := n.group.Stats(), n.stats()
	s.Jobs = n.jobsSample()
	s.Connections, s.Unauthenticated, s.Accepted, s.Rejected = st.Connections, st.Unauthenticated, st.Accepted, st.Rejected
	s.HandshakeFailures, s.AuthFailures, s.ProtocolErrors = st.HandshakeFailures, st.AuthFailures, st.ProtocolErrors
	s.Denied, s.Commands, s.OutputExceeded = st.Denied, st.Commands, st.OutputExceeded
	s.BytesIn, s.BytesOut = st.BytesIn, st.BytesOut
	s.Buffered, s.Shed, s.Slow = st.Buffered, st.Shed, st.Slow
	s.Leader, s.Term, s.AppliedIndex, s.Keys = facts.Role == "leader", facts.Term, facts.AppliedIndex, facts.Keys
	s.Ready, s.StorageFull = n.notReady() == nil, facts.Storage.Full
	s.LogSyncs = n.logSyncs.Load()
	s.DataBytes, s.DataLimit, s.EvictedKeys = facts.Bytes, n.maxData(), facts.Evicted
	s.Retained = facts.Retained
	s.StorageCapacity, s.StorageAvailable = facts.Storage.CapacityBytes, facts.Storage.AvailableBytes
	audited := n.audit.Status()
	s.AuditRecords, s.AuditLost = audited.NextIndex-1, audited.Lost
	for _, user := range usersOf(snapshot.Users, st) {
		s.Users = append(s.Users, metrics.User{Name: user.Name, Denied: user.Denied, Held: user.Held, Throttled: user.Throttled})
		for _, g := range user.Generations {
			s.Sessions = append(s.Sessions, metrics.Sessions{User: user.Name, Generation: g.Number, Count: g.Sessions})
		}
	}
	return s
}
