package job

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vmihailenco/msgpack/v5"
)

func frame(t testing.TB, v any) []byte {
	t.Helper()
	body, err := msgpack.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// readAll parses all that src sends.
func readAll(t testing.TB, src io.Reader) (requests []Request, errs []error) {
	t.Helper()
	r := NewReader()
	r.Authenticated()
	for {
		for {
			message, ok, err := r.Next()
			if err != nil {
				return requests, append(errs, err)
			}
			if !ok {
				break
			}
			var req Request
			errs = append(errs, Parse(r.Framing(), bytes.Clone(message), &req))
			requests = append(requests, req)
		}
		if _, err := r.Fill(src); err != nil {
			return requests, errs
		}
	}
}

// TestBothFramings: the same request is the same in both, and arrives in
// whatever pieces.
func TestBothFramings(t *testing.T) {
	fields := map[string]any{
		"cmd": "PUSH", "queue": "audit:logs", "data": map[string]any{"n": uint64(1<<64 - 1), "m": int64(-1 << 63), "f": 1.5, "s": "é\"\n\x01", "l": []any{true, false, nil}},
		"priority": -5, "delay": 1000, "ttl": 1, "timeout": 2, "max_attempts": 0, "backoff": 3, "unique_key": "k", "depends_on": []uint64{1, 1 << 63},
		"tags": []string{"a", "b"}, "lifo": true, "remove_on_complete": true, "remove_on_fail": false, "stall_timeout": 4, "debounce_id": "d",
		"debounce_ttl": 5, "job_id": "custom", "keep_completed_age": 6, "keep_completed_count": 7, "group_id": "g", "reqId": "r1", "later": "ignored",
	}
	line, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	want := Request{Cmd: "PUSH", ReqID: []byte(`"r1"`), Job: Job{
		Queue: "audit:logs", Priority: -5, Delay: 1000, TTL: 1, Timeout: 2, Backoff: 3, UniqueKey: "k", DependsOn: []uint64{1, 1 << 63},
		Tags: []string{"a", "b"}, Lifo: true, RemoveOnComplete: true, StallTimeout: 4, DebounceID: "d", DebounceTTL: 5, CustomID: "custom",
		KeepCompletedAge: 6, KeepCompletedCount: 7, GroupID: "g",
	}}
	for _, f := range []Field{FieldQueue, FieldData, FieldPriority, FieldDelay, FieldTimeout, FieldMaxAttempts, FieldBackoff, FieldStallTimeout, FieldDebounceTTL, FieldJobID} {
		want.Set.add(f)
	}
	for name, sent := range map[string][]byte{"lines": append([]byte("\r\n\n"), append(line, "\r\n"...)...), "frames": frame(t, fields)} {
		for _, src := range []io.Reader{bytes.NewReader(sent), iotest.OneByteReader(bytes.NewReader(sent))} {
			got, errs := readAll(t, src)
			if len(got) != 1 || errs[0] != nil {
				t.Fatalf("%s: %d requests, %v", name, len(got), errs)
			}
			var data, wanted any
			decode(t, got[0].Data, &data)
			decode(t, line[bytes.Index(line, []byte(`{"f"`)):bytes.Index(line, []byte(`,"debounce_id"`))], &wanted)
			if !reflect.DeepEqual(data, wanted) {
				t.Errorf("%s: data %v, want %v", name, data, wanted)
			}
			got[0].Data = nil
			if !reflect.DeepEqual(got[0], want) {
				t.Errorf("%s: got %+v, want %+v", name, got[0], want)
			}
		}
	}
}

func decode(t testing.TB, text []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func parse(t *testing.T, message string) (Request, error) {
	t.Helper()
	var req Request
	err := Parse(Lines, []byte(message), &req)
	return req, err
}

// TestTolerances: what flashQ's client and its server disagree about, and what
// clients of MessagePack send.
func TestTolerances(t *testing.T) {
	for message, right := range map[string]func(Request) bool{
		`{"cmd":"HEARTBEAT","job_id":5}`:                                   func(r Request) bool { return r.ID == 5 && r.Set.Has(FieldID) && r.CustomID == "" },
		`{"cmd":"HEARTBEAT","id":5}`:                                       func(r Request) bool { return r.ID == 5 },
		`{"cmd":"LOG","id":5,"job_id":6}`:                                  func(r Request) bool { return r.ID == 5 },
		`{"cmd":"GETJOBBYCUSTOMID","job_id":"5"}`:                          func(r Request) bool { return r.CustomID == "5" && !r.Set.Has(FieldID) },
		`{"cmd":"RATELIMIT","limit":10}`:                                   func(r Request) bool { return r.Limit == 10 && r.Duration == 0 },
		`{"cmd":"RATELIMIT","limit":{"max":100,"duration":60000,"x":[1]}}`: func(r Request) bool { return r.Limit == 100 && r.Duration == 60000 },
		`{"cmd":"RATELIMIT","limit":10,"duration":5}`:                      func(r Request) bool { return r.Limit == 10 && r.Duration == 5 },
		`{"cmd":"PUSH","data":null,"delay":null,"tags":null,"lifo":null}`:  func(r Request) bool { return r.Set == 1<<FieldData && string(r.Data) == "null" },
		`{"cmd":"PUSH","delay":1e3,"priority":2.0}`:                        func(r Request) bool { return r.Delay == 1000 && r.Priority == 2 },
		`{"cmd":"PROGRESS","progress":33.7}`:                               func(r Request) bool { return r.Progress == 33 && r.Set.Has(FieldProgress) },
		`{"cmd":"PULL","lease":true}`:                                      func(r Request) bool { return r.WantsLease && r.LeaseFor == 0 },
		`{"cmd":"PULL","lease":5000}`:                                      func(r Request) bool { return r.WantsLease && r.LeaseFor == 5000 },
		`{"cmd":"ACK","id":1,"lease":"abc","result":[1, 2]}`:               func(r Request) bool { return r.Lease == "abc" && string(r.Result) == "[1, 2]" && !r.WantsLease },
		`{"cmd":"PING","reqId":7}`:                                         func(r Request) bool { return string(r.ReqID) == "7" },
		"{\"cmd\":\"PUSH\",\"data\":{\"a\":\r\n1}}":                        func(r Request) bool { return string(r.Data) == `{"a":  1}` },
		`{"cmd":"PUSHB","jobs":[{"data":1,"x":{"y":[]}},{"queue":null}]}`:  func(r Request) bool { return len(r.Jobs) == 2 && string(r.Jobs[0].Data) == "1" },
		`{"cmd":"FLOW","children":[{"queue":"c","data":{},"priority":1}]}`: func(r Request) bool { return r.Children[0].Queue == "c" && r.Children[0].Priority == 1 },
		`{"cmd":"\u0050ING"}`:                                              func(r Request) bool { return r.Cmd == "PING" },
		` {"cmd" : "PING" } `:                                              func(r Request) bool { return r.Cmd == "PING" },
	} {
		if req, err := parse(t, message); err != nil || !right(req) {
			t.Errorf("%s: %+v, %v", message, req, err)
		}
	}
}

// TestRefusals name the field and say what to write, and the client can tell
// which of its requests it was.
func TestRefusals(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	for message, says := range map[string]string{
		`{"queue":"q"`: "invalid JSON: it ends where a comma or } is expected",
		`[]`:           "a request: must be an object, is an array",
		`null`:         "a request: must be an object, is null",
		`not JSON`:     "invalid JSON: 'n' at byte 0 where a value is expected",
		`false`:        "a request: must be an object, is a boolean",
		`{"a":1}`:      "cmd: is missing",
		`{"cmd":7}`:    "cmd: must be a string, is a number",
		`{"cmd":"PUSH","priority":"high","reqId":"r"}`:                      "priority: must be a number, is a string",
		`{"cmd":"PUSH","priority":1.5,"reqId":"r"}`:                         "priority: must be a whole number, is 1.5",
		`{"cmd":"PUSH","delay":99999999999999999999}`:                       "delay: must be a whole number",
		`{"cmd":"PUSH","queue":{},"reqId":"r"}`:                             "queue: must be a string, is an object",
		`{"cmd":"PUSH","lifo":1}`:                                           "lifo: must be true or false, is a number",
		`{"cmd":"PUSH","tags":"a"}`:                                         "tags: must be an array, is a string",
		`{"cmd":"PUSH","tags":[1]}`:                                         "tags: must be a string, is a number",
		`{"cmd":"ACK","id":-1}`:                                             "id: must be a whole number from 0 to",
		`{"cmd":"ACK","id":"1"}`:                                            "id: must be a number, is a string",
		`{"cmd":"PUSHB","jobs":[1]}`:                                        "jobs: must be an object, is a number",
		`{"cmd":"PUSHB","jobs":[` + strings.Repeat(`{},`, MaxList) + `{}]}`: "jobs: more than 1000 elements",
		`{"cmd":"PING","reqId":[]}`:                                         "reqId: must be a string or a number",
		`{"cmd":"PING","reqId":"` + strings.Repeat("r", MaxReqID) + `"}`:    "reqId: has 258 bytes, must have at most 256",
		`{"cmd":"PUSH","data":` + deep + `}`:                                "nested more than 32 deep",
		"{\"cmd\":\"PUSH\",\"data\":\"\xff\"}":                              "invalid UTF-8",
		"{\"cmd\":\"PUSH\",\"data\":\"a\tb\"}":                              "a character of a string",
		`{"cmd":"PUSH","data":"\x"}`:                                        "an escape",
		`{"cmd":"PUSH","data":"\u12g4"}`:                                    "an escape",
		`{"cmd":"PUSH","data":01}`:                                          "leading zeros",
		`{"cmd":"PUSH","data":1.}`:                                          "a digit",
		`{"cmd":"PUSH","data":-}`:                                           "a digit",
		`{"cmd":"PUSH","data":tru}`:                                         "a value",
		`{"cmd":"PUSH","data":{"a"1}}`:                                      "a colon",
		`{"cmd":"PUSH","data":{1:1}}`:                                       "a key",
		`{"cmd":"PUSH","data":[1,]}`:                                        "a value",
		`{"cmd":"PUSH","data":[1}`:                                          "a comma or ]",
		`{"cmd":"PUSH"}x`:                                                   "the end of the request",
		`{"cmd":"PULL","lease":[]}`:                                         "lease: must be true, a number of milliseconds, or the token",
	} {
		req, err := parse(t, message)
		var refused *Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.80s: got %v, want %q", message, err, says)
		}
		if strings.Contains(message, `"reqId":"r"`) && string(req.ReqID) != `"r"` {
			t.Errorf("%s: reqId %s", message, req.ReqID)
		}
	}
	if _, err := parse(t, `{"cmd":"PUSH","data":`+deep[1:len(deep)-1]+`}`); err != nil {
		t.Errorf("at the bound: %v", err)
	}
}

// TestMessagePackRefusals: types that JSON has nothing for, and frames that are
// cut.
func TestMessagePackRefusals(t *testing.T) {
	with := func(data []byte) []byte {
		b := append([]byte{0x83, 0xa3}, "cmd\xa4PUSH\xa4data"...)
		return append(append(b, data...), "\xa5reqId\xa2r1"...)
	}
	deep := bytes.Repeat([]byte{0x91}, MaxDepth)
	for name, tt := range map[string]struct {
		data []byte
		says string
	}{
		"binary":    {[]byte{0xc4, 1, 0}, "base64"},
		"timestamp": {[]byte{0xd6, 0xff, 0, 0, 0, 0}, "type 0xd6 cannot be kept"},
		"NaN":       {[]byte{0xca, 0x7f, 0xc0, 0, 0}, "NaN cannot be kept as JSON"},
		"key":       {[]byte{0x81, 1, 1}, "key must be a string"},
		"UTF-8":     {[]byte{0xa1, 0xff}, "invalid UTF-8"},
		"depth":     {append(deep, 0), "nested more than 32 deep"},
		"abyss":     {bytes.Repeat([]byte{0x91}, MaxFrame), "nested more than 32 deep"}, // which a stack has no room for
		"never":     {[]byte{0xc1}, "type 0xc1 cannot be kept"},
		"length":    {[]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, "ends in the middle"},
		"string":    {[]byte{0xdb, 0xff, 0xff, 0xff, 0xff}, "ends in the middle"},
		"map":       {[]byte{0xdf, 0xff, 0xff, 0xff, 0xff}, "ends in the middle"},
	} {
		var req Request
		err := Parse(Frames, with(tt.data), &req)
		if err == nil || !strings.Contains(err.Error(), tt.says) || string(req.ReqID) != `"r1"` {
			t.Errorf("%s: %v, %s", name, err, req.ReqID)
		}
	}
	var req Request
	for _, message := range []string{"", "\x90", "\xc0", "\x81", "\x80\x80"} {
		if err := Parse(Frames, []byte(message), &req); err == nil || !strings.Contains(err.Error(), "invalid MessagePack") {
			t.Errorf("%q: %v", message, err)
		}
	}
	if err := Parse(Frames, with(append(deep[1:], 0)), &req); err != nil {
		t.Errorf("at the bound: %v", err)
	}
}

// TestTooLarge: what a client announces, or sends without an end, is refused
// before there is memory for it.
func TestTooLarge(t *testing.T) {
	for name, src := range map[string]io.Reader{
		"frame": bytes.NewReader([]byte{0, 1, 0, 1, 0x80}),
		"line":  bytes.NewReader(bytes.Repeat([]byte{'{'}, 2*EarlyFrame)),
	} {
		r := NewReader()
		var err error
		for err == nil {
			if _, fillErr := r.Fill(src); fillErr != nil {
				t.Fatalf("%s: read to its end", name)
			}
			_, _, err = r.Next()
		}
		if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "65536 bytes before authentication") || r.Size() > 3*EarlyFrame {
			t.Errorf("%s: %v, %d bytes", name, err, r.Size())
		}
	}
	for _, announced := range []uint32{MaxFrame, MaxFrame + 1} {
		r := NewReader()
		r.Authenticated()
		if _, err := r.Fill(bytes.NewReader(binary.BigEndian.AppendUint32(nil, announced))); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := r.Next(); ok || (err != nil) != (announced > MaxFrame) || r.Size() > 64<<10 {
			t.Errorf("%d: %v, %d bytes", announced, err, r.Size())
		}
	}
}

