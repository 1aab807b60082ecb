package store

import "hash/maphash"

// seed is a table's secret: without it nobody can name keys that all begin
// their search at one place. It decides the order of a table's places, and that
// must not reach the state.
type seed struct{ of maphash.Seed }

func newSeed() seed { return seed{maphash.MakeSeed()} }

func (s seed) hash(key []byte) uint64 { return maphash.Bytes(s.of, key) }

func (s seed) hashString(key string) uint64 { return maphash.String(s.of, key) }
