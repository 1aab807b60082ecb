package command

import (
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// gathering collects the elements of a reply that grows with the data. It takes
// no more of them than somebody may get: what is larger closes the connection,
// and building it all first would cost memory several times that of the data.
type gathering struct {
	items []reply.Reply
	left  int64 // bytes; below 0 it is more than anybody gets
	bound bool
	arena []byte // what addCopy has room in
}

func gather(tx *machine.Tx) *gathering {
	return &gathering{items: []reply.Reply{}, left: tx.MaxReply, bound: tx.MaxReply > 0}
}

// add takes an element up and reports whether there is room for another.
func (g *gathering) add(r reply.Reply) bool {
	g.items = append(g.items, r)
	g.left -= r.Size()
	return !g.bound || g.left >= 0
}

// addCopy is add for bytes that a later write may change.
func (g *gathering) addCopy(b []byte) bool {
	const smallest, largest = 256, 64 << 10
	if cap(g.arena)-len(g.arena) < len(b) {
		g.arena = make([]byte, 0, max(len(b), min(max(2*cap(g.arena), smallest), largest)))
	}
	from := len(g.arena)
	g.arena = append(g.arena, b...)
	return g.add(reply.Bulk(g.arena[from:len(g.arena):len(g.arena)]))
}

// texts is a gathering of bulk strings alone, each of which it copies.
type texts struct {
	body  []byte
	n     uint32
	bytes int64 // of the texts
	most  int64 // as MaxReply
}

// gatherTexts makes a gathering that is likely to hold so many bytes.
func gatherTexts(tx *machine.Tx, size int64) *texts {
	return &texts{body: reply.Body(size), most: tx.MaxReply}
}

// add takes a string up and reports whether there is room for another.
func (g *texts) add(text []byte) bool {
	g.body = reply.AppendBulk(g.body, text)
	return g.added(len(text))
}

// addString is add.
func (g *texts) addString(text string) bool {
	g.body = reply.AppendBulk(g.body, text)
	return g.added(len(text))
}

func (g *texts) added(size int) bool {
	g.n++
	g.bytes += int64(size)
	return g.most <= 0 || reply.StringsSize(g.n, g.bytes) <= g.most
}

func (g *texts) reply(kind reply.Kind) reply.Reply {
	return reply.Strings(kind, g.n, g.bytes, g.body)
}

// answers is a gathering of what a write answers, which must not look at what
// anybody gets.
func answers() *gathering { return &gathering{items: []reply.Reply{}} }
