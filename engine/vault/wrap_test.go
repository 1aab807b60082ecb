package vault

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestAWrappedKeyOpensWhereItBelongs(t *testing.T) {
	ring := func(primary string) *Ring {
		r, err := Parse(map[string][]byte{
			"primary": []byte(primary), "a": []byte(strings.Repeat("aa", KeySize)), "b": []byte(strings.Repeat("bb", KeySize)),
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := ring("a")
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	wrapped := r.Wrap(key, []byte("queue"))
	if len(wrapped) != WrappedSize || WrappedUnder(wrapped) != r.Primary() || bytes.Contains(wrapped, key.raw) {
		t.Fatalf("%x", wrapped)
	}
	next := ring("b")
	again, err := next.Unwrap(wrapped, []byte("queue"))
	if err != nil || !bytes.Equal(again.raw, key.raw) || again.ID() != key.ID() {
		t.Fatal(err)
	}
	if rewrapped := next.Wrap(again, []byte("queue")); WrappedUnder(rewrapped) != next.Primary() {
		t.Errorf("under %s", WrappedUnder(rewrapped))
	}
	if _, err := r.Unwrap(wrapped, []byte("other")); !errors.Is(err, ErrWrapped) {
		t.Errorf("of another queue: %v", err)
	}
	for i := range wrapped {
		altered := bytes.Clone(wrapped)
		altered[i] ^= 1
		if _, err := r.Unwrap(altered, []byte("queue")); err == nil {
			t.Errorf("byte %d altered: it unwraps", i)
		}
	}
	var missing *KeyError
	if _, err := (*Ring)(nil).Unwrap(wrapped, nil); !errors.As(err, &missing) {
		t.Errorf("without a ring: %v", err)
	}
	if _, err := r.Unwrap(wrapped[1:], nil); !errors.Is(err, ErrWrapped) {
		t.Errorf("short: %v", err)
	}
}

func TestDerivedKeysDiffer(t *testing.T) {
	key, _ := NewKey()
	a, err := key.Derive([]byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := key.Derive([]byte("b"))
	same, _ := key.Derive([]byte("a"))
	if bytes.Equal(a.raw, b.raw) || bytes.Equal(a.raw, key.raw) || !bytes.Equal(a.raw, same.raw) {
		t.Error("derived keys must differ by their context, and by nothing else")
	}
}
