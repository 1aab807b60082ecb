package queue

import (
	"strings"

	"github.com/tidwall/btree"
)

// tree is jobs in an order.
type tree = btree.BTreeG[*job]

func newTree[T any](less func(a, b T) bool) *btree.BTreeG[T] {
	return btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})
}

// byRank is the order of pulls.
func byRank(a, b *job) bool {
	switch {
	case a.priority != b.priority:
		return a.priority > b.priority
	case a.order != b.order:
		return a.order < b.order
	}
	return a.id < b.id
}

// byGroup is the order of pulls within each group.
func byGroup(a, b *job) bool {
	if c := strings.Compare(a.marks.group, b.marks.group); c != 0 {
		return c < 0
	}
	return byRank(a, b)
}

// byTime is the order of what becomes ready, or was finished.
func byTime(a, b *job) bool {
	if a.order != b.order {
		return a.order < b.order
	}
	return a.id < b.id
}

func byID(a, b *job) bool { return a.id < b.id }

// timer is when something happens to a job by itself.
type timer struct {
	at int64
	id uint64
}

func (t timer) less(o timer) bool {
	if t.at != o.at {
		return t.at < o.at
	}
	return t.id < o.id
}

// alarmKind is what an alarm is about.
type alarmKind uint8

const (
	alarmRate     alarmKind = 1 + iota // a queue's window opens
	alarmKeep                          // a queue's oldest finished job has been kept long enough
	alarmPurge                         // a queue has jobs that are to go
	alarmSchedule                      // a schedule runs
	alarmDebounce                      // a debounce ends
)

// alarm is when something happens that is about more than one job.
type alarm struct {
	at   int64
	kind alarmKind
	name string // of the queue, the schedule, the debounce
}

func (a alarm) less(o alarm) bool {
	switch {
	case a.at != o.at:
		return a.at < o.at
	case a.kind != o.kind:
		return a.kind < o.kind
	}
	return a.name < o.name
}

// edge says that a job waits for another.
type edge struct{ on, by uint64 }

func (e edge) less(o edge) bool {
	if e.on != o.on {
		return e.on < o.on
	}
	return e.by < o.by
}

// hold says that an owner has a job's lease.
type hold struct{ owner, id uint64 }

func (h hold) less(o hold) bool {
	if h.owner != o.owner {
		return h.owner < o.owner
	}
	return h.id < o.id
}
