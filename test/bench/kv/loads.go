package main

import (
	"fmt"
	"strings"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	connections = 50
	valueBytes  = 100
	// filled is how many keys there are for GET: all that it asks for.
	filled = harness.KeySpace
)

var value = strings.Repeat("x", valueBytes)

// loads are the commands of the tables, in their order.
func loads(depth int) []harness.Load {
	mset := []string{"MSET"}
	for range 10 {
		mset = append(mset, "key:__rand_int__", value)
	}
	return []harness.Load{
		load(depth, "SET", nil, "SET", "key:__rand_int__", value),
		load(depth, "GET", nil, "GET", "key:__rand_int__"),
		{Name: "90 % GET, 10 % SET", Depth: depth, Parts: []harness.Part{
			{Connections: connections * 9 / 10, Command: []string{"GET", "key:__rand_int__"}},
			{Connections: connections / 10, Command: []string{"SET", "key:__rand_int__", value}}}},
		load(depth, "INCR", nil, "INCR", "counter:__rand_int__"),
		load(depth, "LPUSH", without("list"), "LPUSH", "list", value),
		load(depth, "RPOP", withList, "RPOP", "list"),
		load(depth, "SADD", without("set"), "SADD", "set", "element:__rand_int__"),
		load(depth, "HSET", without("hash"), "HSET", "hash", "element:__rand_int__", value),
		load(depth, "ZADD", without("zset"), "ZADD", "zset", "__rand_int__", "element:__rand_int__"),
		load(depth, "XADD", without("stream"), "XADD", "stream", "*", "field", value),
		load(depth, "LRANGE 100", withHundred, "LRANGE", "hundred", "0", "99"),
		load(depth, "MSET 10", nil, mset...),
	}
}

func load(depth int, name string, prepare func(*harness.Client, int) error, command ...string) harness.Load {
	return harness.Load{Name: name, Depth: depth, Parts: []harness.Part{{Connections: connections, Command: command}}, Prepare: prepare}
}

// without begins every round with the key absent.
func without(key string) func(*harness.Client, int) error {
	return func(c *harness.Client, _ int) error {
		_, err := c.Do("UNLINK", key)
		return err
	}
}

// withList has an element for each request.
func withList(c *harness.Client, requests int) error {
	if err := without("list")(c, requests); err != nil {
		return err
	}
	return push(c, "list", requests)
}

func withHundred(c *harness.Client, requests int) error {
	if err := without("hundred")(c, requests); err != nil {
		return err
	}
	return push(c, "hundred", 100)
}

func push(c *harness.Client, key string, elements int) error {
	for range elements {
		if err := c.Stream([]byte("RPUSH"), []byte(key), []byte(value)); err != nil {
			return err
		}
	}
	return c.Confirm()
}

// fill writes every key that GET asks for.
func fill(s *harness.Server) error {
	return each(s, filled, func(key int) [][]byte {
		return [][]byte{[]byte("SET"), fmt.Appendf(nil, "key:%012d", key), []byte(value)}
	})
}
