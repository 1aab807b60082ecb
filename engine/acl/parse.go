package acl

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of a users file.
const (
	MaxFileBytes  = 1 << 20
	maxUsers      = 1_000
	maxVerifiers  = 8 // of one user
	maxTokens     = 8
	maxCommands   = 512   // of one user
	maxPatterns   = 256   // of one user
	maxNameBytes  = 128   // of a user, a command, the revision
	maxPattern    = 1_024 // bytes
	allCategories = "all"
)

var (
	// ErrNewerVersion is a file written for a later engine.
	ErrNewerVersion = errors.New("users file is of a newer version")
	// ErrInvalid is a file that the engine cannot act on. Errors name users
	// and fields, never a verifier.
	ErrInvalid = errors.New("invalid users file")
)

// categories are redis's; a misspelt one would silently permit nothing.
var categories = map[string]bool{
	allCategories: true, "admin": true, "bitmap": true, "blocking": true, "connection": true, "dangerous": true,
	"fast": true, "geo": true, "hash": true, "hyperloglog": true, "keyspace": true, "list": true, "pubsub": true,
	"read": true, "scripting": true, "set": true, "slow": true, "sortedset": true, "stream": true, "string": true,
	"transaction": true, "write": true,
}

// Parse reads and validates users.json.
func Parse(data []byte) (*Users, error) {
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrInvalid, MaxFileBytes)
	}
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	switch {
	case head.Version == nil:
		return nil, fmt.Errorf("%w: version: missing, must be %d", ErrInvalid, FileVersion)
	case *head.Version > FileVersion:
		return nil, fmt.Errorf("%w: version %d, this engine reads up to %d", ErrNewerVersion, *head.Version, FileVersion)
	}
	var f File
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the closing brace", ErrInvalid)
	}
	return New(f)
}

// New validates f and makes the snapshot that the engine asks.
func New(f File) (*Users, error) {
	if err := f.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	u := &Users{revision: f.Revision, identities: make(map[string]*Identity, len(f.Users))}
	for i := range f.Users {
		id := newIdentity(f.Users[i])
		u.identities[id.name] = id
		u.rounds = max(u.rounds, len(id.verifiers))
	}
	u.tokens = decode(f.MetricsTokens)
	return u, nil
}

func (f File) validate() error {
	if f.Version != FileVersion {
		return fmt.Errorf("version: %d, must be %d", f.Version, FileVersion)
	}
	if f.Revision == "" || len(f.Revision) > maxNameBytes {
		return fmt.Errorf("revision: must have 1 to %d bytes", maxNameBytes)
	}
	if len(f.Users) == 0 || len(f.Users) > maxUsers {
		return fmt.Errorf("users: %d, must be from 1 to %d", len(f.Users), maxUsers)
	}
	seen := map[string]bool{}
	for i := range f.Users {
		user := &f.Users[i]
		if err := user.validate(); err != nil {
			return fmt.Errorf("users[%d] (%q): %w", i, user.Name, err)
		}
		if seen[user.Name] {
			return fmt.Errorf("users[%d]: %q is listed twice", i, user.Name)
		}
		seen[user.Name] = true
	}
	if err := validateVerifiers(f.MetricsTokens, 0, maxTokens); err != nil {
		return fmt.Errorf("metricsTokens: %w", err)
	}
	return nil
}

func (u User) validate() error {
	if u.Name == "" || len(u.Name) > maxNameBytes || strings.ContainsFunc(u.Name, isSpaceOrControl) {
		return fmt.Errorf("name: must have 1 to %d bytes without spaces", maxNameBytes)
	}
	if err := validateVerifiers(u.Verifiers, 1, maxVerifiers); err != nil {
		return fmt.Errorf("verifiers: %w", err)
	}
	if len(u.Commands) > maxCommands {
		return fmt.Errorf("commands: %d, must be at most %d", len(u.Commands), maxCommands)
	}
	for _, c := range u.Commands {
		if category, ok := strings.CutPrefix(c, "@"); ok && !categories[category] {
			return fmt.Errorf("commands: unknown category %q", c)
		}
		if c == "" || len(c) > maxNameBytes || strings.ContainsFunc(c, isSpaceOrControl) {
			return fmt.Errorf("commands: %q is not a command's name", c)
		}
	}
	if len(u.Keys) > maxPatterns {
		return fmt.Errorf("keys: %d patterns, must be at most %d", len(u.Keys), maxPatterns)
	}
	for _, k := range u.Keys {
		if len(k) > maxPattern {
			return fmt.Errorf("keys: a pattern of %d bytes, must have at most %d", len(k), maxPattern)
		}
	}
	return nil
}

func validateVerifiers(verifiers []Verifier, low, high int) error {
	if len(verifiers) < low || len(verifiers) > high {
		return fmt.Errorf("%d, must be from %d to %d", len(verifiers), low, high)
	}
	seen := map[int64]bool{}
	for _, v := range verifiers {
		if v.Generation < 1 || seen[v.Generation] {
			return fmt.Errorf("generation: %d, must be positive and unique", v.Generation)
		}
		seen[v.Generation] = true
		raw, err := hex.DecodeString(v.SHA256)
		if err != nil || len(raw) != 32 || strings.ToLower(v.SHA256) != v.SHA256 {
			return fmt.Errorf("sha256 of generation %d: must be 64 lower-case hexadecimal digits", v.Generation)
		}
	}
	return nil
}

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }
