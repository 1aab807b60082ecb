package audit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coffer-dev/coffer/engine/adminapi"
)

const (
	// maxKeys of a record, and how many bytes of each are kept.
	maxKeys     = 8
	maxKeyBytes = 256
	// maxName bounds the name of somebody who did not log in, in bytes.
	maxName = 64
	// maxClaim is how much of such a name waits to be written: more than a
	// password has, so that one is known whole.
	maxClaim = 2048
	// maxCounts is how many different things are counted at a time, and
	// countTicks how many ticks they are counted for.
	maxCounts  = 256
	countTicks = 10
	// timeFormat of a record.
	timeFormat = "2006-01-02T15:04:05.000Z07:00"
)

// Operations that are no commands.
const (
	Login   = "login"
	Connect = "connect"
	Request = "request" // whatever command it would have been
)

// Entry is what the server says of an event.
type Entry struct {
	Time       time.Time
	Identity   string
	Generation int64
	Source     string
	Operation  string
	Database   int
	Keys       string // as Keys returns it
	MoreKeys   int
	Denied     bool
	Reason     string
}

func (e *Entry) size() int {
	return 200 + len(e.Identity) + len(e.Source) + len(e.Operation) + len(e.Keys) + len(e.Reason)
}

// Keys makes a record's keys of those of a command, which it does not keep, and
// says how many are left out.
func Keys[K any](keys []K, name func(K) []byte) (text string, more int) {
	if len(keys) > maxKeys {
		keys, more = keys[:maxKeys], len(keys)-maxKeys
	}
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteByte('\n') // which no key has once it is written
		}
		writeKey(&b, name(k))
	}
	return b.String(), more
}

func writeKey(b *strings.Builder, key []byte) {
	cut := key[:min(len(key), maxKeyBytes)]
	for rest := cut; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 || r < ' ' || r == 0x7f {
			fmt.Fprintf(b, `\x%02x`, rest[0])
		} else {
			b.Write(rest[:n])
		}
		rest = rest[n:]
	}
	if n := len(key) - len(cut); n > 0 {
		b.WriteString("...(+" + strconv.Itoa(n) + " bytes)")
	}
}

// Claim is what somebody who did not log in calls himself, as an Entry has it.
// Whether it is a secret is found out when it is written, by Name.
func Claim(name string) string { return strings.Clone(name[:min(len(name), maxClaim)]) }

// Name bounds what somebody who did not log in calls himself.
func Name(name string) string {
	var b strings.Builder
	writeKey(&b, []byte(name[:min(len(name), maxName)]))
	if n := len(name) - maxName; n > 0 {
		b.WriteString("...(+" + strconv.Itoa(n) + " bytes)")
	}
	return b.String()
}

// record is the entry's form on disk.
func (e *Entry) record(index uint64, member string, count int64) adminapi.AuditRecord {
	r := adminapi.AuditRecord{
		Index: index, Time: e.Time.UTC().Format(timeFormat), Member: member, Identity: e.Identity, Generation: e.Generation,
		Source: e.Source, Operation: e.Operation, Database: e.Database, MoreKeys: e.MoreKeys, Decision: adminapi.AuditAllowed, Reason: e.Reason, Count: count,
	}
	if e.Denied {
		r.Decision = adminapi.AuditDenied
	}
	if e.Keys != "" {
		r.Keys = strings.Split(e.Keys, "\n")
	}
	return r
}
