package command

import (
	"strconv"
	"testing"

	"github.com/coffer-dev/coffer/engine/machine"
)

// BenchmarkCommands measures a command from its arguments to its reply, over a
// keyspace of 100,000 keys, without log and wire.
func BenchmarkCommands(b *testing.B) {
	const keys = 100_000
	for _, call := range [][][]byte{
		argv("SET", "", "value"), argv("SETEX", "", "3600", "value"), argv("GET", ""), argv("INCR", ""),
		argv("HSET", "", "name", "a value", "city", "another", "year", "1984", "rank", "17"), argv("HINCRBY", "", "count", "1"),
		argv("ZADD", "", "10", "a", "20", "b", "30", "c", "40", "d"), argv("RPUSH", "", "element"),
		argv("SADD", "", "member"), argv("XADD", "", "MAXLEN", "~", "100", "*", "f", "v"),
	} {
		b.Run(string(call[0]), func(b *testing.B) {
			m := machine.New(Parse)
			items := make([]machine.Item, 1)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				call[1] = strconv.AppendInt(call[1][:0], int64(i*7919%keys), 10)
				c, err := Resolve(call)
				if err != nil {
					b.Fatal(err)
				}
				op, err := c.Parse(call)
				if err != nil {
					b.Fatal(err)
				}
				items[0] = machine.Item{Op: op, Argv: call, Write: c.Flags&Write != 0}
				m.Apply(uint64(i), items, int64(1e12+i), uint64(i))
			}
		})
	}
}
