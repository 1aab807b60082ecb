package report

import (
	"io"
	"strings"
	"testing"
)

func TestOutputIsSorted(t *testing.T) {
	o := Follow(io.NopCloser(strings.NewReader(`session store ok
audit ok
{"commands":7,"failed":0,"generation":"1","authorities":"aa"}
client: kept the last good secret: no such file
{"commands":9,"failed":1,"connections":3,"generation":"2","authorities":"bb","rotations":1,"error":"GET: EOF","done":true}
`)))
	<-o.Ended()
	patterns, last, other := o.State()
	if want := (Line{Commands: 9, Failed: 1, Connections: 3, Generation: "2", Authorities: "bb", Rotations: 1, Error: "GET: EOF", Done: true}); last != want {
		t.Errorf("the last line is %+v, want %+v", last, want)
	}
	if patterns != "session store ok · audit ok" || other != "client: kept the last good secret: no such file" {
		t.Errorf("patterns %q, other %q", patterns, other)
	}
}
