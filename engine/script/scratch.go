package script

import "sync"

// scratch is what calls take, for others that come after them: of the run, and of
// runs after that. There is nothing in it that they could see.
type scratch struct {
	frames      []*frame
	rooms       [][]value // empty
	commandArgs [][]byte
	commandText []byte     // of which they are slices
	functions   []function // those that are not used are in one piece,
	captured    []value    // and so is what they capture
	made, taken int        // of either
}

// What is larger is not kept for other runs. A frame has up to maxLocals variables.
const (
	keptFrames = 32
	keptArgs   = 1024
	keptText   = 64 << 10
)

var scratches = sync.Pool{New: func() any { return &scratch{} }}

func takeScratch() *scratch { return scratches.Get().(*scratch) }

// Scripts of job libraries make up to a hundred functions, of which they call few.
const (
	functionsAtOnce = 64
	capturedAtOnce  = 128
)

// newFunction makes one, which has nothing captured yet.
func (s *scratch) newFunction(p *proto) *function {
	if s.made == len(s.functions) {
		s.functions, s.made = make([]function, functionsAtOnce), 0
	}
	n := len(p.captures)
	fn := &s.functions[s.made]
	s.made++
	fn.proto = p
	if n > capturedAtOnce/8 { // of which what is left over would be much
		fn.captured = make([]value, n)
		return fn
	}
	if n > len(s.captured)-s.taken {
		s.captured, s.taken = make([]value, capturedAtOnce), 0
	}
	fn.captured = s.captured[s.taken : s.taken+n : s.taken+n]
	s.taken += n
	return fn
}

// giveBack has the scratch be used for another run, when this one is through.
func (s *scratch) giveBack() {
	if len(s.frames) > keptFrames || len(s.rooms) > keptFrames || cap(s.commandArgs) > keptArgs || cap(s.commandText) > keptText {
		return
	}
	clear(s.functions[:s.made])
	clear(s.captured[:s.taken])
	s.made, s.taken = 0, 0
	for _, f := range s.frames {
		f.run, f.kept = nil, nil
	}
	scratches.Put(s)
}
