// Package config is the engine's start configuration: one struct that the
// operator renders by marshalling it and the engine reads once at start.
// Everything that changes while the engine runs (users, certificates) is read
// from mounted files instead.
package config

// Version of the configuration file. The engine reads this one and the previous.
const Version = 1

// Durability says when a write is acknowledged.
type Durability string

// The durabilities.
const (
	// Always acknowledges after fsync.
	Always Durability = "Always"
	// EverySecond acknowledges after write(2), with an fsync every second.
	EverySecond Durability = "EverySecond"
)

// Config is engine.json.
type Config struct {
	Version    int        `json:"version"`
	Instance   string     `json:"instance"` // namespace/name
	DataDir    string     `json:"dataDir"`
	Durability Durability `json:"durability"`
	Listen     Listen     `json:"listen"`
	Files      Files      `json:"files"`
	Limits     Limits     `json:"limits"`
	// Memory is written as Peers is.
	Memory Memory `json:"memory,omitzero"`
	// Peers is set for a member of a group of several. An engine of the version
	// before refuses fields that it does not know: it is not written unless it is
	// set.
	Peers Peers `json:"peers,omitzero"`
	// EnableDebugCommand permits DEBUG, which is for tests, to who may use it. The
	// operator never writes it.
	EnableDebugCommand bool `json:"enableDebugCommand,omitempty"`
}

// Ordinal stands in Peers.Address for the ordinal of a member's pod.
const Ordinal = "{ordinal}"

// Peers is how members of a group reach each other. They show each other, and
// trust, what is in files.adminTLS.
type Peers struct {
	Listen string `json:"listen"` // mutual TLS, :7443
	// Address is where a member listens, as the others reach it, for example
	// sessions-{ordinal}.sessions-members.shop.svc:7443. Its ports for clients are
	// at the same host.
	Address string `json:"address"`
	// Name is the DNS name in the members' certificates that they know each
	// other by.
	Name string `json:"name"`
}

// Listen holds host:port addresses; an empty host is every address. A member
// serves keys, jobs or both: a port that is empty is not served.
type Listen struct {
	Keys    string `json:"keys"`    // RESP in TLS, :6379
	Admin   string `json:"admin"`   // HTTPS with mutual TLS, :9443
	Metrics string `json:"metrics"` // HTTPS: /metrics /healthz /readyz, :9090
	// Jobs is the queue protocol in TLS, :6789; JobsHTTP the same in HTTPS,
	// :6790, for a member that has Jobs. An engine of the version before refuses
	// fields that it does not know: these are not written unless they are set.
	Jobs     string `json:"jobs,omitempty"`
	JobsHTTP string `json:"jobsHTTP,omitempty"`
	// Reads is RESP in TLS, :6380, of a member with peers, served from its own
	// state, which may be older than the leader's. Like Jobs, it is not written
	// unless it is set.
	Reads string `json:"reads,omitempty"`
}

// Files are the mounted directories. A TLS directory holds tls.crt, tls.key
// and ca.crt as cert-manager writes them.
type Files struct {
	Users     string `json:"users"`     // users.json
	ClientTLS string `json:"clientTLS"` // what the ports for keys and jobs serve
	AdminTLS  string `json:"adminTLS"`  // what admin and metrics ports serve; its ca.crt signs the operator's certificate
	// EncryptionKeys is the key ring (package vault); empty: what is written is
	// not encrypted.
	EncryptionKeys string `json:"encryptionKeys,omitempty"`
	// Queues holds queues.json (queue.Settings); empty: no queue is declared.
	Queues string `json:"queues,omitempty"`
	// OperatorName is the DNS name in the operator's client certificate.
	OperatorName string `json:"operatorName"`
}

// DefaultRequestSeconds is limits.requestSeconds where it is not set.
const DefaultRequestSeconds = 30

// Limits bound what clients can make the engine do.
type Limits struct {
	MaxClients                int   `json:"maxClients"`
	MaxUnauthenticated        int   `json:"maxUnauthenticated"`
	MaxUnauthenticatedPerHost int   `json:"maxUnauthenticatedPerHost"`
	HandshakeSeconds          int   `json:"handshakeSeconds"`
	AuthenticateSeconds       int   `json:"authenticateSeconds"`
	MaxBulkBytes              int64 `json:"maxBulkBytes"`
	MaxRequestBytes           int64 `json:"maxRequestBytes"`
	MaxArrayLength            int   `json:"maxArrayLength"`
	MaxOutputBytes            int64 `json:"maxOutputBytes"`
	MaxKeyBytes               int   `json:"maxKeyBytes"`
	// RequestSeconds is how long a request may take to arrive, a long one for
	// each 256 KiB; 0 is DefaultRequestSeconds.
	RequestSeconds int `json:"requestSeconds,omitempty"`
	// MaxClientBufferBytes bounds the buffers of all clients together; 0 is a
	// tenth of the container's memory. An engine of the version before refuses
	// fields that it does not know: these two are not written unless they are
	// set.
	MaxClientBufferBytes int64 `json:"maxClientBufferBytes,omitempty"`
}
