package acl

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of a users file.
const (
	MaxFileBytes = 1 << 20
	// MaxCommands is how many rules a user may have.
	MaxCommands = 512
	// MaxPatterns is how many patterns each of a user's lists may have.
	MaxPatterns = 256
	// MaxPatternBytes bounds one pattern.
	MaxPatternBytes = 1_024
	// MaxQuotaConnections and MaxQuotaRequests bound a quota.
	MaxQuotaConnections = 100_000
	MaxQuotaRequests    = 10_000_000

	maxUsers     = 1_000
	maxVerifiers = 8 // of one user
	maxTokens    = 8
	maxNameBytes = 128 // of a user, a command, the revision
	maxSource    = 256 // bytes
	maxRetention = 10 * 366 * 24 * 60 * 60
)

func (f File) validate() error {
	if f.Version < FirstFileVersion || f.Version > FileVersion {
		return fmt.Errorf("version: %d, must be from %d to %d", f.Version, FirstFileVersion, FileVersion)
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
		if err := user.validate(f.Version); err != nil {
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
	return f.Audit.validate(f.Version)
}

func (a *Audit) validate(version int) error {
	if a == nil {
		return nil
	}
	if version < 2 {
		return errors.New("audit: needs version 2")
	}
	switch a.Level {
	case AuditNone:
		return nil
	case AuditDenied, AuditWrites, AuditAll:
	default:
		return fmt.Errorf("audit.level: %q, must be %q, %q, %q or %q", a.Level, AuditNone, AuditDenied, AuditWrites, AuditAll)
	}
	if a.RetentionSeconds < 1 || a.RetentionSeconds > maxRetention {
		return fmt.Errorf("audit.retentionSeconds: %d, must be from 1 to %d", a.RetentionSeconds, maxRetention)
	}
	return nil
}

func (u User) validate(version int) error {
	if u.Name == "" || len(u.Name) > maxNameBytes || strings.ContainsFunc(u.Name, isSpaceOrControl) {
		return fmt.Errorf("name: must have 1 to %d bytes without spaces", maxNameBytes)
	}
	if err := validateVerifiers(u.Verifiers, 1, maxVerifiers); err != nil {
		return fmt.Errorf("verifiers: %w", err)
	}
	if len(u.Commands) > MaxCommands {
		return fmt.Errorf("commands: %d, must be at most %d", len(u.Commands), MaxCommands)
	}
	for _, c := range u.Commands {
		if version < 2 && strings.HasPrefix(c, "-") {
			return fmt.Errorf("commands: %q needs version 2", c)
		}
		if err := ValidateRule(c); err != nil {
			return fmt.Errorf("commands: %w", err)
		}
	}
	if version < JobsFileVersion && u.Jobs != nil {
		return fmt.Errorf("jobs: needs version %d", JobsFileVersion)
	}
	if version < TokensFileVersion {
		return u.validateFirst()
	}
	for _, list := range []struct {
		field    string
		patterns []string
	}{{"keys", u.Keys}, {"readKeys", u.ReadKeys}, {"writeKeys", u.WriteKeys}, {"channels", u.Channels}} {
		if len(list.patterns) > MaxPatterns {
			return fmt.Errorf("%s: %d patterns, must be at most %d", list.field, len(list.patterns), MaxPatterns)
		}
		for _, p := range list.patterns {
			if err := ValidatePattern(p); err != nil {
				return fmt.Errorf("%s: %w", list.field, err)
			}
		}
	}
	if err := validateJobRules(u.Jobs); err != nil {
		return err
	}
	return u.validateLife()
}

// validateFirst is for version 1, whose patterns were only bounded.
func (u User) validateFirst() error {
	if u.ReadKeys != nil || u.WriteKeys != nil || u.Channels != nil || u.Source != "" || u.NotAfter != "" || u.Quota != nil {
		return errors.New("readKeys, writeKeys, channels, source, notAfter and quota need version 2")
	}
	if len(u.Keys) > MaxPatterns {
		return fmt.Errorf("keys: %d patterns, must be at most %d", len(u.Keys), MaxPatterns)
	}
	for _, k := range u.Keys {
		if len(k) > MaxPatternBytes {
			return fmt.Errorf("keys: a pattern of %d bytes, must have at most %d", len(k), MaxPatternBytes)
		}
	}
	return nil
}

func (u User) validateLife() error {
	if len(u.Source) > maxSource || strings.ContainsFunc(u.Source, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("source: must have at most %d bytes on one line", maxSource)
	}
	if _, err := time.Parse(time.RFC3339, u.NotAfter); u.NotAfter != "" && err != nil {
		return fmt.Errorf("notAfter: %q, must be a time as in 2026-01-31T12:00:00Z", u.NotAfter)
	}
	q := u.Quota
	if q == nil {
		return nil
	}
	if q.Connections < 0 || q.Connections > MaxQuotaConnections {
		return fmt.Errorf("quota.connections: %d, must be from 0 to %d", q.Connections, MaxQuotaConnections)
	}
	if q.RequestsPerSecond < 0 || q.RequestsPerSecond > MaxQuotaRequests {
		return fmt.Errorf("quota.requestsPerSecond: %d, must be from 0 to %d", q.RequestsPerSecond, MaxQuotaRequests)
	}
	return nil
}

// ValidateRule says what is wrong with a rule for commands. A command's name is
// not looked up: an engine may have commands that this program does not know.
func ValidateRule(rule string) error {
	name := strings.TrimPrefix(rule, "-")
	if category, ok := strings.CutPrefix(name, "@"); ok {
		if category != allCategories && categories[category] == 0 {
			return fmt.Errorf("unknown category %q, the categories are those that ACL CAT of Redis lists, and @all", rule)
		}
		return nil
	}
	if name == "" || len(name) > maxNameBytes || strings.ContainsFunc(name, isSpaceOrControl) || strings.ContainsAny(name[:1], "-+") {
		return fmt.Errorf("%q is not a command's name: write \"get\" or \"client|id\", \"-get\" to forbid one, \"@read\" or \"-@dangerous\" for a category", rule)
	}
	return nil
}

// ValidatePattern says what is wrong with a pattern of keys or channels.
func ValidatePattern(pattern string) error {
	if pattern == "" || len(pattern) > MaxPatternBytes {
		return fmt.Errorf("a pattern of %d bytes, must have from 1 to %d (\"*\" is every key)", len(pattern), MaxPatternBytes)
	}
	open := false // within [...]
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c < ' ' || c == 0x7f:
			return fmt.Errorf("pattern %q: a control character at byte %d; write ? for it", pattern, i)
		case c == '\\' && i == len(pattern)-1:
			return fmt.Errorf("pattern %q: nothing follows the backslash at the end; write \\\\ for one", pattern)
		case c == '\\':
			i++
		case c == '[':
			open = true
		case c == ']':
			open = false
		}
	}
	if open {
		return fmt.Errorf("pattern %q: [ without ]; write \\[ for the character itself", pattern)
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
