package store

import "github.com/tidwall/btree"

// About what groups take in memory beside their names, in bytes: a pending entry
// stands in two trees.
const (
	groupOverhead    = 320
	consumerOverhead = 240
	pendingOverhead  = 96
)

// PendingBytes is about what an entry takes in memory for which an
// acknowledgement is missing, and ConsumerBytes what a consumer of that name does.
const PendingBytes = pendingOverhead

// ConsumerBytes is about what a consumer of that name takes in memory.
func ConsumerBytes(name []byte) int64 { return consumerOverhead + int64(len(name)) }

// UnknownRead is a group's Read that nobody can tell.
const UnknownRead = -1

// Group is a consumer group of a stream.
type Group struct {
	Name   string
	LastID ID    // delivered up to there
	Read   int64 // entries delivered, or UnknownRead

	stream    *Stream
	consumers btree.Map[string, *Consumer]
	pending   *btree.BTreeG[*Pending]
}

// Consumer is a member of a group.
type Consumer struct {
	Name string
	Seen int64 // ms since the epoch

	pending *btree.BTreeG[*Pending]
}

// Pending is an entry that was delivered and not acknowledged.
type Pending struct {
	ID         ID
	Consumer   *Consumer
	Delivered  int64 // ms since the epoch
	Deliveries uint64
}

func newPending() *btree.BTreeG[*Pending] {
	const degree = 16
	return btree.NewBTreeGOptions(func(a, b *Pending) bool { return a.ID.Less(b.ID) }, btree.Options{NoLocks: true, Degree: degree})
}

// Group is the group of that name; nil if there is none.
func (s *Stream) Group(name []byte) *Group {
	g, _ := s.groups.Get(string(name))
	return g
}

// Groups visits the groups in the order of their names, until visit answers
// false.
func (s *Stream) Groups(visit func(*Group) bool) {
	s.groups.Scan(func(_ string, g *Group) bool { return visit(g) })
}

// GroupCount is the number of groups.
func (s *Stream) GroupCount() int { return s.groups.Len() }

// CreateGroup makes a group; it is nil if there is one of that name.
func (s *Stream) CreateGroup(name []byte, last ID, read int64) *Group {
	if s.Group(name) != nil {
		return nil
	}
	g := &Group{Name: string(name), LastID: last, Read: read, stream: s, pending: newPending()}
	s.groups.Set(g.Name, g)
	s.size += groupOverhead + int64(len(name))
	return g
}

// DestroyGroup removes a group with all that it knows.
func (s *Stream) DestroyGroup(g *Group) {
	g.consumers.Scan(func(_ string, c *Consumer) bool {
		s.size -= ConsumerBytes([]byte(c.Name))
		return true
	})
	s.groups.Delete(g.Name)
	s.size -= groupOverhead + int64(len(g.Name)) + pendingOverhead*int64(g.pending.Len())
}

// Entry is the entry with that ID; ok is false when there is none.
func (s *Stream) Entry(id ID) (e *StreamEntry, ok bool) {
	s.Range(id, id, false, func(found *StreamEntry) bool {
		e = found
		return false
	})
	return e, e != nil
}

// Consumer is the consumer of that name; nil if there is none.
func (g *Group) Consumer(name []byte) *Consumer {
	c, _ := g.consumers.Get(string(name))
	return c
}

// Consumers visits the consumers in the order of their names, until visit answers
// false.
func (g *Group) Consumers(visit func(*Consumer) bool) {
	g.consumers.Scan(func(_ string, c *Consumer) bool { return visit(c) })
}

// ConsumerCount is the number of consumers.
func (g *Group) ConsumerCount() int { return g.consumers.Len() }

// CreateConsumer makes a consumer; it is nil if there is one of that name.
func (g *Group) CreateConsumer(name []byte, now int64) *Consumer {
	if g.Consumer(name) != nil {
		return nil
	}
	c := &Consumer{Name: string(name), Seen: now, pending: newPending()}
	g.consumers.Set(c.Name, c)
	g.stream.size += ConsumerBytes(name)
	return c
}

// See is the consumer of that name, made if need be, which is heard of now.
func (g *Group) See(name []byte, now int64) *Consumer {
	if c := g.Consumer(name); c != nil {
		c.Seen = now
		return c
	}
	return g.CreateConsumer(name, now)
}

// DeleteConsumer removes a consumer with what is pending for it.
func (g *Group) DeleteConsumer(c *Consumer) {
	c.pending.Scan(func(p *Pending) bool {
		g.pending.Delete(p)
		return true
	})
	g.consumers.Delete(c.Name)
	g.stream.size -= ConsumerBytes([]byte(c.Name)) + pendingOverhead*int64(c.pending.Len())
}

// Find is what is pending of that ID; nil if nothing is.
func (g *Group) Find(id ID) *Pending {
	p, _ := g.pending.Get(&Pending{ID: id})
	return p
}

// Assign makes an entry pending for a consumer, whoever had it before.
func (g *Group) Assign(id ID, c *Consumer) *Pending {
	p := g.Find(id)
	switch {
	case p == nil:
		p = &Pending{ID: id, Consumer: c}
		g.pending.Set(p)
		c.pending.Set(p)
		g.stream.size += pendingOverhead
	case p.Consumer != c:
		p.Consumer.pending.Delete(p)
		c.pending.Set(p)
		p.Consumer = c
	}
	return p
}

