// Package adminapi is the shape of what a member tells the operator over its
// admin port (HTTPS, mutual TLS), and what it has members do: GET /v1/status
// answers Status as JSON, GET /v1/audit an AuditPage, POST /v1/group takes a
// GroupChange.
package adminapi

// Version of these shapes. A reader accepts its own and the previous one.
const Version = 1

// Status is what a member knows of itself.
type Status struct {
	Version       int         `json:"version"`
	EngineVersion string      `json:"engineVersion"`
	Instance      string      `json:"instance"` // namespace/name
	Member        string      `json:"member"`   // pod name
	Role          string      `json:"role"`     // leader | follower | starting | blank
	Term          uint64      `json:"term"`
	AppliedIndex  uint64      `json:"appliedIndex"`
	Ready         bool        `json:"ready"`
	Reason        string      `json:"reason,omitempty"` // why not Ready, or why writes are refused
	Keys          int64       `json:"keys"`
	Connections   int64       `json:"connections"`
	Credentials   Credentials `json:"credentials"`
	TLS           TLS         `json:"tls"`
	Storage       Storage     `json:"storage"`
	Encryption    Encryption  `json:"encryption"`
	// Audit is nil from an engine that keeps no audit log.
	Audit *Audit `json:"audit,omitempty"`
	// Jobs is nil from a member that serves none.
	Jobs *Jobs `json:"jobs,omitempty"`
	// Settings is nil from an engine that reads none.
	Settings *Settings `json:"settings,omitempty"`
	// Group is nil from a member that is configured to be alone.
	Group *Group `json:"group,omitempty"`
}

// Settings says which settings are in force (config.Settings).
type Settings struct {
	// Revision of them; empty without a file.
	Revision string `json:"revision,omitempty"`
	// Error is why the newest file was not taken up; empty when it was.
	Error string `json:"error,omitempty"`
}

// Credentials says which credential generations the member accepts, and how
// many live sessions authenticated with each.
type Credentials struct {
	// Revision of the users file that is in force (acl.File.Revision).
	Revision string `json:"revision"`
	Users    []User `json:"users"`
	// Error is why the newest file was not taken up; empty when it was.
	Error string `json:"error,omitempty"`
	// FileVersion is the newest version of the users file that the engine
	// reads (acl.FileVersion); 0 from one that reads only the first.
	FileVersion int `json:"fileVersion,omitempty"`
}

// User is one user's accepted generations and sessions.
type User struct {
	Name        string       `json:"name"`
	Generations []Generation `json:"generations"`
	// What the user was refused since the member started: commands for want of
	// permission, requests that waited for its quota, requests over it.
	Denied    int64 `json:"denied,omitempty"`
	Held      int64 `json:"held,omitempty"`
	Throttled int64 `json:"throttled,omitempty"`
}

// Generation is one credential of a user. A revoked one is listed while
// sessions are left on it.
type Generation struct {
	Number   int64 `json:"number"`
	Accepted bool  `json:"accepted"`
	Sessions int64 `json:"sessions"`
}

// TLS is the certificate that the client port serves, and whom the admin port
// trusts.
type TLS struct {
	Fingerprint string `json:"fingerprint"` // SHA-256 of the leaf's DER, lower-case hex
	NotAfter    string `json:"notAfter"`    // RFC 3339
	Error       string `json:"error,omitempty"`
	// Authorities whose certificates the admin port accepts: SHA-256 of their
	// DER, lower-case hex, sorted.
	Authorities []string `json:"authorities,omitempty"`
	// AuthoritiesError is why the newest authorities.pem was not taken up.
	AuthoritiesError string `json:"authoritiesError,omitempty"`
}

// Storage is the volume's space and whether writes are refused for want of it.
type Storage struct {
	CapacityBytes  int64 `json:"capacityBytes"`
	AvailableBytes int64 `json:"availableBytes"`
	Full           bool  `json:"full"`
}

// Encryption says what the member's files are encrypted under. Keys are told by
// their ids (package vault). A key may go when no member has it in InUse.
type Encryption struct {
	// Primary is the key that new files are under; empty when they are not
	// encrypted.
	Primary string `json:"primary,omitempty"`
	// InUse are the keys that a restart would need.
	InUse []string `json:"inUse,omitempty"`
	// PlainFiles is the number of files that are not encrypted.
	PlainFiles int `json:"plainFiles"`
	// Error is why the newest keys were not taken up; empty when they were.
	Error string `json:"error,omitempty"`
}
