package reply

import (
	"strings"
	"testing"
)

// TestStringsAreElements: what is kept as one text is the same elements.
func TestStringsAreElements(t *testing.T) {
	want := []string{"", "a", "\r\n$1\r\n", strings.Repeat("x", 1000)}
	body := Body(0)
	for _, s := range want {
		body = AppendBulk(body, s)
	}
	r := Strings(KindArray, len(want), body)
	if r.Len() != len(want) || r.Size() < int64(len(body)) {
		t.Errorf("%d elements of %d bytes", r.Len(), r.Size())
	}
	elements := r.Elements()
	for i, s := range want {
		if string(elements[i].Str) != s || elements[i].Kind != KindBulk {
			t.Errorf("element %d is %+v, want %q", i, elements[i], s)
		}
	}
	none := Strings(KindSet, 0, Body(0))
	if none.Len() != 0 || len(none.Elements()) != 0 {
		t.Errorf("%+v is not empty", none)
	}
	items := Array(Integer(1), Null)
	if items.Len() != 2 || len(items.Elements()) != 2 {
		t.Errorf("%+v has not two elements", items)
	}
}

// TestSentBodiesAreUsedAgain: and others never are.
func TestSentBodiesAreUsedAgain(t *testing.T) {
	reused := false
	for range 100 { // the runtime may take what is kept
		r := Strings(KindArray, 1, AppendBulk(Body(2000), strings.Repeat("a", 1500)))
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
