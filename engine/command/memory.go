package command

import (
	"fmt"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// Memory is what MEMORY STATS and DOCTOR tell of, in bytes but for Keys.
type Memory struct {
	Used, Clients, Data, Limit int64 // Limit of the data; 0 for none
	Keys                       int64
	Percent                    float64 // that the data are of what is used
}

func init() {
	register(container("memory", -2, 0, "slow",
		row("memory|usage", -3, ReadOnly, place{2, 2, 1}.to(ro), "read slow", parseMemoryUsage),
		connection("memory|stats", 2, 0, "slow", memoryStats).tip(tipVaries, tipAllShards, tipMerged),
		connection("memory|purge", 2, 0, "slow", func(Session, [][]byte) reply.Reply { return reply.OK }).tip(tipAllShards, tipAllSucceeded), // what is not used goes back by itself
		connection("memory|doctor", 2, 0, "slow", memoryDoctor).tip(tipVaries, tipAllShards, tipMerged),
		connection("memory|help", 2, Loading|Stale, "slow", help(
			"MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
			"DOCTOR",
			"    Return memory problems reports.",
			"PURGE",
			"    Attempt to purge dirty pages for reclamation by the allocator.",
			"STATS",
			"    Return information about the memory usage of the server.",
			"USAGE <key> [SAMPLES <count>]",
			"    Return memory in bytes used by <key> and its value. Nested values are",
			"    sampled up to <count> times (default: 5, 0 means sample all).",
		)),
	).since7())
}

// parseMemoryUsage checks how many nested values are to be sampled; they are all
// counted already.
func parseMemoryUsage(argv [][]byte) (machine.Op, error) {
	for i := 3; i < len(argv); i += 2 {
		if !is(argv[i], "SAMPLES") || i+1 == len(argv) {
			return nil, errSyntax
		}
		n, err := integer(argv[i+1])
		if err != nil {
			return nil, err
		}
		if n < 0 {
			return nil, errSyntax
		}
	}
	return argvOp{argv, memoryUsage}, nil
}

// memoryUsage answers what the key counts for in the memory that the data take.
func memoryUsage(tx *machine.Tx, argv [][]byte) reply.Reply {
	size, found := tx.Store.SizeOf(argv[2], tx.Now)
	if !found {
		return reply.Null
	}
	return reply.Integer(size)
}

func memoryStats(s Session, _ [][]byte) reply.Reply {
	m := s.Memory()
	var each int64
	if m.Keys > 0 {
		each = m.Data / m.Keys
	}
	return reply.Map(
		reply.BulkString("total.allocated"), reply.Integer(m.Used),
		reply.BulkString("clients.normal"), reply.Integer(m.Clients),
		reply.BulkString("keys.count"), reply.Integer(m.Keys),
		reply.BulkString("keys.bytes-per-key"), reply.Integer(each),
		reply.BulkString("dataset.bytes"), reply.Integer(m.Data),
		reply.BulkString("dataset.percentage"), reply.Double(m.Percent),
	)
}

func memoryDoctor(s Session, _ [][]byte) reply.Reply {
	const much = 90 // % of the limit
	m := s.Memory()
	text := fmt.Sprintf("Nothing is wrong: the data take %d bytes, and may take as much as there is.\n", m.Data)
	switch {
	case m.Limit > 0 && m.Data/much*100 >= m.Limit:
		text = fmt.Sprintf("The data take %d bytes of %d: beyond that, what needs memory is refused with OOM. Set spec.resources.limits.memory of the KVDatabase higher, or delete keys.\n", m.Data, m.Limit)
	case m.Limit > 0:
		text = fmt.Sprintf("Nothing is wrong: the data take %d bytes of %d.\n", m.Data, m.Limit)
	}
	return reply.Verbatim(text)
}
