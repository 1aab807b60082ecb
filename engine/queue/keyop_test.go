package queue

import (
	"bytes"
	"slices"
	"testing"
)

func TestKeysAreKept(t *testing.T) {
	b := newBench(t)
	first := Key{ID: [8]byte{1}, Queue: "people", Wrapped: []byte("wrapped")}
	second := Key{ID: [8]byte{2}, Queue: "payments", Wrapped: []byte("wrapped too")}
	ok(b, &SetKey{Key: first})
	ok(b, &SetKey{Key: second})
	first.Wrapped = []byte("wrapped again")
	ok(b, &SetKey{Key: first})
	refused(b, &SetKey{Key: Key{ID: [8]byte{2}, Queue: "people", Wrapped: []byte("x")}}, CodeInvalid)
	if err := (&SetKey{Key: Key{Queue: "people"}}).Check(0); err == nil {
		t.Error("a key that is not there is accepted")
	}
	want := []Key{first, second}
	same := func(a, b Key) bool {
		return a.ID == b.ID && a.Queue == b.Queue && string(a.Wrapped) == string(b.Wrapped)
	}
	if got := b.q.Keys(); !slices.EqualFunc(got, want, same) {
		t.Errorf("%v", got)
	}
	hash := b.q.Hash()
	var stream []byte
	for s, done := b.q.stream(), false; !done; {
		var chunk []byte
		chunk, done = s.Next(1 << 10)
		stream = append(stream, chunk...)
	}
	restored, err := Restore(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	if got := restored.Keys(); !slices.EqualFunc(got, want, same) || restored.Hash() != hash {
		t.Errorf("restored: %v", got)
	}
}

func TestSpans(t *testing.T) {
	text := `{"user": {"id": 7, "id": [8]}, "a.b": 1}`
	for path, want := range map[string][]string{"user.id": {"7", "[8]"}, "$.user.id[0]": {"8"}, "user.name": nil, `a\.b`: {"1"}, "a.b": nil} {
		spans, err := Spans(text, path)
		var got []string
		for _, s := range spans {
			got = append(got, text[s.From:s.To])
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if _, err := Spans(text, "$."); err == nil {
		t.Error("an empty path leads somewhere")
	}
	if !Overlap("a.b", "$.a") || !Overlap("a", "a") || Overlap("a.b", "a.c") || Overlap("ab", "a") {
		t.Error("which paths overlap")
	}
}
