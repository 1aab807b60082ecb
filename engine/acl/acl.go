// Package acl knows the identities that may use the engine and answers one
// question for every protocol: may this identity do this to these keys. It
// reads nothing and has no state but immutable snapshots of users.json.
package acl

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/glob"
)

// Users is an immutable snapshot of who may connect.
type Users struct {
	revision   string
	identities map[string]*Identity
	tokens     []verifier
	// rounds is the most verifiers that any user has: every attempt compares
	// that often, so that time tells nothing of which users exist.
	rounds int
}

type verifier struct {
	generation int64
	sum        [sha256.Size]byte
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
	name       string
	verifiers  []verifier
	all        bool
	categories map[string]bool
	commands   map[string]bool
	keys       [][]byte
	everyKey   bool
}

// Action is what a command asks for.
type Action struct {
	Command    string   // lower case; a subcommand as "client|id"
	Categories []string // without "@"
	Keys       [][]byte
	EveryKey   bool // it concerns keys that it does not name
}

// Denied is why an action is refused. Its text is redis-server 7.0's reply.
type Denied struct {
	Command string // the command that is not permitted; empty if a key is not
}

func (d *Denied) Error() string {
	if d.Command != "" {
		return "NOPERM this user has no permissions to run the '" + d.Command + "' command"
	}
	return "NOPERM this user has no permissions to access one of the keys used as arguments"
}

func newIdentity(u User) *Identity {
	id := &Identity{
		name:       u.Name,
		verifiers:  decode(u.Verifiers),
		categories: map[string]bool{},
		commands:   map[string]bool{},
	}
	for _, c := range u.Commands {
		if category, ok := strings.CutPrefix(c, "@"); ok {
			id.categories[category] = true
		} else {
			id.commands[strings.ToLower(c)] = true
		}
	}
	id.all = id.categories[allCategories]
	for _, k := range u.Keys {
		id.keys = append(id.keys, []byte(k))
		id.everyKey = id.everyKey || k == "*"
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

// Names lists the users.
func (u *Users) Names() []string {
	names := make([]string, 0, len(u.identities))
	for name := range u.identities {
		names = append(names, name)
	}
	return names
}

// Identity finds a user by name; nil if there is none.
func (u *Users) Identity(name string) *Identity { return u.identities[name] }

// Verify says whose password this is and which of the user's credentials. It
// takes the same time for an unknown user, a wrong password and the right one.
func (u *Users) Verify(user, password string) (id *Identity, c Credential, ok bool) {
	sum := sha256.Sum256([]byte(password))
	id = u.identities[user]
	var known []verifier
	if id != nil {
		known = id.verifiers
	}
	generation, ok := match(sum, known, u.rounds)
	if !ok {
		return nil, Credential{}, false
	}
	return id, Credential{user, verifier{generation, sum}}, true
}

// VerifyToken says whether a bearer token may scrape the metrics.
func (u *Users) VerifyToken(token string) bool {
	_, ok := match(sha256.Sum256([]byte(token)), u.tokens, len(u.tokens))
	return ok
}

// match compares sum with rounds verifiers, all of them always.
func match(sum [sha256.Size]byte, known []verifier, rounds int) (generation int64, ok bool) {
	var absent verifier
	found := 0
	for i := range rounds {
		candidate, real := &absent, 0
		if i < len(known) {
			candidate, real = &known[i], 1
		}
		equal := subtle.ConstantTimeCompare(sum[:], candidate.sum[:]) & real
		found |= equal
		generation |= candidate.generation & -int64(equal)
		if equal == 1 {
			// Two generations may share a secret: the first one counts, and the
			// rest is still compared.
			known = known[:i+1]
		}
	}
	return generation, found == 1
}

// Accepts reports whether the credential is still the user's.
func (u *Users) Accepts(c Credential) bool {
	id := u.identities[c.User]
	return id != nil && slices.Contains(id.verifiers, c.verifier)
}

// Name of the user.
func (id *Identity) Name() string { return id.name }

// Generations lists the credential generations that are accepted.
func (id *Identity) Generations() []int64 {
	out := make([]int64, len(id.verifiers))
	for i := range id.verifiers {
		out[i] = id.verifiers[i].generation
	}
	return out
}

// Allows says whether the identity may do a; if not, why.
func (id *Identity) Allows(a Action) *Denied {
	if !id.allowsCommand(a) {
		return &Denied{Command: a.Command}
	}
	if id.everyKey {
		return nil
	}
	if a.EveryKey {
		return &Denied{}
	}
	for _, key := range a.Keys {
		if !id.allowsKey(key) {
			return &Denied{}
		}
	}
	return nil
}

func (id *Identity) allowsCommand(a Action) bool {
	if id.all || id.commands[a.Command] {
		return true
	}
	if parent, _, ok := strings.Cut(a.Command, "|"); ok && id.commands[parent] {
		return true
	}
	for _, c := range a.Categories {
		if id.categories[c] {
			return true
		}
	}
	return false
}

func (id *Identity) allowsKey(key []byte) bool {
	for _, pattern := range id.keys {
		if glob.Match(pattern, key) {
			return true
		}
	}
	return false
}
