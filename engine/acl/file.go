package acl

// Versions of the users file. The engine reads all of them; a writer takes the
// oldest that has what it needs, for engines that do not know the newer ones.
const (
	FirstFileVersion = 1
	// TokensFileVersion has lives, quotas and the audit.
	TokensFileVersion = 2
	// JobsFileVersion has rules for jobs.
	JobsFileVersion = 3
	// FileVersion is the newest that is read.
	FileVersion = JobsFileVersion
)

// File is users.json: who may connect and what they may do. The operator
// writes it into the server's secret; it holds verifiers, never a password.
// What is marked v2 or v3 may not be in a file of a version before.
type File struct {
	Version int `json:"version"`
	// Revision names this content; a member reports the one in force.
	Revision string `json:"revision"`
	Users    []User `json:"users"`
	// MetricsToken are the verifiers of the bearer tokens that may scrape.
	MetricsTokens []Verifier `json:"metricsTokens,omitempty"`
	// Audit is what is recorded; v2. Without it nothing is.
	Audit *Audit `json:"audit,omitempty"`
}

// Level says how much is recorded of what users do. Each has what those before
// it have.
type Level string

// The levels.
const (
	// AuditNone records nothing.
	AuditNone Level = "None"
	// AuditDenied records what was refused: logins, commands, connections.
	AuditDenied Level = "Denied"
	// AuditWrites also records logins, writes and administration.
	AuditWrites Level = "Writes"
	// AuditAll also records reads.
	AuditAll Level = "All"
)

// Audit says what is recorded and for how long it is kept.
type Audit struct {
	Level            Level `json:"level"`
	RetentionSeconds int64 `json:"retentionSeconds"`
}

// User is one identity with its credentials and permissions.
type User struct {
	Name      string     `json:"name"`
	Verifiers []Verifier `json:"verifiers"`
	// Commands are rules, read in order; the last that matches a command
	// counts, and without one it is refused. "@category" or a command's name
	// ("client|id" of a subcommand, "client" of all) allows; v2: a minus
	// before it forbids.
	Commands []string `json:"commands"`
	// Keys are the glob patterns of keys that may be read and written.
	Keys []string `json:"keys"`
	// ReadKeys are the patterns of keys that may only be read; v2.
	ReadKeys []string `json:"readKeys,omitempty"`
	// WriteKeys are the patterns of keys that may only be written; v2.
	WriteKeys []string `json:"writeKeys,omitempty"`
	// Channels are the patterns of channels that may be used; v2.
	Channels []string `json:"channels,omitempty"`
	// Source is what gave the user its permissions ("AccessToken shop/cart"):
	// a refusal names it as the thing to change; v2.
	Source string `json:"source,omitempty"`
	// NotAfter ends the user's life, whatever becomes of who wrote the file:
	// RFC 3339; v2.
	NotAfter string `json:"notAfter,omitempty"`
	// Quota is what the user may take; v2.
	Quota *Quota `json:"quota,omitempty"`
	// Jobs are the rules for queues of jobs, each of which allows; v3.
	Jobs []JobRule `json:"jobs,omitempty"`
}

// Quota bounds a user. Zero is no bound.
type Quota struct {
	// Connections at a time.
	Connections int `json:"connections,omitempty"`
	// RequestsPerSecond, of all its connections.
	RequestsPerSecond int `json:"requestsPerSecond,omitempty"`
}

// Verifier accepts one secret of at least 32 characters.
type Verifier struct {
	Generation int64  `json:"generation"`
	SHA256     string `json:"sha256"` // lower-case hex of the secret's SHA-256
}