// TestLargeBuffersGo once their message has been read.
func TestLargeBuffersGo(t *testing.T) {
	line := `{"cmd":"PUSH","data":"` + strings.Repeat("x", 1<<20) + `"}` + "\n"
	src := strings.NewReader(line + `{"cmd":"PING"}` + "\n")
	r := NewReader()
	r.Authenticated()
	for n := 0; n < 2; {
		if _, ok, err := r.Next(); err != nil {
			t.Fatal(err)
		} else if ok {
			n++
			continue
		}
		if _, err := r.Fill(src); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = r.Fill(src)
	if r.Size() > keepBuffer || r.Pending() {
		t.Errorf("%d bytes are kept", r.Size())
	}
}

func TestAnswers(t *testing.T) {
	answer := []byte(`{"ok":true,"id":18446744073709551615,"f":-1.5,"n":-7,"s":"é\"\n\u0001","big":123456789012345678901234,"a":[null,true,false,{}],"z":-0}`)
	line := AppendAnswer(nil, Lines, answer, []byte(`"r1"`))
	if want := string(answer[:len(answer)-1]) + `,"reqId":"r1"}` + "\n"; string(line) != want {
		t.Errorf("got %s, want %s", line, want)
	}
	if line := AppendAnswer(nil, Lines, []byte(`{"ok":true}`), nil); string(line) != `{"ok":true}`+"\n" {
		t.Errorf("without a reqId: %s", line)
	}
	packed := AppendAnswer(nil, Frames, answer, []byte(`"r1"`))
	if int(binary.BigEndian.Uint32(packed)) != len(packed)-4 {
		t.Errorf("length %d of %d", binary.BigEndian.Uint32(packed), len(packed))
	}
	var got map[string]any
	if err := msgpack.Unmarshal(packed[4:], &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"ok": true, "id": uint64(1<<64 - 1), "f": -1.5, "n": int64(-7), "s": "é\"\n\x01", "big": 123456789012345678901234.0,
		"a": []any{nil, true, false, map[string]any{}}, "reqId": "r1", "z": got["z"]}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
	if got := AppendError(nil, "a \"b\"\n\x01é"); string(got) != `{"ok":false,"error":"a \"b\"\n\u0001é"}` {
		t.Errorf("%s", got)
	}
}

// FuzzLines: whatever comes is read or refused, and data that is taken is JSON.
func FuzzLines(f *testing.F) {
	for _, s := range []string{
		"{\"cmd\":\"PUSH\",\"queue\":\"q\",\"data\":{\"a\":[1,2.5e3,\"\\u00e9\\ud83d\\ude00\"]},\"reqId\":\"r1\"}\n", "\n{\"cmd\":\"PULL\",\"lease\":5}\n\n{}",
		"{\"cmd\":\"PUSHB\",\"jobs\":[{\"data\":null},{\"data\":[[[]]]}]}\r\n", "{\"cmd\":\"RATELIMIT\",\"limit\":{\"max\":1}}\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := NewReader()
		r.framing = Lines
		for src := bytes.NewReader(sent); ; {
			message, ok, err := r.Next()
			if err != nil {
				return
			}
			if ok {
				checkMessage(t, message)
				continue
			}
			if _, err := r.Fill(src); err != nil {
				return
			}
		}
	})
}