// Acknowledge ends that an entry is pending, and says whether it was.
func (g *Group) Acknowledge(id ID) bool {
	p := g.Find(id)
	if p == nil {
		return false
	}
	g.pending.Delete(p)
	p.Consumer.pending.Delete(p)
	g.stream.size -= pendingOverhead
	return true
}

// Pending visits what is pending from an ID on, in the order of IDs, until visit
// answers false.
func (g *Group) Pending(from ID, visit func(*Pending) bool) {
	g.pending.Ascend(&Pending{ID: from}, visit)
}

// PendingCount is how much is pending.
func (g *Group) PendingCount() int { return g.pending.Len() }

// PendingRange is the lowest and the highest ID that is pending; ok is false when
// nothing is.
func (g *Group) PendingRange() (first, last ID, ok bool) {
	lowest, ok := g.pending.Min()
	if !ok {
		return first, last, false
	}
	highest, _ := g.pending.Max()
	return lowest.ID, highest.ID, true
}

// Pending is as a group's, of what is pending for the consumer.
func (c *Consumer) Pending(from ID, visit func(*Pending) bool) {
	c.pending.Ascend(&Pending{ID: from}, visit)
}

// PendingCount is how much is pending for the consumer.
func (c *Consumer) PendingCount() int { return c.pending.Len() }

// Deliver moves the group on to an entry, if that is new to it.
func (g *Group) Deliver(id ID) {
	if !g.LastID.Less(id) {
		return
	}
	if g.Read != UnknownRead && !g.stream.tombstoneFrom(id) {
		g.Read++
	} else if g.stream.added > 0 {
		g.Read = g.stream.readUpTo(id)
	}
	g.LastID = id
}

// Lag is how many entries the group has yet to be delivered; ok is false when
// nobody can tell, since some were deleted.
func (g *Group) Lag() (lag int64, ok bool) {
	s, read := g.stream, g.Read
	if s.added == 0 {
		return 0, true
	}
	if read == UnknownRead || s.tombstoneFrom(g.LastID) {
		read = s.readUpTo(g.LastID)
	}
	return int64(s.added) - read, read != UnknownRead
}

// tombstoneFrom tells whether an entry was deleted from that ID on, as far as
// MaxDeleted says.
func (s *Stream) tombstoneFrom(id ID) bool {
	first, ok := s.First()
	if !ok || s.maxDeleted == (ID{}) || s.maxDeleted.Less(first.ID) {
		return false
	}
	return !s.maxDeleted.Less(id)
}

// readUpTo is how many entries were added up to that ID, as far as what is left
// of the stream tells.
func (s *Stream) readUpTo(id ID) int64 {
	first, ok := s.First()
	switch {
	case s.added == 0:
		return 0
	case !ok && !s.lastID.Less(id), id == s.lastID:
		return int64(s.added)
	case s.lastID.Less(id) || !ok:
		return UnknownRead
	case s.maxDeleted != (ID{}) && !s.maxDeleted.Less(first.ID):
		return UnknownRead
	case id.Less(first.ID):
		return int64(s.added) - int64(s.length)
	case id == first.ID:
		return int64(s.added) - int64(s.length) + 1
	}
	return UnknownRead
}

// appendGroups encodes the groups; each consumer has its place in the order of
// names.
func (s *Stream) appendGroups(dst []byte) []byte {
	dst = appendUint(dst, uint64(s.groups.Len()))
	s.Groups(func(g *Group) bool {
		dst = appendID(appendBytes(dst, g.Name), g.LastID)
		dst = appendUint(appendUint(dst, uint64(g.Read+1)), uint64(g.consumers.Len()))
		places := make(map[*Consumer]uint64, g.consumers.Len())
		g.Consumers(func(c *Consumer) bool {
			places[c] = uint64(len(places))
			dst = appendUint(appendBytes(dst, c.Name), uint64(c.Seen))
			return true
		})
		dst = appendUint(dst, uint64(g.pending.Len()))
		g.Pending(ID{}, func(p *Pending) bool {
			dst = appendUint(appendID(dst, p.ID), places[p.Consumer])
			dst = appendUint(appendUint(dst, uint64(p.Delivered)), p.Deliveries)
			return true
		})
		return true
	})
	return dst
}

// decodeGroups reads what appendGroups wrote.
func (s *Stream) decodeGroups(d *decoder) {
	for n := d.count(6); n > 0 && d.err == nil; n-- {
		name, last, read := d.bytes(), d.id(), int64(d.uint())-1
		g := s.CreateGroup(name, last, read)
		if g == nil {
			d.fail("group twice")
			return
		}
		g.decode(d)
	}
}

func (g *Group) decode(d *decoder) {
	var consumers []*Consumer
	for n := d.count(2); n > 0 && d.err == nil; n-- {
		name, seen := d.bytes(), int64(d.uint())
		c := g.CreateConsumer(name, seen)
		if c == nil {
			d.fail("consumer twice")
			return
		}
		consumers = append(consumers, c)
	}
	for n := d.count(5); n > 0 && d.err == nil; n-- {
		id, place := d.id(), d.uint()
		delivered, deliveries := int64(d.uint()), d.uint()
		switch {
		case d.err != nil:
		case place >= uint64(len(consumers)):
			d.fail("pending for no consumer")
		case g.Find(id) != nil:
			d.fail("pending twice")
		default:
			p := g.Assign(id, consumers[place])
			p.Delivered, p.Deliveries = delivered, deliveries
		}
	}
}
