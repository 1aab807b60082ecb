package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/acl"
)

// Keys of the secrets' data.
const (
	// KeyUsers in the server's secret is the engine's users file.
	KeyUsers = "users.json"
	// KeyPassword in connection, pending and a user's own secret.
	KeyPassword = "password"
	// KeyGeneration in connection and pending: decimal.
	KeyGeneration = "generation"
	// KeyToken in the metrics secret.
	KeyToken = "token"
	// KeyCA in connection and metrics: PEM.
	KeyCA = "ca.crt"
	// KeyNotAfter in connection: RFC 3339.
	KeyNotAfter = "notAfter"

	// KeyReadsHost in connection: where there are reads that may be stale.
	KeyReadsHost = "host-ro"

	keyHost     = "host"
	keyPort     = "port"
	keyUsername = "username"
	keyURI      = "uri"
	keyReadsURI = "uri-ro"
)

// ConnectionUser is the user of the connection secret. Clients that send only
// a password log in as this one.
const ConnectionUser = "default"

// UsersFile is the engine's users file: the instance's own user and, in a
// version that has them, those of tokens, and what is recorded. Its revision
// names its content: the same content gives the same one.
func UsersFile(in Inputs) acl.File {
	own := acl.User{Name: ConnectionUser, Verifiers: in.Server.Verifiers}
	in.kind().permitAll(&own, in.Server.Version)
	file := acl.File{Version: in.Server.Version, Users: []acl.User{own}, MetricsTokens: in.Server.MetricsTokens}
	if file.Version >= acl.TokensFileVersion {
		for _, g := range in.Grants {
			file.Users = append(file.Users, g.Grant.User)
		}
		audit := in.spec().Audit
		file.Audit = &acl.Audit{Level: acl.Level(audit.LevelOrDefault()), RetentionSeconds: int64(audit.RetentionOrDefault().Seconds())}
	}
	file.Revision = UsersRevision(file)
	return file
}

// UsersRevision is the revision that a users file of this content has; another
// one in the file means that it was edited.
func UsersRevision(file acl.File) string {
	file.Revision = ""
	sum := sha256.Sum256(mustJSON(file))
	return hex.EncodeToString(sum[:8])
}

// Verifier accepts one secret, without telling it.
func Verifier(generation int64, secret string) acl.Verifier {
	sum := sha256.Sum256([]byte(secret))
	return acl.Verifier{Generation: generation, SHA256: hex.EncodeToString(sum[:])}
}

// ServerSecret holds the users file that members mount.
func ServerSecret(in Inputs) Object {
	data := map[string][]byte{KeyUsers: mustJSON(UsersFile(in))}
	if len(in.Server.Authorities) > 0 {
		data[KeyAuthorities] = in.Server.Authorities
	}
	if s := Settings(in.Instance); s.Revision != "" {
		data[KeySettings] = mustJSON(s)
	}
	return kept(in, secret(in, NamesOf(in.Instance).ServerSecret(), corev1.SecretTypeOpaque, data, in.Server.Annotations))
}

// PendingSecret holds a new password until applications may have it. It never
// outlives its database.
func PendingSecret(in Inputs) Object {
	return secret(in, NamesOf(in.Instance).PendingSecret(), corev1.SecretTypeOpaque, pendingData(*in.Pending), in.Pending.Annotations).
		WithOwnerReferences(owner(in))
}

func pendingData(p Pending) map[string][]byte {
	return map[string][]byte{KeyPassword: []byte(p.Password), KeyGeneration: decimal(p.Generation)}
}

// MetricsSecret holds what a monitor needs to scrape.
func MetricsSecret(in Inputs) Object {
	data := map[string][]byte{KeyToken: []byte(in.Metrics.Token), KeyCA: in.Metrics.CA}
	return kept(in, secret(in, NamesOf(in.Instance).MetricsSecret(), corev1.SecretTypeOpaque, data, nil))
}

// ConnectionSecret holds what an application needs to connect, in the shape of
// servicebinding.io.
func ConnectionSecret(in Inputs) Object {
	names := NamesOf(in.Instance)
	data := connectionData(in.Instance, ConnectionUser, *in.Connection)
	return kept(in, secret(in, names.ConnectionSecret(), in.kind().ConnectionType, data, in.Connection.Annotations))
}

// connectionData is what a client reads to connect as a user.
func connectionData(to v1alpha1.Instance, user string, c Connection) map[string][]byte {
	names, kind := NamesOf(to), KindOf(to)
	data := map[string][]byte{
		"type":        []byte(strings.TrimPrefix(string(kind.ConnectionType), bindingTypes)),
		"provider":    []byte(product),
		keyHost:       []byte(names.Host()),
		keyPort:       decimal(int64(names.ClientPort())),
		keyUsername:   []byte(user),
		KeyPassword:   []byte(c.Password),
		KeyGeneration: decimal(c.Generation),
	}
	if c.Reads && HasReads(to) {
		data[KeyReadsHost] = []byte(names.ReadsHost())
	}
	kind.connect(data)
	if len(c.CA) > 0 {
		data[KeyCA] = c.CA
	}
	if !c.NotAfter.IsZero() {
		data[KeyNotAfter] = []byte(c.NotAfter.UTC().Format(time.RFC3339))
	}
	return data
}

func secret(in Inputs, name string, kind corev1.SecretType, data map[string][]byte, notes map[string]string) *corev1ac.SecretApplyConfiguration {
	s := corev1ac.Secret(name, in.Instance.GetNamespace()).
		WithLabels(watched(in)).
		WithType(kind).
		WithData(data)
	if len(notes) > 0 {
		s.WithAnnotations(annotations(notes))
	}
	return s
}

// kept leaves out the owner of what outlives its database.
func kept(in Inputs, s *corev1ac.SecretApplyConfiguration) Object {
	if !in.spec().Retains() {
		s.WithOwnerReferences(owner(in))
	}
	return s
}

func decimal(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
