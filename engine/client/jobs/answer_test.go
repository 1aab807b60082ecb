package jobs

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// TestAnswersAreRead as servers write them, whatever the data that people pushed.
func TestAnswersAreRead(t *testing.T) {
	a, err := decode([]byte(`{"ok":true,"new":{"x":[1]},"job":{"id":18446744073709551615,"data":{"a":1, "a":[2]},"tags":null,"lease":"f"},"waiting":3,"errors":[{"index":1,"error":"lost","code":"LEASE"}],"reqId":"17"}`))
	if err != nil {
		t.Fatal(err)
	}
	if *a.ReqID != 17 || !a.OK || a.Job.ID != 1<<64-1 || string(a.Job.Data) != `{"a":1, "a":[2]}` || a.Job.Lease != "f" || a.Waiting != 3 {
		t.Errorf("%+v", a)
	}
	refusals := a.refusals(2)
	if refusals[0] != nil || refusals[1] == nil || !refusals[1].lostLease() {
		t.Errorf("%v", refusals)
	}
	if a, err := decode([]byte(`{"ok":false,"error":"Authentication required"}`)); err != nil || a.ReqID != nil || a.err().Error() != "Authentication required" {
		t.Errorf("%+v, %v", a, err)
	}
	for _, bad := range []string{"", "{", `{"ok":true} {}`, `{"ok":1}`, `{"reqId":"x"}`, "\x16\x03\x01"} {
		if _, err := decode([]byte(bad)); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
}

// TestLinesAreRead whole, however long.
func TestLinesAreRead(t *testing.T) {
	long := strings.Repeat("x", 3*bufferSize)
	r := bufio.NewReaderSize(strings.NewReader("a\n"+long+"\nb"), bufferSize)
	for _, want := range []string{"a\n", long + "\n"} {
		if line, err := readLine(r); err != nil || string(line) != want {
			t.Errorf("%d bytes, %v, want %d", len(line), err, len(want))
		}
	}
	if _, err := readLine(r); err == nil {
		t.Error("half a line was taken for one")
	}
	endless := bufio.NewReaderSize(&repeat{}, bufferSize)
	if _, err := readLine(endless); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

// repeat has no end, and no end of a line.
type repeat struct{}

func (*repeat) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte{'x'}, len(b))), nil }

// TestRequestsAreLines with the arguments' fields beside cmd and reqId.
func TestRequestsAreLines(t *testing.T) {
	for want, args := range map[string]any{
		`{"cmd":"PING","reqId":"7"}` + "\n":                                          nil,
		`{"cmd":"PING","reqId":"7","queue":"<&>"}` + "\n":                            fields{"queue": "<&>"},
		`{"cmd":"PING","reqId":"7","queue":"q","data":{"a":1}}` + "\n":               new(PushOptions).pushed("q", map[string]int{"a": 1}),
		`{"cmd":"PING","reqId":"7","queue":"q","data":null,"max_attempts":0}` + "\n": (&PushOptions{MaxAttempts: Unlimited}).pushed("q", nil),
	} {
		line, err := encode(7, "PING", args)
		if err != nil || string(line) != want {
			t.Errorf("%s, %v, want %s", line, err, want)
		}
	}
}
