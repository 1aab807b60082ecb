package store

import (
	"math"
	"slices"
	"sort"

	"github.com/tidwall/btree"
)

// A node is a run of entries; trimming "about" a length drops whole nodes, as
// redis-server does with its own (stream-node-max-entries, -max-bytes).
const (
	NodeEntries = 100
	NodeBytes   = 4096
)

// entryOverhead approximates the bytes of a stream entry beside its fields.
const entryOverhead = 72

// ID is the identifier of a stream entry.
type ID struct {
	Ms, Seq uint64
}

// MaxID is the greatest ID.
var MaxID = ID{math.MaxUint64, math.MaxUint64}

// Less orders IDs.
func (id ID) Less(o ID) bool {
	return id.Ms < o.Ms || id.Ms == o.Ms && id.Seq < o.Seq
}

// Next is the ID right behind; ok is false when there is none.
func (id ID) Next() (next ID, ok bool) {
	switch {
	case id.Seq < math.MaxUint64:
		return ID{id.Ms, id.Seq + 1}, true
	case id.Ms < math.MaxUint64:
		return ID{id.Ms + 1, 0}, true
	}
	return ID{}, false
}

// Previous is the ID right before; ok is false when there is none.
func (id ID) Previous() (previous ID, ok bool) {
	switch {
	case id.Seq > 0:
		return ID{id.Ms, id.Seq - 1}, true
	case id.Ms > 0:
		return ID{id.Ms - 1, math.MaxUint64}, true
	}
	return ID{}, false
}

// StreamEntry is one entry: its fields and values in turn, never changed.
type StreamEntry struct {
	ID     ID
	Fields [][]byte
}

func (e *StreamEntry) size() int64 {
	n := int64(entryOverhead)
	for _, f := range e.Fields {
		n += int64(len(f)) + 24
	}
	return n
}

// packed is about what an entry takes in a packed node.
func (e *StreamEntry) packed() int64 {
	n := int64(8)
	for _, f := range e.Fields {
		n += int64(len(f)) + 2
	}
	return n
}

// A streamNode's entries and deleted are all that decides where it ends: a
// snapshot keeps no more, and what is restored from it must go on alike.
type streamNode struct {
	entries []StreamEntry
	deleted int   // entries deleted from it, which still count towards NodeEntries
	bytes   int64 // the sum of the entries' packed
	end     ID    // of the entry added last, deleted or not: none behind it is here
	lent    bool  // to a snapshot: its entries are copied before one is deleted
}

// Stream is an append-only log of entries with ascending IDs. The zero value
// is an empty stream.
type Stream struct {
	nodes      []*streamNode
	groups     btree.Map[string, *Group]
	length     int
	size       int64 // of entries and groups
	lastID     ID
	maxDeleted ID
	added      uint64
}

// Kind implements Value.
func (*Stream) Kind() Kind { return KindStream }

// form is the kind that a value has where it is encoded: an engine that knows of
// no groups reads the streams that have none.
func form(v Value) Kind {
	switch v := v.(type) {
	case frozen:
		return v.form
	case *Stream:
		if v.groups.Len() > 0 {
			return kindGroupedStream
		}
	}
	return v.Kind()
}

// Size implements Value.
func (s *Stream) Size() int64 { return s.size + int64(len(s.nodes))*96 + 120 }

func (*Stream) vanished() bool { return false }

// Len is the number of entries.
func (s *Stream) Len() int { return s.length }

// Nodes is the number of runs of entries.
func (s *Stream) Nodes() int { return len(s.nodes) }

// LastID is the ID of the entry added last, deleted or not.
func (s *Stream) LastID() ID { return s.lastID }

// First is the entry with the lowest ID; ok is false when there is none.
func (s *Stream) First() (e *StreamEntry, ok bool) {
	if s.length == 0 {
		return nil, false
	}
	return &s.nodes[0].entries[0], true
}

// Last is the entry with the highest ID; ok is false when there is none.
func (s *Stream) Last() (e *StreamEntry, ok bool) {
	if s.length == 0 {
		return nil, false
	}
	entries := s.nodes[len(s.nodes)-1].entries
	return &entries[len(entries)-1], true
}

// MaxDeleted is the highest ID that was deleted by itself.
func (s *Stream) MaxDeleted() ID { return s.maxDeleted }

// Added counts the entries that were ever added.
func (s *Stream) Added() uint64 { return s.added }

