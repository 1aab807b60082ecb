package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

var (
	authenticated   = Limits{Bulk: 1 << 20, Array: 1 << 10, Request: 2 << 20}
	unauthenticated = Limits{Bulk: 16 << 10, Array: 16, Request: 64 << 10, Unauthenticated: true}
)

// readAll returns the requests in src as strings, up to the first error.
func readAll(src io.Reader, l Limits) (requests []string, err error) {
	r := NewReader(l)
	for {
		argv, ok, err := r.Next()
		if err != nil {
			return requests, err
		}
		if ok {
			requests = append(requests, fmt.Sprintf("%q", argv))
			continue
		}
		if err := r.Fill(src); err != nil {
			if errors.Is(err, io.EOF) && r.Idle() {
				err = nil
			}
			return requests, err
		}
	}
}

func TestReader(t *testing.T) {
	big := strings.Repeat("x", 300<<10)
	tests := []struct {
		name, in string
		want     []string
	}{
		{"one", "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", []string{`["GET" "a"]`}},
		{"pipelined", "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n", []string{`["PING"]`, `["PING"]`}},
		{"binary and empty", "*2\r\n$4\r\n\r\n\x00*\r\n$0\r\n\r\n", []string{`["\r\n\x00*" ""]`}},
		{"no request", "*0\r\n*-1\r\n\r\n\nPING\r\n", []string{`["PING"]`}},
		{"inline", "SET a  \"b \\x41\\n\\\"\" 'it\\'s'\r\nPING\n", []string{`["SET" "a" "b A\n\"" "it's"]`, `["PING"]`}},
		{"inline empty word", "ECHO \"\"\r\n", []string{`["ECHO" ""]`}},
		{"big", "*2\r\n$1\r\nx\r\n$" + fmt.Sprint(len(big)) + "\r\n" + big + "\r\n", []string{fmt.Sprintf("%q", []string{"x", big})}},
		{"long inline", "ECHO " + big[:60<<10] + "\r\n", []string{fmt.Sprintf("%q", []string{"ECHO", big[:60<<10]})}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sources := map[string]io.Reader{
				"at once":   strings.NewReader(tt.in),
				"bytewise":  iotest.OneByteReader(strings.NewReader(tt.in)),
				"in halves": iotest.HalfReader(strings.NewReader(tt.in)),
			}
			for how, src := range sources {
				got, err := readAll(src, authenticated)
				if err != nil || strings.Join(got, ";") != strings.Join(tt.want, ";") {
					t.Errorf("%s: got %.200q, %v", how, got, err)
				}
			}
		})
	}
}

func TestReaderRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		limits   Limits
		want     string
	}{
		{"count", "*x\r\n", authenticated, "invalid multibulk length"},
		{"count with sign", "*+1\r\n", authenticated, "invalid multibulk length"},
		{"count too large", "*1025\r\n", authenticated, "invalid multibulk length"},
		{"count overflows", "*99999999999999999999\r\n", authenticated, "invalid multibulk length"},
		{"count line", "*" + strings.Repeat("1", 70<<10), authenticated, "too big mbulk count string"},
		{"not a bulk", "*1\r\n:1\r\n", authenticated, "expected '$', got ':'"},
		{"not printable", "*1\r\n\n", authenticated, "expected '$', got '?'"},
		{"null bulk", "*1\r\n$-1\r\n", authenticated, "invalid bulk length"},
		{"bulk too large", "*1\r\n$1048577\r\n", authenticated, "invalid bulk length"},
		{"bulk line", "*1\r\n$" + strings.Repeat("1", 70<<10), authenticated, "too big bulk count string"},
		{"bulk longer than said", "*1\r\n$1\r\nabc\r\n", authenticated, "invalid bulk length"},
		{"request", "*3\r\n" + strings.Repeat("$1000000\r\n"+strings.Repeat("x", 1000000)+"\r\n", 3), authenticated, "request exceeds 2097152 bytes"},
		{"inline too big", strings.Repeat("x", 70<<10), authenticated, "too big inline request"},
		{"quotes", "SET \"a\r\n", authenticated, "unbalanced quotes in request"},
		{"quote and word", "SET \"a\"b\r\n", authenticated, "unbalanced quotes in request"},
		{"count before authentication", "*17\r\n", unauthenticated, "unauthenticated multibulk length"},
		{"bulk before authentication", "*1\r\n$16385\r\n", unauthenticated, "unauthenticated bulk length"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readAll(strings.NewReader(tt.in), tt.limits)
			var p ProtocolError
			if !errors.As(err, &p) || string(p) != tt.want || p.Error() != "Protocol error: "+tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestAnnouncedIsNotAllocated: a client that announces a large bulk string and
// sends nothing costs one small chunk.
func TestAnnouncedIsNotAllocated(t *testing.T) {
	r := NewReader(Limits{Bulk: 512 << 20, Array: 1 << 20, Request: 1 << 30})
	if err := r.Fill(strings.NewReader("*1048576\r\n$536870912\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := r.Next(); ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	if cap(r.bulk) > firstChunk || cap(r.argv) > 64 {
		t.Errorf("allocated %d bytes and %d arguments", cap(r.bulk), cap(r.argv))
	}
}

// TestLimitsChangeBetweenRequests: AUTH lifts them for what is behind it.
func TestLimitsChangeBetweenRequests(t *testing.T) {
	r := NewReader(unauthenticated)
	in := "*1\r\n$4\r\nAUTH\r\n*1\r\n$20000\r\n" + strings.Repeat("x", 20000) + "\r\n"
	src := strings.NewReader(in)
	for got := 0; got < 2; {
		argv, ok, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			got++
			if string(argv[0]) == "AUTH" {
				r.SetLimits(authenticated)
			}
			continue
		}
		if err := r.Fill(src); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n"))
	f.Add([]byte("SET \"a\\x00\" 'b'\n*0\r\n*-1\r\n*1\r\n$-1\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		limits := Limits{Bulk: 1 << 10, Array: 32, Request: 4 << 10}
		whole, err1 := readAll(bytes.NewReader(in), limits)
		bytewise, err2 := readAll(iotest.OneByteReader(bytes.NewReader(in)), limits)
		if strings.Join(whole, ";") != strings.Join(bytewise, ";") || fmt.Sprint(err1) != fmt.Sprint(err2) {
			t.Errorf("at once %q, %v; bytewise %q, %v", whole, err1, bytewise, err2)
		}
	})
}

// BenchmarkNext reads a request that has arrived whole.
func BenchmarkNext(b *testing.B) {
	for name, argv := range map[string][]string{
		"GET": {"GET", "key:000000012345"}, "SET": {"SET", "key:000000012345", strings.Repeat("x", 100)},
		"MSET 10": append([]string{"MSET"}, strings.Fields(strings.Repeat("key:000000012345 "+strings.Repeat("x", 100)+" ", 10))...),
	} {
		b.Run(name, func(b *testing.B) {
			in := fmt.Sprintf("*%d\r\n", len(argv))
			for _, arg := range argv {
				in += fmt.Sprintf("$%d\r\n%s\r\n", len(arg), arg)
			}
			r, src := NewReader(authenticated), strings.NewReader("")
			b.ReportAllocs()
			for b.Loop() {
				src.Reset(in)
				if err := r.Fill(src); err != nil {
					b.Fatal(err)
				}
				if _, ok, err := r.Next(); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
