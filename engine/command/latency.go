package command

import "github.com/coffer-dev/coffer/engine/reply"

const latencyAdvice = "Latency events are not monitored here, and nothing needs to be set to see what takes long: SLOWLOG GET has the slow commands, and port 9090 the metrics.\n"

// Nothing has been sampled, ever: that is what these answer.
func init() {
	flags, categories := Admin|NoScript|Loading|Stale, "admin slow dangerous"
	nothing := func(Session, [][]byte) reply.Reply { return reply.Array() }
	register(container("latency", -2, 0, "slow",
		connection("latency|latest", 2, flags, categories, nothing),
		connection("latency|history", 3, flags, categories, nothing),
		connection("latency|histogram", -2, flags, categories, func(Session, [][]byte) reply.Reply { return reply.Map() }),
		connection("latency|reset", -2, flags, categories, func(Session, [][]byte) reply.Reply { return reply.Integer(0) }),
		connection("latency|graph", 3, flags, categories, func(_ Session, argv [][]byte) reply.Reply {
			return fail(errorf("ERR No samples available for event '%s'", cstring(argv[2])))
		}),
		connection("latency|doctor", 2, flags, categories, func(Session, [][]byte) reply.Reply { return reply.Verbatim(latencyAdvice) }),
		connection("latency|help", 2, Loading|Stale, "slow", help(
			"LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
			"DOCTOR",
			"    Return a human readable latency analysis report.",
			"GRAPH <event>",
			"    Return an ASCII latency graph for the <event> class.",
			"HISTORY <event>",
			"    Return time-latency samples for the <event> class.",
			"LATEST",
			"    Return the latest latency samples for all events.",
			"RESET [<event> ...]",
			"    Reset latency data of one or more <event> classes.",
			"    (default: reset all data for all event classes)",
			"HISTOGRAM [COMMAND ...]",
			"    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
			"    If no commands are specified then all histograms are replied.",
		)),
	).since7())
}