// SetID sets LastID, which must not be below that of an entry, and, unless they
// are -1 and 0-0, Added and MaxDeleted.
func (s *Stream) SetID(last ID, added int64, maxDeleted ID) {
	s.lastID = last
	if added != -1 {
		s.added = uint64(added)
	}
	if maxDeleted != (ID{}) {
		s.maxDeleted = maxDeleted
	}
}

// Add appends an entry; its ID must be greater than LastID. The stream owns
// the fields then.
func (s *Stream) Add(e StreamEntry) {
	packed := e.packed()
	var node *streamNode
	if n := len(s.nodes); n > 0 {
		node = s.nodes[n-1]
	}
	if node == nil || len(node.entries)+node.deleted >= NodeEntries || node.bytes+packed >= NodeBytes {
		node = &streamNode{}
		s.nodes = append(s.nodes, node)
	}
	node.entries = append(node.entries, e)
	node.end = e.ID
	node.bytes += packed
	s.lastID = e.ID
	s.length++
	s.added++
	s.size += e.size()
}

// Delete removes the entries with these IDs and returns how many there were.
func (s *Stream) Delete(ids ...ID) int64 {
	var deleted int64
	var empty []int // places of nodes
	for _, id := range ids {
		n := sort.Search(len(s.nodes), func(i int) bool { return !s.nodes[i].end.Less(id) })
		if n == len(s.nodes) || !s.deleteFrom(s.nodes[n], id) {
			continue
		}
		deleted++
		if len(s.nodes[n].entries) == 0 {
			empty = append(empty, n)
		}
	}
	s.removeNodes(empty)
	return deleted
}

func (s *Stream) deleteFrom(node *streamNode, id ID) bool {
	i := node.search(id)
	if i == len(node.entries) || node.entries[i].ID != id {
		return false
	}
	s.dropped(&node.entries[i])
	if s.maxDeleted.Less(id) {
		s.maxDeleted = id
	}
	node.cut(i, i+1)
	return true
}

// cut deletes entries i to j, and gives back the room of those that are gone,
// of which Size knows nothing.
func (n *streamNode) cut(i, j int) {
	for k := range n.entries[i:j] {
		n.bytes -= n.entries[i+k].packed()
	}
	if n.lent {
		n.entries, n.lent = slices.Clone(n.entries), false
	}
	n.entries = slices.Delete(n.entries, i, j)
	n.deleted += j - i
	if len(n.entries) < cap(n.entries)/4 {
		n.entries = slices.Clip(slices.Clone(n.entries))
	}
}

// removeNodes removes empty nodes: a few one by one, many in one pass, since
// each one by one moves all behind it.
func (s *Stream) removeNodes(empty []int) {
	const few = 64
	if len(empty) > few {
		s.nodes = slices.DeleteFunc(s.nodes, func(n *streamNode) bool { return len(n.entries) == 0 })
		return
	}
	slices.Sort(empty)
	for _, n := range slices.Backward(empty) {
		s.nodes = slices.Delete(s.nodes, n, n+1)
	}
}

func (s *Stream) dropped(e *StreamEntry) {
	s.length--
	s.size -= e.size()
}

// search is the position of the first entry not before id.
func (n *streamNode) search(id ID) int {
	return sort.Search(len(n.entries), func(i int) bool { return !n.entries[i].ID.Less(id) })
}

// Trim says how far to trim a stream: to MaxLen entries, or with ByID to the
// entries from MinID on. Approximate drops whole nodes only, and at most Limit
// entries when that is not 0.
type Trim struct {
	ByID        bool
	MaxLen      int64
	MinID       ID
	Approximate bool
	Limit       int64
}

// Trim drops entries from the beginning and returns how many.
func (s *Stream) Trim(t Trim) int64 {
	var dropped int64
	whole := 0 // nodes
	for whole < len(s.nodes) {
		node := s.nodes[whole]
		excess := s.excess(node, t)
		all := excess == len(node.entries)
		if t.Limit != 0 && dropped+int64(len(node.entries)) > t.Limit || excess == 0 || !all && t.Approximate {
			break
		}
		for i := range node.entries[:excess] {
			s.dropped(&node.entries[i])
		}
		dropped += int64(excess)
		if !all {
			node.cut(0, excess)
			break
		}
		whole++
	}
	s.nodes = slices.Delete(s.nodes, 0, whole)
	return dropped
}

