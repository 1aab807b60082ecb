package guard

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/queue"
)

// version of what stands in an encrypted field's place.
const version = 1

// mark begins it. A JSON string cannot hold these bytes: its quotes have a
// backslash before them.
const mark = `{"$encrypted":`

// saltSize is of what a field's key is derived with, in bytes.
const saltSize = 16

// sealed is what stands in an encrypted field's place.
type sealed struct {
	Version int    `json:"$encrypted"`
	Key     string `json:"key"`
	Path    string `json:"path"`
	Sealed  string `json:"sealed"`
}

// piece is a part of a text that something else takes the place of.
type piece struct {
	queue.Span
	text  []byte // in its place
	plain []byte // in clear, of one that stays encrypted
}

// dataField is what errors call the data.
const dataField = "data"

// Seal validates the data of a job that is pushed to a queue, and encrypts its
// fields. What is returned may be the data itself.
func (g *Guard) Seal(queueName string, data []byte) ([]byte, *queue.Error) {
	return g.Update(queueName, data, "")
}

// Update is Seal for data that replaces what is stored. A field that comes back
// as it was handed out to who may not decrypt stays as it is, and what was
// encrypted is again, whatever queue the job has come to.
func (g *Guard) Update(queueName string, data []byte, stored string) ([]byte, *queue.Error) {
	if g == nil {
		return data, nil
	}
	rules := g.rules.Load()
	r := rules.queues[queueName]
	was := rules.allSealed(stored)
	if r == nil && len(was) == 0 { // nearly all: no more than a look, and no copy
		return data, foreign(data, nil)
	}
	if r == nil {
		r = noRule
	}
	if (len(r.fields) > 0 || len(was) > 0) && !json.Valid(orNull(data)) {
		return nil, invalid(dataField, "is no JSON")
	}
	if err := once(data, r.fields, was); err != nil {
		return nil, err
	}
	pieces := rules.kept(data, stored, was)
	if r.schema != nil {
		clear := splice(data, pieces, func(p piece) []byte { return p.plain })
		if err := r.validate(dataField, orNull(clear)); err != nil {
			return nil, err
		}
	}
	for _, f := range r.toSeal(rules, was) {
		spans, _ := queue.Spans(string(data), f.path)
		for _, s := range spans {
			var err error
			if pieces, err = f.seal(data, s, pieces); err != nil {
				return nil, invalid(dataField, "%s: %s", f.path, err)
			}
		}
	}
	if err := foreign(data, pieces); err != nil {
		return nil, err
	}
	out := splice(data, pieces, func(p piece) []byte { return p.text })
	if len(out) > queue.MaxData {
		return nil, invalid(dataField, "%d bytes once its fields are encrypted, must be at most %d", len(out), queue.MaxData)
	}
	return out, nil
}

// maxPlaces is how many places of one text a path may lead to: more than one are
// there only where an object has a name twice.
const maxPlaces = 16

// once refuses data in which the paths of encrypted fields lead to many places.
func once(data []byte, fields []string, was []found) *queue.Error {
	text := string(data)
	many := func(path string) bool {
		spans, _ := queue.Spans(text, path)
		return len(spans) > maxPlaces
	}
	for _, path := range fields {
		if many(path) {
			return invalid(dataField, "%s is there more than %d times: write each name once", path, maxPlaces)
		}
	}
	for _, w := range was {
		if many(w.Path) {
			return invalid(dataField, "%s is there more than %d times: write each name once", w.Path, maxPlaces)
		}
	}
	return nil
}

// toSeal is a field that is to be encrypted.
type toSeal struct {
	path string
	key  *key
}

// toSeal are the queue's fields, and those that were encrypted before.
func (r *rule) toSeal(rules *rules, was []found) (fields []toSeal) {
	for _, path := range r.fields {
		fields = append(fields, toSeal{path, r.key})
	}
	for _, w := range was {
		known := slices.ContainsFunc(fields, func(f toSeal) bool { return queue.Overlap(f.path, w.Path) })
		if k := rules.keys[w.Key]; k != nil && !known {
			fields = append(fields, toSeal{w.Path, k})
		}
	}
	return fields
}

// seal encrypts the value at a span, unless it is a piece that stays. Pieces
// that stay and lie within go into it in clear.
func (f toSeal) seal(data []byte, s queue.Span, pieces []piece) ([]piece, error) {
	var inner []piece
	for _, p := range pieces {
		if p.Span == s {
			return pieces, nil
		}
		if s.From <= p.From && p.To <= s.To {
			p.From, p.To = p.From-s.From, p.To-s.From
			inner = append(inner, p)
		}
	}
	pieces = slices.DeleteFunc(pieces, func(p piece) bool { return s.From <= p.From && p.To <= s.To })
	text, err := f.key.seal(f.path, splice(data[s.From:s.To], inner, func(p piece) []byte { return p.plain }))
	return append(pieces, piece{Span: s, text: text}), err
}

