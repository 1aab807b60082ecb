package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coffer-dev/coffer/engine/keyevent"
)

// SettingsVersion of the settings file. The engine reads no other.
const SettingsVersion = 1

// Settings is settings.json, which lies beside the users file: what changes while
// the engine runs and is no credential. The operator writes it by marshalling this;
// without the file nothing is set. What an operator adds to it is left out where it
// is not asked for: an engine of the version before refuses what it does not know.
type Settings struct {
	Version int `json:"version"`
	// Revision names this content; a member reports the one in force.
	Revision string `json:"revision"`
	// Retention are the rules of which the first that matches a key counts.
	Retention []RetentionRule `json:"retention,omitempty"`
	// KeyspaceEvents are what is told of keys, as package keyevent reads them;
	// without them nothing is.
	KeyspaceEvents string `json:"keyspaceEvents,omitempty"`
}

// Events are KeyspaceEvents, which are valid.
func (s Settings) Events() keyevent.Class {
	c, _ := keyevent.Parse(s.KeyspaceEvents)
	return c
}

// RetentionRule gives keys that have no expiry one.
type RetentionRule struct {
	Match         string `json:"match"` // a glob, as of KEYS
	MaxAgeSeconds int64  `json:"maxAgeSeconds"`
}

// Bounds of the rules: how many, a pattern's bytes, a maximal age's seconds.
const (
	maxRetentionRules = 32
	maxRetentionMatch = 1024
	minMaxAge         = 60
	maxMaxAge         = 10 * 365 * 24 * 3600
)

// ParseSettings reads and validates settings.json.
func ParseSettings(data []byte) (s Settings, err error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return s, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if head.Version > SettingsVersion {
		return s, fmt.Errorf("%w: version %d, this engine reads up to %d", ErrNewerVersion, head.Version, SettingsVersion)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return s, s.Validate()
}

// Validate names every field that is out of its range, with its value and the
// range.
func (s Settings) Validate() error {
	problems := []error{within("version", int64(s.Version), SettingsVersion, SettingsVersion)}
	if n := len(s.Retention); n > maxRetentionRules {
		problems = append(problems, fmt.Errorf("retention: %d rules, must be at most %d", n, maxRetentionRules))
	}
	seen := map[string]bool{}
	for i, r := range s.Retention {
		field := fmt.Sprintf("retention[%d]", i)
		switch {
		case r.Match == "" || len(r.Match) > maxRetentionMatch:
			problems = append(problems, fmt.Errorf("%s.match: %d bytes, must have from 1 to %d", field, len(r.Match), maxRetentionMatch))
		case seen[r.Match]:
			problems = append(problems, fmt.Errorf("%s.match: %q, is another rule's: only the first would count", field, r.Match))
		}
		seen[r.Match] = true
		problems = append(problems, within(field+".maxAgeSeconds", r.MaxAgeSeconds, minMaxAge, maxMaxAge))
	}
	if _, err := keyevent.Parse(s.KeyspaceEvents); err != nil {
		problems = append(problems, fmt.Errorf("keyspaceEvents: %w", err))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}
