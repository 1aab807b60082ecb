package storm

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Kind of what is rotated.
type Kind string

// The kinds: passwords of databases, passwords of tokens, leaf certificates,
// certificate authorities.
const (
	Passwords    Kind = "passwords"
	Tokens       Kind = "tokens"
	Certificates Kind = "certificates"
	Authorities  Kind = "authorities"
)

// Kinds are all of them.
var Kinds = []Kind{Passwords, Tokens, Certificates, Authorities}

// Report is what a storm did and what came of it.
type Report struct {
	Options      Options
	Applications int

	Commands, Failed, Connections int64
	Rotations                     map[Kind]int
	Kills                         int // of the operator
	// Restarts and Replaced are of the databases' pods.
	Restarts, Replaced int
	// PasswordsRefused and AuthoritiesRefused at the end, of all that were rotated away.
	PasswordsRefused, AuthoritiesRefused int
	Broken                               []error

	mu    sync.Mutex
	begin time.Time
}

func newReport(o Options) *Report {
	return &Report{Options: o, Rotations: map[Kind]int{}, begin: time.Now()}
}

func (r *Report) problem(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Broken = append(r.Broken, err)
}

func (r *Report) rotated(kinds []Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, kind := range kinds {
		r.Rotations[kind]++
	}
}

func (r *Report) killed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Kills++
}

func (r *Report) counted(commands, failed, connections int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Commands, r.Failed, r.Connections = commands, failed, connections
}

// summary is one line.
func (r *Report) summary() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%d commands, %d failed · %s · operator killed %d times", r.Commands, r.Failed, r.rotations(), r.Kills)
}

func (r *Report) rotations() string {
	var parts []string
	for _, kind := range Kinds {
		parts = append(parts, fmt.Sprintf("%d %s", r.Rotations[kind], kind))
	}
	return strings.Join(parts, ", ")
}

// Err is what a storm must not do, and what it must have done to mean anything.
func (r *Report) Err() error {
	problems := append([]error(nil), r.Broken...)
	wrong := func(yes bool, format string, args ...any) {
		if yes {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	wrong(r.Failed > 0, "%d commands failed", r.Failed)
	wrong(r.Restarts > 0 || r.Replaced > 0, "%d restarts and %d replacements of data pods", r.Restarts, r.Replaced)
	if len(r.Broken) == 0 {
		wrong(r.PasswordsRefused != r.Rotations[Passwords]+r.Rotations[Tokens], "%d old passwords were refused after %d rotations",
			r.PasswordsRefused, r.Rotations[Passwords]+r.Rotations[Tokens])
		wrong(r.AuthoritiesRefused != r.Rotations[Authorities], "%d old authorities were refused after %d rotations", r.AuthoritiesRefused, r.Rotations[Authorities])
		wrong(r.Commands == 0 || r.Connections <= int64(r.Options.Clients), "the clients did nothing")
		for _, kind := range Kinds {
			wrong(r.Rotations[kind] == 0, "no %s were rotated", kind)
		}
		wrong(r.Kills == 0, "the operator was not killed")
	}
	return errors.Join(problems...)
}

// String is the report for people.
func (r *Report) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.Options
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-22s %s\n", what, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "storm of %s, seed %d: %d databases, %d tokens, %d clients in %d pods\n", o.Duration, o.Seed, o.Databases, o.Databases*o.Tokens, o.Clients, r.Applications)
	line("commands", "%d, %d failed", r.Commands, r.Failed)
	line("connections made", "%d, each with a handshake", r.Connections)
	line("rotations", "%s", r.rotations())
	line("operator killed", "%d times", r.Kills)
	line("data pods", "%d restarts, %d replaced", r.Restarts, r.Replaced)
	line("refused at the end", "%d old passwords of %d, %d old authorities of %d", r.PasswordsRefused, r.Rotations[Passwords]+r.Rotations[Tokens], r.AuthoritiesRefused, r.Rotations[Authorities])
	return b.String()
}
