// Package retention finds the keys that have no expiry and are to have one, by the
// rules of whoever answers for the data. It is the leader's business: what it finds
// goes through the log as commands that every member knows, so that members need
// not find alike.
//
// Keys are found when they come to have no expiry, which the store notes; and by a
// walk through all of them where that was not noted: of keys from before the rules
// or the leadership, or more than there was room for. Where nothing is written
// nothing is looked at.
package retention

import (
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/glob"
	"github.com/coffer-dev/coffer/engine/store"
)

const (
	// MaxKeys is how many keys one look finds, about, and maxNames how many bytes
	// their names have: what an entry of the log writes, so that others get their turn.
	MaxKeys  = 2048
	maxNames = 1 << 20
	// lookWork is about what one look does, in bytes of patterns that are compared;
	// keyWork is what a key takes beside.
	lookWork = 512 << 10
	keyWork  = 64
)

// Keeper goes by one list of rules. It is not safe for concurrent use.
type Keeper struct {
	rules  []rule
	noted  []store.Key
	walk   store.Walk
	walks  bool
	missed bool // another walk is needed
}

type rule struct {
	pattern []byte
	maxAge  int64 // ms
}

// New makes a Keeper; nil for no rules.
func New(rules []config.RetentionRule) *Keeper {
	if len(rules) == 0 {
		return nil
	}
	k := &Keeper{missed: true}
	for _, r := range rules {
		k.rules = append(k.rules, rule{[]byte(r.Match), r.MaxAgeSeconds * 1000})
	}
	return k
}

// Missed has every key looked at again, from the first one on.
func (k *Keeper) Missed() { k.missed = true }

// Found is a key without an expiry, and the rule that it falls under.
type Found struct {
	Key    store.Key
	Rule   int
	MaxAge int64 // ms
}

// Look looks at keys that have no expiry, as many as go at once, and answers those
// that are to have one. It changes nothing but what the store has noted.
func (k *Keeper) Look(d *store.Databases, now int64) []Found {
	l := &look{keeper: k, work: lookWork}
	if len(k.noted) == 0 {
		var missed bool
		k.noted, missed = d.TakeLasting()
		k.missed = k.missed || missed
	}
	n := 0
	for ; n < len(k.noted) && l.more(); n++ {
		l.judge(k.noted[n], func(key []byte) bool {
			deadline, found := d.At(k.noted[n].Database).Deadline(key, now)
			return found && deadline == 0
		})
	}
	if k.noted = k.noted[n:]; len(k.noted) == 0 {
		k.noted = nil // lets go of the cells
	}
	if k.missed && !k.walks {
		k.missed, k.walks, k.walk = false, true, store.Walk{}
	}
	if k.walks && l.more() {
		k.walks = !d.Step(&k.walk, func(key store.Key, deadline int64) bool {
			if l.work -= keyWork; deadline == 0 {
				l.judge(key, func([]byte) bool { return true })
			}
			return l.more()
		})
	}
	return l.found
}

// look is one of them.
type look struct {
	keeper *Keeper
	work   int
	names  int
	key    []byte // that is looked at
	found  []Found
}

func (l *look) more() bool { return l.work > 0 && len(l.found) < MaxKeys && l.names < maxNames }

// judge finds the first rule that matches a key, which counts if it is lasting.
func (l *look) judge(of store.Key, lasting func(key []byte) bool) {
	l.work -= keyWork + len(of.Name)
	l.key = append(l.key[:0], of.Name...)
	for i, r := range l.keeper.rules {
		matches, work := glob.MatchWork(r.pattern, l.key)
		l.work -= work
		if !matches {
			continue
		}
		if lasting(l.key) {
			l.names += len(of.Name)
			l.found = append(l.found, Found{store.Key{Database: of.Database, Name: string(l.key)}, i, r.maxAge})
		}
		return
	}
}
