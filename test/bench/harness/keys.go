package harness

import (
	"fmt"
	"math/rand/v2"
)

// Keys is a set of keys.
type Keys struct{ Count, KeyBytes, ValueBytes int }

// Bytes is what keys and values have.
func (k Keys) Bytes() int64 { return int64(k.Count) * int64(k.KeyBytes+k.ValueBytes) }

func (k Keys) String() string {
	return fmt.Sprintf("%d keys of %d B, values of %d B", k.Count, k.KeyBytes, k.ValueBytes)
}

// AppendKey appends the name of the key with that number.
func (k Keys) AppendKey(dst []byte, n int) []byte { return fmt.Appendf(dst, "%0*d", k.KeyBytes, n) }

// noise is where values are cut from: they do not compress.
var noise = func() []byte {
	b := make([]byte, 1<<20)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(b) // never fails
	return b
}()

// Value is a value of any of them.
func (k Keys) Value(random *rand.Rand) []byte {
	from := random.IntN(len(noise) - k.ValueBytes)
	return noise[from : from+k.ValueBytes]
}

// Load writes every key once, the same values on every server.
func (s *Server) Load(k Keys) error {
	c, err := s.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	random := rand.New(rand.NewPCG(1, 2))
	var key, set []byte = nil, []byte("SET")
	for i := range k.Count {
		key = k.AppendKey(key[:0], i)
		if err := c.Stream(set, key, k.Value(random)); err != nil {
			return err
		}
	}
	return c.Confirm()
}
