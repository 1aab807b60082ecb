package reply

import (
	"slices"
	"strings"
	"testing"
)

// TestStringsAreElements: what is kept as one text is the same elements.
func TestStringsAreElements(t *testing.T) {
	want := []string{"", "a", "\r\n$1\r\n", strings.Repeat("x", 1000)}
	body, texts, items := Body(0), 0, []Reply{}
	for _, s := range want {
		body, texts, items = AppendBulk(body, s), texts+len(s), append(items, BulkString(s))
	}
	r := Strings(KindArray, uint32(len(want)), int64(texts), body)
	if r.Len() != len(want) || r.Size() != Array(items...).Size() {
		t.Errorf("%d elements of %d bytes, want %d of %d", r.Len(), r.Size(), len(want), Array(items...).Size())
	}
	elements := slices.Collect(r.All())
	for i, s := range want {
		if string(elements[i].Str) != s || elements[i].Kind != KindBulk {
			t.Errorf("element %d is %+v, want %q", i, elements[i], s)
		}
	}
	none := Strings(KindSet, 0, 0, Body(0))
	if none.Len() != 0 || len(slices.Collect(none.All())) != 0 {
		t.Errorf("%+v is not empty", none)
	}
	two := Array(Integer(1), Null)
	if two.Len() != 2 || len(slices.Collect(two.All())) != 2 {
		t.Errorf("%+v has not two elements", two)
	}
}

// TestSentBodiesAreUsedAgain: and others never are.
func TestSentBodiesAreUsedAgain(t *testing.T) {
	reused := false
	for range 100 { // the runtime may take what is kept
		r := Strings(KindArray, 1, 1500, AppendBulk(Body(2000), strings.Repeat("a", 1500)))
		first := &r.Str[0]
		r.Sent()
		again := AppendBulk(Body(2000), "b")
		reused = reused || &again[0] == first
	}
	if !reused {
		t.Error("each body is a new one")
	}
	bulk := Bulk(make([]byte, 2000))
	bulk.Sent()
	if bulk.Str == nil {
		t.Error("the text of a bulk string was taken")
	}
}
