package acl

// FileVersion of the users file. The engine reads this one and the previous.
const FileVersion = 1

// File is users.json: who may connect and what they may do. The operator
// writes it into the server's secret; it holds verifiers, never a password.
type File struct {
	Version int `json:"version"`
	// Revision names this content; a member reports the one in force.
	Revision string `json:"revision"`
	Users    []User `json:"users"`
	// MetricsToken are the verifiers of the bearer tokens that may scrape.
	MetricsTokens []Verifier `json:"metricsTokens,omitempty"`
}

// User is one identity with its credentials and permissions.
type User struct {
	Name      string     `json:"name"`
	Verifiers []Verifier `json:"verifiers"`
	// Commands that are allowed: "@category" or a command's name.
	Commands []string `json:"commands"`
	// Keys are the glob patterns of keys that may be read and written.
	Keys []string `json:"keys"`
}

// Verifier accepts one secret of at least 32 characters.
type Verifier struct {
	Generation int64  `json:"generation"`
	SHA256     string `json:"sha256"` // lower-case hex of the secret's SHA-256
}