// found is an encrypted field in a text.
type found struct {
	sealed
	queue.Span
}

// allSealed finds the encrypted fields of a text.
func (r *rules) allSealed(text string) (all []found) {
	for from := 0; ; {
		at := strings.Index(text[from:], mark)
		if at < 0 {
			return all
		}
		begin := from + at
		d := json.NewDecoder(strings.NewReader(text[begin:]))
		var s sealed
		if from = begin + len(mark); d.Decode(&s) != nil || s.Version != version || r.keys[s.Key] == nil {
			continue
		}
		from = begin + int(d.InputOffset())
		spans, _ := queue.Spans(text, s.Path)
		if slices.Contains(spans, queue.Span{From: begin, To: from}) { // else it belongs elsewhere
			all = append(all, found{s, queue.Span{From: begin, To: from}})
		}
	}
}

// kept are the encrypted fields of data that are, at their places, stored ones.
func (r *rules) kept(data []byte, stored string, was []found) (pieces []piece) {
	for _, w := range was {
		spans, _ := queue.Spans(string(data), w.Path)
		for _, s := range spans {
			d := json.NewDecoder(bytes.NewReader(data[s.From:s.To]))
			d.DisallowUnknownFields()
			var is sealed
			if d.Decode(&is) != nil || is != w.sealed || slices.ContainsFunc(pieces, func(p piece) bool { return p.Span == s }) {
				continue
			}
			if plain := r.open(&is); plain != nil {
				pieces = append(pieces, piece{s, []byte(stored[w.From:w.To]), plain})
			}
		}
	}
	return pieces
}

// foreign refuses encrypted fields outside of pieces: who may not decrypt could
// have who may decrypt open them elsewhere.
func foreign(data []byte, pieces []piece) *queue.Error {
	for from := 0; ; {
		at := bytes.Index(data[from:], []byte(mark))
		if at < 0 {
			return nil
		}
		from += at
		if !slices.ContainsFunc(pieces, func(p piece) bool { return p.From <= from && from < p.To }) {
			return invalid(dataField, `must not have an object that begins with "$encrypted": only who may Decrypt the field can push what is in it`)
		}
		from += len(mark)
	}
}

// splice replaces pieces of data.
func splice(data []byte, pieces []piece, text func(piece) []byte) []byte {
	if len(pieces) == 0 {
		return data
	}
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Compare(a.From, b.From) })
	var out []byte
	end := 0
	for _, p := range pieces {
		out = append(append(out, data[end:p.From]...), text(p)...)
		end = p.To
	}
	return append(out, data[end:]...)
}

// seal makes what stands in a value's place.
func (k *key) seal(path string, value []byte) ([]byte, error) {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	derived, err := k.Derive(salt)
	if err != nil {
		return nil, err
	}
	text := append([]byte(mark), '0'+version)
	text = append(append(text, `,"key":"`...), k.id...)
	quoted, err := json.Marshal(path)
	if err != nil {
		return nil, err
	}
	text = append(append(text, `","path":`...), quoted...)
	text = append(text, `,"sealed":"`...)
	text = base64.StdEncoding.AppendEncode(text, derived.Seal(salt, value, fieldAbout(path)))
	return append(text, `"}`...), nil
}

// Open decrypts what of a job's data was encrypted and the caller may see:
// allowed is asked by the name of the queue where it was pushed.
func (g *Guard) Open(data string, allowed func(queueName string) bool) string {
	if g == nil || !strings.Contains(data, mark) {
		return data
	}
	rules := g.rules.Load()
	var pieces []piece
	for _, f := range rules.allSealed(data) {
		if !allowed(rules.keys[f.Key].queue) {
			continue
		}
		if plain := rules.open(&f.sealed); plain != nil {
			pieces = append(pieces, piece{Span: f.Span, plain: plain})
		}
	}
	return string(splice([]byte(data), pieces, func(p piece) []byte { return p.plain }))
}

// open decrypts a field; nil for one that does not open.
func (r *rules) open(s *sealed) []byte {
	k := r.keys[s.Key]
	b, err := base64.StdEncoding.DecodeString(s.Sealed)
	if k == nil || err != nil || len(b) < saltSize {
		return nil
	}
	derived, err := k.Derive(b[:saltSize])
	if err != nil {
		return nil
	}
	plain, err := derived.Open(nil, b[saltSize:], fieldAbout(s.Path))
	if err != nil {
		return nil
	}
	return plain
}

func fieldAbout(path string) []byte { return append([]byte("coffer/guard/field/v1\x00"), path...) }

// Encrypts is the path of a queue's encrypted field that a path leads to, or
// into, or through; "" for none.
func (g *Guard) Encrypts(queueName, path string) string {
	if g == nil || g.rules.Load().queues[queueName] == nil {
		return ""
	}
	for _, field := range g.rules.Load().queues[queueName].fields {
		if queue.Overlap(field, path) {
			return field
		}
	}
	return ""
}