func checkMessage(t *testing.T, message []byte) {
	var req Request
	if err := Parse(Lines, message, &req); err != nil {
		if strings.ContainsAny(err.Error(), "\n") || !json.Valid(AppendError(nil, err.Error())) {
			t.Fatalf("the answer to %q is no line: %v", message, err)
		}
		return
	}
	if !json.Valid(message) {
		t.Fatalf("%q was taken, which is no JSON", message)
	}
	for _, data := range append([][]byte{req.Data, req.Result, req.ReqID}, datas(req.Jobs)...) {
		if data == nil {
			continue
		}
		if !json.Valid(data) || bytes.ContainsAny(data, "\r\n") {
			t.Fatalf("%q was kept of %q", data, message)
		}
		again, err := appendJSON(nil, appendMessagePack(nil, append(append([]byte(`{"d":`), data...), '}')))
		var one, two any
		if err == nil {
			decode(t, data, &one)
			decode(t, again[5:len(again)-1], &two)
		}
		if err == nil && fmt.Sprint(normal(one)) != fmt.Sprint(normal(two)) {
			t.Fatalf("%s came back as %s", data, again)
		}
	}
}

func datas(jobs []Job) (list [][]byte) {
	for _, j := range jobs {
		list = append(list, j.Data)
	}
	return list
}

