package adminapi

// AuditRecord is one line of the audit log: who asked for what, from where, and
// whether it was permitted. It never holds a value, a password or any argument
// but keys. This is also the form in which records are stored and streamed:
// fields are added, never changed.
type AuditRecord struct {
	Index  uint64 `json:"index"`
	Time   string `json:"time"` // RFC 3339, UTC, milliseconds
	Member string `json:"member"`
	// Identity is the user; of a failed login what the client called itself,
	// cut to 64 bytes. Empty before a login.
	Identity string `json:"identity,omitempty"`
	// Generation of the credential that the user logged in with.
	Generation int64  `json:"generation,omitempty"`
	Source     string `json:"source,omitempty"` // address and port, or the address alone
	// Operation is a command ("get", "client|id"), or "login", "connect",
	// "request", "audit".
	Operation string `json:"operation"`
	// Database is the number of the one that a command of keys was for.
	Database int `json:"database,omitempty"`
	// Keys are the first of those that the command names; of a refusal the one
	// that was refused. Bytes that are not UTF-8 are written as \xNN; a key of
	// more than 256 bytes is cut and ends in "...(+N bytes)".
	Keys []string `json:"keys,omitempty"`
	// MoreKeys is how many keys are not listed.
	MoreKeys int    `json:"moreKeys,omitempty"`
	Decision string `json:"decision"` // allowed | denied | lost
	Reason   string `json:"reason,omitempty"`
	// Count is how often it happened, where that is told in one record.
	Count int64 `json:"count,omitempty"`
}

// Decisions of an AuditRecord.
const (
	AuditAllowed = "allowed"
	AuditDenied  = "denied"
	AuditLost    = "lost"
)

// AuditPage answers GET /v1/audit?after=INDEX&limit=N: the records behind that
// index, at most N (1 to 1000, 100 if it is not said) and half a mebibyte. Who
// wants the rest asks again, behind the last one.
type AuditPage struct {
	Version int           `json:"version"`
	Records []AuditRecord `json:"records"`
	// FirstIndex and NextIndex bound what is there: records before the first
	// were removed, the next one is still to be written.
	FirstIndex uint64 `json:"firstIndex"`
	NextIndex  uint64 `json:"nextIndex"`
}

// Audit is the state of the audit log.
type Audit struct {
	Level      string `json:"level"` // None | Denied | Writes | All
	FirstIndex uint64 `json:"firstIndex"`
	NextIndex  uint64 `json:"nextIndex"`
	// Lost is how many records could not be written since the member started.
	Lost int64 `json:"lost"`
	// Error says which file is damaged or why the last record could not be
	// written; empty if all is well.
	Error string `json:"error,omitempty"`
}
