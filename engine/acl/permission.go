package acl

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/glob"
)

// Access is what is done with a key's value. A command that asks whether a key
// is there, and no more, has none: who may read the key or write it may ask.
type Access uint8

// The accesses; both together are both.
const (
	Read Access = 1 << iota
	Write
)

// Key is one that a command names, and what it does with it.
type Key struct {
	Name   []byte
	Access Access
	// Unnamed stands for keys that the data name: those may be any.
	Unnamed bool
	// Flags are of package command, which tells them of the key. What is permitted
	// is Access's business alone.
	Flags uint8
}

// Action is what a command asks for.
type Action struct {
	Command    string // lower case; a subcommand as "client|id"
	Categories Categories
	Keys       []Key
	// EveryKey is what is done with keys that are not named; zero if nothing.
	EveryKey Access
	Channels [][]byte
	// Patterns says that the channels are patterns: such a one must stand among
	// the user's own, to the letter, for who may tell what else it matches.
	Patterns bool
}

// Denied is why an action is refused. For keys its text begins with
// redis-server 7.0's reply, which clients match on.
type Denied struct {
	Command string // the command that is not permitted; empty if a key or channel is not
	Channel []byte // the channel that is not permitted
	Key     []byte // the key that is not permitted; nil if none was named
	// Operation is what is not permitted with the jobs of Queue; zero elsewhere.
	Operation Operation
	Queue     string
	Source    string // of the user's permissions; may be empty
}

// Reason says what is not permitted.
func (d *Denied) Reason() string {
	switch {
	case d.Operation != 0:
		return d.Operation.String() + " is not permitted on this queue"
	case d.Command != "":
		return "run the '" + d.Command + "' command"
	case d.Channel != nil:
		return "access one of the channels used as arguments"
	}
	return "access one of the keys used as arguments"
}

func (d *Denied) Error() string {
	text := "NOPERM this user has no permissions to " + d.Reason()
	if d.Operation != 0 {
		text = fmt.Sprintf("permission denied: %s on queue %q", d.Operation, d.Queue)
	}
	if d.Source != "" {
		text += ": see " + d.Source
	}
	return text
}

// Categories are a set of redis' command categories.
type Categories uint32

const allCategories = "all"

// categories are redis's; a misspelt one would silently permit nothing.
var categories = map[string]Categories{}

func init() {
	for i, name := range CategoryNames() {
		categories[name] = 1 << i
	}
}

// CategoryNames are those without "@", in the order in which redis-server's ACL
// CAT lists them.
func CategoryNames() []string {
	return strings.Fields("keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub admin fast slow " +
		"blocking dangerous connection transaction scripting")
}

// CategoriesOf is the set of those names, without "@"; unknown ones are left
// out.
func CategoriesOf(names ...string) (set Categories) {
	for _, name := range names {
		set |= categories[name]
	}
	return set
}

// A rule allows or forbids what it matches.
type rule struct {
	allow      bool
	categories Categories // of a category's rule; all bits for @all
	command    string     // of a command's
}

func newRule(text string) rule {
	name, minus := strings.CutPrefix(text, "-")
	category, ok := strings.CutPrefix(name, "@")
	switch {
	case !ok:
		return rule{allow: !minus, command: strings.ToLower(name)}
	case category == allCategories:
		return rule{allow: !minus, categories: ^Categories(0)}
	}
	return rule{allow: !minus, categories: categories[category]}
}

func (r *rule) matches(a *Action, container string) bool {
	if r.command == "" {
		return r.categories == ^Categories(0) || r.categories&a.Categories != 0
	}
	return r.command == a.Command || r.command == container
}

// A pattern of keys and what may be done with them.
type pattern struct {
	glob   []byte
	access Access
}

// patternsOf merges the lists: as in redis-server, one pattern must permit all
// that a command does with a key, and a pattern in two lists permits both.
func patternsOf(u User) (all []pattern) {
	for _, list := range []struct {
		patterns []string
		access   Access
	}{{u.Keys, Read | Write}, {u.ReadKeys, Read}, {u.WriteKeys, Write}} {
		for _, text := range list.patterns {
			at := slices.IndexFunc(all, func(p pattern) bool { return string(p.glob) == text })
			if at < 0 {
				all, at = append(all, pattern{glob: []byte(text)}), len(all)
			}
			all[at].access |= list.access
		}
	}
	return all
}

// Allows says whether the identity may do a; if not, why.
func (id *Identity) Allows(a *Action) *Denied {
	if !id.allowsCommand(a) {
		return &Denied{Command: a.Command, Source: id.source}
	}
	if a.EveryKey&^id.everyKey != 0 {
		return &Denied{Source: id.source}
	}
	for i := range a.Keys {
		if !id.allowsKey(&a.Keys[i]) {
			return &Denied{Key: a.Keys[i].Name, Source: id.source}
		}
	}
	for _, channel := range a.Channels {
		if !id.AllowsChannel(channel, a.Patterns) {
			return &Denied{Channel: channel, Source: id.source}
		}
	}
	return nil
}

func (id *Identity) allowsCommand(a *Action) bool {
	container, _, _ := strings.Cut(a.Command, "|")
	for i := len(id.rules) - 1; i >= 0; i-- {
		if id.rules[i].matches(a, container) {
			return id.rules[i].allow
		}
	}
	return false
}

// AllowsChannel says whether the identity may use a channel, or, when it is a
// pattern, subscribe to that.
func (id *Identity) AllowsChannel(channel []byte, isPattern bool) bool {
	return slices.ContainsFunc(id.channels, func(p []byte) bool {
		return string(p) == "*" || isPattern && bytes.Equal(p, channel) || !isPattern && glob.Match(p, channel)
	})
}

// MayRead tells whether a key may be read, whatever command reads it.
func (id *Identity) MayRead(key []byte) bool { return id.allowsKey(&Key{Name: key, Access: Read}) }

func (id *Identity) allowsKey(key *Key) bool {
	if id.everyKey == Read|Write || key.Unnamed {
		return key.Access&^id.everyKey == 0
	}
	for i := range id.keys {
		p := &id.keys[i]
		if p.access&key.Access == key.Access && glob.Match(p.glob, key.Name) {
			return true
		}
	}
	return false
}