// normal has numbers that are no integers as MessagePack keeps them.
func normal(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f)
		}
		return f
	case map[string]any:
		for k := range v {
			v[k] = normal(v[k])
		}
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
	}
	return v
}

// FuzzFrames: whatever comes is read or refused; what is read is what the
// library of MessagePack reads.
func FuzzFrames(f *testing.F) {
	f.Add(frame(f, map[string]any{"cmd": "PUSH", "queue": "q", "data": map[string]any{"a": []any{1, -1, 2.5, "x", nil, true}}, "delay": nil}))
	f.Add(frame(f, map[string]any{"cmd": "ACKB", "ids": []uint64{1, 300, 70000, 1 << 40}}))
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := NewReader()
		r.framing = Frames
		for src := bytes.NewReader(sent); ; {
			message, ok, err := r.Next()
			if err != nil {
				return
			}
			if !ok {
				if _, err := r.Fill(src); err != nil {
					return
				}
				continue
			}
			text, err := appendJSON(nil, message)
			if err != nil {
				continue
			}
			checkMessage(t, text)
			var ours any
			decode(t, text, &ours)
			theirs, err := msgpack.NewDecoder(bytes.NewReader(message)).DecodeMap()
			if err != nil {
				t.Fatalf("%x was taken, which is no MessagePack: %v", message, err)
			}
			encoded, err := json.Marshal(theirs)
			if err != nil {
				t.Fatalf("%x: %v", message, err)
			}
			var wanted any
			decode(t, encoded, &wanted)
			if fmt.Sprint(normal(ours)) != fmt.Sprint(normal(wanted)) {
				t.Fatalf("%x: %s, the library has %s", message, text, encoded)
			}
		}
	})
}

