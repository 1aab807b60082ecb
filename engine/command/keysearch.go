package command

import (
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/reply"
)

// keySearch is how a client finds keys among the arguments without asking, and
// what is done with them: one of the key specifications that COMMAND tells
// (https://redis.io/docs/latest/develop/reference/key-specs/).
type keySearch struct {
	use    keyFlags
	varies bool   // what is done with them depends on the other arguments
	note   string // for people

	// at is the place in argv of the first key, or of their number, or with a
	// keyword the first place where that may stand. 0: no rule tells where they are.
	at      int
	keyword string // that stands before the first key
	counted bool   // their number stands before the first key
	// last is that of the last key, from the first on, or if negative from the end;
	// limit 2 says that keys are the first half of those.
	last, step, limit int
}

// searches are those of the keys that stand at the same places in every call.
func (k keySpec) searches() []keySearch {
	var all []keySearch
	first, last, step := k.place[0], k.place[1], k.place[2]
	for n, use := range k.uses {
		s := keySearch{use: use, at: first + n*step, step: step}
		switch {
		case n < len(k.uses)-1: // others are done something else with
		case last < 0:
			s.last = last
		default:
			s.last = last - s.at
		}
		all = append(all, s)
	}
	return all
}

// finder finds keys whose places, or what is done with them, depend on the
// arguments, and has COMMAND say how others find those.
type finder struct {
	find     func(dst []acl.Key, argv [][]byte) []acl.Key
	searches []keySearch // beside the one that the row's own place is
}

// describe is the key specification as COMMAND tells it.
func (s *keySearch) describe() reply.Reply {
	flags := s.use.names()
	if s.varies {
		flags.Items = append(flags.Items, reply.Simple("variable_flags"))
	}
	told := []any{"flags", flags, "begin_search", s.begin(), "find_keys", s.keys()}
	if s.note != "" {
		told = append([]any{"notes", s.note}, told...)
	}
	return named(told...)
}

func (s *keySearch) begin() reply.Reply {
	switch {
	case s.at == 0:
		return named("type", "unknown", "spec", named())
	case s.keyword != "":
		return named("type", "keyword", "spec", named("keyword", s.keyword, "startfrom", s.at))
	}
	return named("type", "index", "spec", named("index", s.at))
}

func (s *keySearch) keys() reply.Reply {
	switch {
	case s.at == 0:
		return named("type", "unknown", "spec", named())
	case s.counted:
		return named("type", "keynum", "spec", named("keynumidx", 0, "firstkey", 1, "keystep", s.step))
	}
	return named("type", "range", "spec", named("lastkey", s.last, "keystep", s.step, "limit", s.limit))
}
