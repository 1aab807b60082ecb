package config

import "fmt"

// EvictionPolicy says which keys go when the data would exceed their memory.
type EvictionPolicy string

// The policies. Volatile ones evict keys with an expiry alone.
const (
	NoEviction     EvictionPolicy = "NoEviction"
	AllKeysLRU     EvictionPolicy = "AllKeysLRU"
	AllKeysLFU     EvictionPolicy = "AllKeysLFU"
	AllKeysRandom  EvictionPolicy = "AllKeysRandom"
	VolatileLRU    EvictionPolicy = "VolatileLRU"
	VolatileLFU    EvictionPolicy = "VolatileLFU"
	VolatileRandom EvictionPolicy = "VolatileRandom"
	VolatileTTL    EvictionPolicy = "VolatileTTL"
)

// redisNames are maxmemory-policy's of redis-server.
var redisNames = map[EvictionPolicy]string{
	NoEviction: "noeviction",
	AllKeysLRU: "allkeys-lru", AllKeysLFU: "allkeys-lfu", AllKeysRandom: "allkeys-random",
	VolatileLRU: "volatile-lru", VolatileLFU: "volatile-lfu", VolatileRandom: "volatile-random", VolatileTTL: "volatile-ttl",
}

// Memory is what the data may take, and what happens then.
type Memory struct {
	// LimitBytes bounds the data, where that is less than what the container's
	// memory bears; 0: that alone does.
	LimitBytes int64 `json:"limitBytes,omitempty"`
	// EvictionPolicy is NoEviction when empty.
	EvictionPolicy EvictionPolicy `json:"evictionPolicy,omitempty"`
}

// MaxMemoryPolicy is the policy by redis-server's name.
func (m Memory) MaxMemoryPolicy() string {
	if m.EvictionPolicy == "" {
		return redisNames[NoEviction]
	}
	return redisNames[m.EvictionPolicy]
}

func (m Memory) validate() []error {
	problems := []error{unlessZero("memory.limitBytes", m.LimitBytes, 1<<20, 1<<50)}
	if m.MaxMemoryPolicy() == "" {
		problems = append(problems, fmt.Errorf("memory.evictionPolicy: %q, must be NoEviction, AllKeysLRU, AllKeysLFU, AllKeysRandom, VolatileLRU, VolatileLFU, VolatileRandom or VolatileTTL", m.EvictionPolicy))
	}
	return problems
}
