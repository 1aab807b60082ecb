package vault

import (
	"bytes"
	"testing"
)

// TestEveryFileHasAKeyOfItsOwn: a data key that served two files would serve
// twice as many messages, and one file's frames would open in the other.
func TestEveryFileHasAKeyOfItsOwn(t *testing.T) {
	r := ring(t, 1)
	one, _, err := r.New(header)
	if err != nil {
		t.Fatal(err)
	}
	two, _, err := r.New(header)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(one.raw, two.raw) || bytes.Equal(one.raw, make([]byte, KeySize)) {
		t.Fatal("two files have the same data key")
	}
	if _, err := two.Open(nil, one.Seal(nil, []byte("text"), nil), nil); err == nil {
		t.Fatal("what one file sealed opens in another")
	}
}