// excess is how many of the first node's entries are to go.
func (s *Stream) excess(node *streamNode, t Trim) int {
	if t.ByID {
		return node.search(t.MinID)
	}
	return int(min(int64(len(node.entries)), max(int64(s.length)-t.MaxLen, 0)))
}

// Range visits entries from first to last inclusive, in ascending order or
// with reverse in descending order, until visit answers false.
func (s *Stream) Range(first, last ID, reverse bool, visit func(*StreamEntry) bool) {
	if last.Less(first) || s.length == 0 {
		return
	}
	if reverse {
		s.descend(first, last, visit)
		return
	}
	n := sort.Search(len(s.nodes), func(i int) bool { return !s.nodes[i].end.Less(first) })
	for ; n < len(s.nodes); n++ {
		node := s.nodes[n]
		for i := node.search(first); i < len(node.entries); i++ {
			if last.Less(node.entries[i].ID) || !visit(&node.entries[i]) {
				return
			}
		}
	}
}

func (s *Stream) descend(first, last ID, visit func(*StreamEntry) bool) {
	n := sort.Search(len(s.nodes), func(i int) bool { return last.Less(s.nodes[i].entries[0].ID) })
	for n--; n >= 0; n-- {
		node := s.nodes[n]
		i := sort.Search(len(node.entries), func(i int) bool { return last.Less(node.entries[i].ID) })
		for i--; i >= 0; i-- {
			if node.entries[i].ID.Less(first) || !visit(&node.entries[i]) {
				return
			}
		}
	}
}

func appendID(dst []byte, id ID) []byte { return appendUint(appendUint(dst, id.Ms), id.Seq) }

func (s *Stream) appendTo(dst []byte) []byte {
	dst = s.appendHead(dst)
	for _, node := range s.nodes {
		dst = node.appendTo(dst)
	}
	if s.groups.Len() > 0 {
		return s.appendGroups(dst)
	}
	return dst
}

// appendHead appends what stands before the nodes.
func (s *Stream) appendHead(dst []byte) []byte {
	dst = appendID(appendID(dst, s.lastID), s.maxDeleted)
	return appendUint(appendUint(dst, s.added), uint64(len(s.nodes)))
}

func (n *streamNode) appendTo(dst []byte) []byte {
	dst = appendUint(appendUint(dst, uint64(n.deleted)), uint64(len(n.entries)))
	for _, e := range n.entries {
		dst = appendUint(appendID(dst, e.ID), uint64(len(e.Fields)))
		for _, f := range e.Fields {
			dst = appendBytes(dst, f)
		}
	}
	return dst
}

func (d *decoder) id() ID { return ID{d.uint(), d.uint()} }

func decodeStream(d *decoder, grouped bool) *Stream {
	s := &Stream{}
	lastID, maxDeleted, added := d.id(), d.id(), d.uint()
	var previous ID
	for nodes := d.count(2); nodes > 0 && d.err == nil; nodes-- {
		node := &streamNode{deleted: int(min(d.uint(), NodeEntries))}
		for n := d.count(3); n > 0 && d.err == nil; n-- {
			e := StreamEntry{ID: d.id()}
			fields := d.count(1)
			e.Fields = make([][]byte, 0, min(fields, 64))
			for ; fields > 0 && d.err == nil; fields-- {
				e.Fields = append(e.Fields, slices.Clone(d.bytes()))
			}
			if !previous.Less(e.ID) && d.err == nil {
				d.fail("stream IDs do not ascend")
			}
			previous = e.ID
			s.adopt(node, e)
		}
		if len(node.entries) == 0 && d.err == nil {
			d.fail("empty stream node")
		}
		s.nodes = append(s.nodes, node)
	}
	if lastID.Less(previous) && d.err == nil {
		d.fail("stream entry behind the last ID")
	}
	s.lastID, s.maxDeleted, s.added = lastID, maxDeleted, added
	if grouped {
		if s.decodeGroups(d); s.groups.Len() == 0 && d.err == nil {
			d.fail("no groups")
		}
	}
	return s
}

// adopt puts a decoded entry into its node.
func (s *Stream) adopt(node *streamNode, e StreamEntry) {
	node.entries = append(node.entries, e)
	node.end = e.ID
	node.bytes += e.packed()
	s.length++
	s.size += e.size()
}
