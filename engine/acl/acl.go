// Package acl knows the identities that may use the engine and answers one
// question for every protocol: may this identity do this to these keys. It
// reads nothing, no clock either, and has no state but immutable snapshots of
// users.json.
package acl

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"maps"
	"slices"
	"time"
)

// Users is an immutable snapshot of who may connect.
type Users struct {
	revision   string
	audit      Audit
	identities map[string]*Identity
	tokens     []verifier
	bearers    map[[sha256.Size]byte]bearer
	// rounds is the most verifiers that any user has: every attempt compares
	// that often, so that time tells nothing of which users exist.
	rounds int
}

type verifier struct {
	generation int64
	sum        [sha256.Size]byte
}

// bearer is whose secret it is.
type bearer struct {
	identity   *Identity
	generation int64
}

// Credential is what a connection has proved to hold. The secret counts, not
// its generation alone: a number may be given again, to another secret, where
// the records of the old ones were lost.
type Credential struct {
	User string
	verifier
}

// Generation of the credential.
func (c Credential) Generation() int64 { return c.generation }

// Identity is one user's permissions.
type Identity struct {
	name      string
	source    string
	verifiers []verifier
	rules     []rule
	commands  []string // the rules' texts
	keys      []pattern
	everyKey  Access // of the pattern "*"
	channels  [][]byte
	jobs      []jobRule
	notAfter  time.Time // zero: never
	quota     Quota
	text      []byte // of the permissions
}

func newIdentity(u User) *Identity {
	id := &Identity{name: u.Name, source: u.Source, verifiers: decode(u.Verifiers), commands: u.Commands, keys: patternsOf(u)}
	for _, c := range u.Commands {
		id.rules = append(id.rules, newRule(c))
	}
	for _, p := range id.keys {
		if string(p.glob) == "*" {
			id.everyKey = p.access
		}
	}
	for _, c := range u.Channels {
		id.channels = append(id.channels, []byte(c))
	}
	for _, r := range u.Jobs {
		id.jobs = append(id.jobs, newJobRule(r))
	}
	// Validated before; a file that was not leaves zero, which never ends.
	id.notAfter, _ = time.Parse(time.RFC3339, u.NotAfter)
	if u.Quota != nil {
		id.quota = *u.Quota
	}
	return id
}

func decode(verifiers []Verifier) []verifier {
	out := make([]verifier, len(verifiers))
	for i, v := range verifiers {
		out[i].generation = v.Generation
		// Validated before; a wrong digit leaves zeros, which no secret has.
		_, _ = hex.Decode(out[i].sum[:], []byte(v.SHA256))
	}
	return out
}

// Revision is the name of the file's content.
func (u *Users) Revision() string { return u.revision }

// Audit is what is recorded.
func (u *Users) Audit() Audit { return u.audit }

// Names lists the users in the order of their names.
func (u *Users) Names() []string { return slices.Sorted(maps.Keys(u.identities)) }

// Identity finds a user by name; nil if there is none.
func (u *Users) Identity(name string) *Identity { return u.identities[name] }

// Refusal is why a login fails. Clients are not told.
type Refusal string

// The refusals.
const (
	UnknownUser   Refusal = "unknown user"
	WrongPassword Refusal = "wrong password"
	UserExpired   Refusal = "the user has expired"
	UnknownToken  Refusal = "unknown token"
)

// Verify says whose password this is and which of the user's credentials; or
// why it is nobody's at that time. It takes the same time for an unknown user,
// a wrong password, an expired user and the right one.
func (u *Users) Verify(user, password string, now time.Time) (*Identity, Credential, Refusal) {
	sum := sha256.Sum256([]byte(password))
	id := u.identities[user]
	var known []verifier
	if id != nil {
		known = id.verifiers
	}
	generation, ok := match(sum, known, u.rounds)
	switch {
	case id == nil:
		return nil, Credential{}, UnknownUser
	case !ok:
		return nil, Credential{}, WrongPassword
	case id.ExpiredAt(now):
		return nil, Credential{}, UserExpired
	}
	return id, Credential{user, verifier{generation, sum}}, ""
}

// VerifyBearer is Verify for a client that sends the secret alone, a token. It
// is looked up by its SHA-256: how long that takes may tell something of the
// sum, from which no token of 256 random bits can be found. Of users that share
// a secret the first in the file is meant.
func (u *Users) VerifyBearer(token string, now time.Time) (*Identity, Credential, Refusal) {
	sum := sha256.Sum256([]byte(token))
	b, ok := u.bearers[sum]
	switch {
	case !ok:
		return nil, Credential{}, UnknownToken
	case b.identity.ExpiredAt(now):
		return nil, Credential{}, UserExpired
	}
	return b.identity, Credential{b.identity.name, verifier{b.generation, sum}}, ""
}

// VerifyToken says whether a bearer token may scrape the metrics.
func (u *Users) VerifyToken(token string) bool {
	_, ok := match(sha256.Sum256([]byte(token)), u.tokens, len(u.tokens))
	return ok
}

// Knows reports whether a text is somebody's secret, so that it is not written
// down where a client sent it in the place of something else. It may take
// different times.
func (u *Users) Knows(text string) bool {
	sum := sha256.Sum256([]byte(text))
	for _, id := range u.identities {
		if slices.ContainsFunc(id.verifiers, func(v verifier) bool { return v.sum == sum }) {
			return true
		}
	}
	return slices.ContainsFunc(u.tokens, func(v verifier) bool { return v.sum == sum })
}

// equal takes the same time wherever two sums differ. Tests count its calls.
var equal = subtle.ConstantTimeCompare

// match compares sum with rounds verifiers, all of them always.
func match(sum [sha256.Size]byte, known []verifier, rounds int) (generation int64, ok bool) {
	var absent verifier
	found := 0
	for i := range rounds {
		candidate, real := &absent, 0
		if i < len(known) {
			candidate, real = &known[i], 1
		}
		same := equal(sum[:], candidate.sum[:]) & real
		found |= same
		generation |= candidate.generation & -int64(same)
		if same == 1 {
			// Two generations may share a secret: the first one counts, and the
			// rest is still compared.
			known = known[:i+1]
		}
	}
	return generation, found == 1
}

// Accepts reports whether the credential is still the user's at that time.
func (u *Users) Accepts(c Credential, now time.Time) bool {
	id := u.identities[c.User]
	return id != nil && slices.Contains(id.verifiers, c.verifier) && !id.ExpiredAt(now)
}

// NextExpiry is when the first user expires that has not at that time; zero
// if none will.
func (u *Users) NextExpiry(now time.Time) (next time.Time) {
	for _, id := range u.identities {
		if !id.notAfter.IsZero() && !id.ExpiredAt(now) && (next.IsZero() || id.notAfter.Before(next)) {
			next = id.notAfter
		}
	}
	return next
}

// Name of the user.
func (id *Identity) Name() string { return id.name }

// Source is what gave the user its permissions; may be empty.
func (id *Identity) Source() string { return id.source }

// Quota is what the user may take.
func (id *Identity) Quota() Quota { return id.quota }

// ExpiredAt reports whether the user's life is over at that time.
func (id *Identity) ExpiredAt(now time.Time) bool {
	return !id.notAfter.IsZero() && !now.Before(id.notAfter)
}

// Generations lists the credential generations that are accepted.
func (id *Identity) Generations() []int64 {
	out := make([]int64, len(id.verifiers))
	for i := range id.verifiers {
		out[i] = id.verifiers[i].generation
	}
	return out
}
