package script

import "sync"

// scratch is what calls take, for others that come after them: of the run, and of
// runs after that. There is nothing in it that they could see.
type scratch struct {
	frames      []*frame
	rooms       [][]value // empty
	commandArgs [][]byte
	commandText []byte // of which they are slices
}

// What is larger is not kept for other runs. A frame has up to maxLocals variables.
const (
	keptFrames = 32
	keptArgs   = 1024
	keptText   = 64 << 10
)

var scratches = sync.Pool{New: func() any { return &scratch{} }}

func takeScratch() *scratch { return scratches.Get().(*scratch) }

// giveBack has the scratch be used for another run, when this one is through.
func (s *scratch) giveBack() {
	if len(s.frames) > keptFrames || len(s.rooms) > keptFrames || cap(s.commandArgs) > keptArgs || cap(s.commandText) > keptText {
		return
	}
	for _, f := range s.frames {
		f.run, f.kept = nil, nil
	}
	scratches.Put(s)
}
