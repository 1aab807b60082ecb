// Package report is what the demo's client says of itself on its output, and the reading of it by those who watch.
package report

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"sync"
)

// Line is printed as JSON every second while the client works; the last one has Done.
type Line struct {
	Commands    int64  `json:"commands"`
	Failed      int64  `json:"failed"`
	Doubled     int64  `json:"doubled,omitempty"` // jobs that were given out again
	Connections int64  `json:"connections"`       // dialled, each with a handshake
	Generation  string `json:"generation"`        // of the credentials in use
	Authorities string `json:"authorities"`       // digest of the ca.crt in use
	Rotations   int    `json:"rotations"`         // followed
	Error       string `json:"error,omitempty"`   // of the first command that failed
	Done        bool   `json:"done,omitempty"`
}

// Ok is what a pattern's line ends with, once it has run.
const Ok = " ok"

// Output is what one client has printed so far.
type Output struct {
	mu       sync.Mutex
	patterns []string
	last     Line
	other    string // the last line that is neither
	ended    chan struct{}
}

// Follow reads a client's output in a goroutine of its own, until it ends.
func Follow(output io.ReadCloser) *Output {
	o := &Output{ended: make(chan struct{})}
	go func() {
		defer close(o.ended)
		defer func() { _ = output.Close() }()
		for lines := bufio.NewScanner(output); lines.Scan(); {
			o.see(lines.Text())
		}
	}()
	return o
}

func (o *Output) see(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var line Line
	switch {
	case json.Unmarshal([]byte(text), &line) == nil:
		o.last = line
	case strings.HasSuffix(text, Ok):
		o.patterns = append(o.patterns, text)
	default:
		o.other = text
	}
}

// State is the patterns that have run, the last Line, and the last line of another kind: an error's text.
func (o *Output) State() (patterns string, last Line, other string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.patterns, " · "), o.last, o.other
}

// Ended is closed once there is no more output.
func (o *Output) Ended() <-chan struct{} { return o.ended }
