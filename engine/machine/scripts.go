package machine

import (
	"bufio"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
)

// What EVAL leaves behind is bounded: the script that was not used for longest
// goes first. Scripts that were loaded stay.
const (
	maxPassing      = 500
	maxPassingBytes = 32 << 20 // of memory
	// scriptOverhead is what a script takes beside its text, about, and
	// programBytes what it takes per byte of it once it is compiled.
	scriptOverhead = 512
	programBytes   = 48
	// maxScripts and maxScriptText bound what is read from a snapshot.
	maxScripts    = 1 << 24
	maxScriptText = 512 << 20
)

// Scripts are texts by the SHA-1 that names them. They are part of the state:
// EVALSHA must mean the same when the log is replayed.
type Scripts struct {
	kept    []*Script // by SCRIPT LOAD, the first one first
	passing []*Script // of EVAL, the one used last at the end
	named   map[string]*Script
	bytes   int64
	passes  int64 // bytes of those passing
}

// Script is one of them.
type Script struct {
	SHA, Text string
	kept      bool
	// Program is what package command makes of the text; it is no state.
	Program any
}

func newScripts() *Scripts { return &Scripts{named: map[string]*Script{}} }

func (s *Script) size() int64 { return ScriptBytes(len(s.Text)) }

// ScriptBytes is about what a script with a text of that length takes in
// memory, compiled.
func ScriptBytes(text int) int64 { return scriptOverhead + programBytes*int64(text) }

// ScriptSHA names a text.
func ScriptSHA(text []byte) string {
	sum := sha1.Sum(text)
	return hex.EncodeToString(sum[:])
}

// Find looks a script up by its name in lower case; nil if there is none.
func (s *Scripts) Find(sha string) *Script { return s.named[sha] }

// Use notes that a script runs out of the log.
func (s *Scripts) Use(script *Script) {
	if n := len(s.passing); script.kept || n == 0 || s.passing[n-1] == script {
		return
	}
	if i := slices.Index(s.passing, script); i >= 0 {
		s.passing = append(slices.Delete(s.passing, i, i+1), script)
	}
}

// Add takes a script in. One that is kept stays until Flush.
func (s *Scripts) Add(sha, text string, keep bool) *Script {
	script := s.named[sha]
	switch {
	case script == nil:
		script = &Script{SHA: sha, Text: strings.Clone(text), kept: keep}
		s.named[sha] = script
		s.bytes += script.size()
		s.insert(script)
	case keep && !script.kept:
		i := slices.Index(s.passing, script)
		s.passing = slices.Delete(s.passing, i, i+1)
		s.passes -= script.size()
		script.kept = true
		s.insert(script)
	default:
		s.Use(script)
	}
	for len(s.passing) > maxPassing || s.passes > maxPassingBytes && len(s.passing) > 1 {
		oldest := s.passing[0]
		s.passing = slices.Delete(s.passing, 0, 1)
		s.passes -= oldest.size()
		s.bytes -= oldest.size()
		delete(s.named, oldest.SHA)
	}
	return script
}

func (s *Scripts) insert(script *Script) {
	if script.kept {
		s.kept = append(s.kept, script)
		return
	}
	s.passing = append(s.passing, script)
	s.passes += script.size()
}

// Flush forgets all.
func (s *Scripts) Flush() { *s = *newScripts() }

func (s *Scripts) all() []*Script { return slices.Concat(s.kept, s.passing) }

// hash covers the names, which the texts follow from.
func (s *Scripts) hash() uint64 {
	h := fnv.New64a()
	for _, script := range s.all() {
		fmt.Fprintf(h, "%s %t ", script.SHA, script.kept)
	}
	return h.Sum64()
}

func (s *Scripts) appendTo(dst []byte) []byte {
	all := s.all()
	dst = binary.AppendUvarint(dst, uint64(len(all)))
	for _, script := range all {
		kept := byte(0)
		if script.kept {
			kept = 1
		}
		dst = binary.AppendUvarint(append(dst, kept), uint64(len(script.Text)))
		dst = append(dst, script.Text...)
	}
	return dst
}

// read takes up what appendTo wrote.
func (s *Scripts) read(r *bufio.Reader) error {
	corrupt := func(err error) error { return fmt.Errorf("%w: scripts: %w", ErrSnapshotCorrupt, err) }
	n, err := binary.ReadUvarint(r)
	if err == nil && n > maxScripts {
		err = fmt.Errorf("%d of them", n)
	}
	for i := uint64(0); err == nil && i < n; i++ {
		err = s.readOne(r)
	}
	if err != nil {
		return corrupt(err)
	}
	return nil
}

func (s *Scripts) readOne(r *bufio.Reader) error {
	kept, err := r.ReadByte()
	if err != nil {
		return err
	}
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return err
	}
	if size > maxScriptText {
		return fmt.Errorf("one of %d bytes", size)
	}
	var text strings.Builder
	if _, err := io.CopyN(&text, r, int64(size)); err != nil {
		return err
	}
	s.Add(ScriptSHA([]byte(text.String())), text.String(), kept == 1)
	return nil
}