func BenchmarkParsePush(b *testing.B) {
	line := []byte(`{"cmd":"PUSH","queue":"emails","data":{"to":"user@example.com","subject":"Welcome","body":"` + strings.Repeat("x", 120) + `"},"priority":5,"reqId":"r123"}`)
	packed := frame(b, map[string]any{"cmd": "PUSH", "queue": "emails", "data": map[string]any{"to": "user@example.com", "subject": "Welcome", "body": strings.Repeat("x", 120)}, "priority": 5, "reqId": "r123"})[4:]
	var req Request
	for framing, message := range map[string][]byte{"lines": line, "frames": packed} {
		b.Run(framing, func(b *testing.B) {
			kind := Lines
			if framing == "frames" {
				kind = Frames
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := Parse(kind, message, &req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestListsThatComeTwice: the bound on a list is none on each of many.
func TestListsThatComeTwice(t *testing.T) {
	for _, list := range []string{`"jobs":[{},{}]`, `"children":[{},{}]`, `"results":[1,2]`, `"ids":[1,2]`, `"tags":["a","b"]`} {
		req, err := parse(t, `{"cmd":"PUSHB",`+strings.Repeat(list+",", 20)+list+`}`)
		if n := max(len(req.Jobs), len(req.Children), len(req.Results), len(req.IDs), len(req.Tags)); err != nil || n != 2 {
			t.Errorf("%s: %d elements, %v", list, n, err)
		}
	}
}

// TestMessagePackThatGrows: as JSON it is bounded, too.
func TestMessagePackThatGrows(t *testing.T) {
	controls := strings.Repeat("\x01", 1<<20)
	for name, data := range map[string]any{
		"one text": strings.Repeat(controls, 3), "many texts": []any{controls, controls, controls},
		"fits": strings.Repeat("x", 15<<20),
	} {
		message := frame(t, map[string]any{"cmd": "PUSH", "data": data, "reqId": "r"})[lengthSize:]
		var req Request
		err := Parse(Frames, message, &req)
		if fits := name == "fits"; fits != (err == nil) || string(req.ReqID) != `"r"` && fits {
			t.Errorf("%s: %v", name, err)
		}
	}
}
