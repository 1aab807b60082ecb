package acl

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrNewerVersion is a file written for a later engine.
	ErrNewerVersion = errors.New("users file is of a newer version")
	// ErrInvalid is a file that the engine cannot act on. Errors name users
	// and fields, never a verifier.
	ErrInvalid = errors.New("invalid users file")
)

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
	u := &Users{revision: f.Revision, audit: Audit{Level: AuditNone},
		identities: make(map[string]*Identity, len(f.Users)), bearers: map[[sha256.Size]byte]bearer{}}
	if f.Audit != nil {
		u.audit = *f.Audit
	}
	for i := range f.Users {
		id := newIdentity(f.Users[i])
		if f.Version < 2 { // which knew of no channels, and let everybody use all
			id.channels = [][]byte{[]byte("*")}
		}
		id.write(f.Users[i])
		u.identities[id.name] = id
		u.rounds = max(u.rounds, len(id.verifiers))
		for _, v := range id.verifiers {
			if _, taken := u.bearers[v.sum]; !taken {
				u.bearers[v.sum] = bearer{id, v.generation}
			}
		}
	}
	u.tokens = decode(f.MetricsTokens)
	return u, nil
}
