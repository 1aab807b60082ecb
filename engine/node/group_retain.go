package node

import (
	"slices"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/retention"
)

// retaining is how a group gives keys an expiry by rules. The group's lock guards
// it, but for due, which is guarded by working.
type retaining struct {
	rules  []config.RetentionRule
	keeper *retention.Keeper // nil without rules
	given  map[string]int64  // keys that got an expiry since the start, by a rule's pattern
	total  int64             // of all rules, those that are gone too
	full   bool              // there is no room for expiries
	due    bool              // keys are to be looked for
}

// expiryBytes is what the expiry of a key takes in memory, about.
const expiryBytes = 72

// SetRetention makes rules the ones in force: keys that have no expiry get one by
// the first that matches, those that are there in the background.
func (g *Group) SetRetention(rules []config.RetentionRule) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := &g.retaining
	if slices.Equal(r.rules, rules) {
		return
	}
	given := map[string]int64{}
	for _, rule := range rules {
		given[rule.Match] = r.given[rule.Match]
	}
	r.rules, r.keeper, r.given = rules, retention.New(rules), given
	g.noteLasting()
	g.opts.Log.Info("retention rules in force", "rules", len(rules))
}

// retainWhileLeading has the keyspace note keys without an expiry while the member
// leads, and looks at all that it did not note before: the group's lock is held.
func (g *Group) retainWhileLeading() {
	if r := &g.retaining; r.keeper != nil {
		r.keeper = retention.New(r.rules)
	}
	g.noteLasting()
}

func (g *Group) noteLasting() {
	g.member.Machine().Databases().NoteLasting(g.leads && g.retaining.keeper != nil)
}

// retain proposes to give keys an expiry, one entry of them, if there are any.
func (g *Group) retain() (bool, error) {
	g.retaining.due = false
	g.mu.Lock()
	keeper := g.retaining.keeper
	items, matches, bytes, err := g.expiries()
	g.mu.Unlock()
	if err != nil || len(items) == 0 {
		return false, err
	}
	return true, g.propose(items, bytes, func(err error) { g.retained(keeper, items, matches, err) })
}

// roomForExpiries tells whether one more entry of expiries leaves the data within
// their limit, and what may be taken beyond it. What is in the log is applied,
// whatever it takes: nothing of it may end at the container's limit. The group's
// lock is held.
func (g *Group) roomForExpiries() bool {
	limit := g.opts.MaxData
	full := limit > 0 && g.member.Machine().Bytes()+retention.MaxKeys*expiryBytes > limit+limit/machine.ReserveShare
	if full != g.retaining.full {
		g.retaining.full = full
		g.opts.Log.Warn("retention rules wait for memory", "waiting", full, "limit", limit)
	}
	return !full
}

// expiries are what the next entry gives, with the pattern by which each key gets
// its own. The group's lock is held.
func (g *Group) expiries() (items []machine.Item, matches []string, bytes int64, err error) {
	keeper, rules := g.retaining.keeper, g.retaining.rules
	if keeper == nil || !g.roomForExpiries() {
		return nil, nil, 0, nil
	}
	m, now := g.member.Machine(), g.clock()
	for _, found := range keeper.Look(m.Databases(), now) {
		item, err := m.Expiry(found.Key, now+found.MaxAge)
		if err != nil {
			return nil, nil, 0, err
		}
		items = append(items, item)
		matches = append(matches, rules[found.Rule].Match)
		bytes += int64(len(found.Key.Name)) + 64
	}
	return items, matches, bytes, nil
}

// retained counts who got an expiry. What the log did not take is looked at again.
func (g *Group) retained(keeper *retention.Keeper, items []machine.Item, matches []string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range items {
		switch answer := items[i].Reply; {
		case err != nil || answer.IsError():
			keeper.Missed()
		case answer.Int == 1:
			g.retaining.total++
			if n, ok := g.retaining.given[matches[i]]; ok { // else its rule is gone
				g.retaining.given[matches[i]] = n + 1
			}
		}
	}
}
