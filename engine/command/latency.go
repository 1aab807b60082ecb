package command

import "github.com/coffer-dev/coffer/engine/reply"

const latencyAdvice = "Latency events are not monitored here, and nothing needs to be set to see what takes long: SLOWLOG GET has the slow commands, and port 9090 the metrics.\n"

// Events are not sampled: that is what these answer, but for LATENCY HISTOGRAM.
func init() {
	flags, categories := Admin|NoScript|Loading|Stale, "admin slow dangerous"
	nothing := func(Session, [][]byte) reply.Reply { return reply.Array() }
	register(container("latency", -2, 0, "slow",
		connection("latency|latest", 2, flags, categories, nothing).tip(tipVaries, tipAllNodes, tipMerged),
		connection("latency|history", 3, flags, categories, nothing).tip(tipVaries, tipAllNodes, tipMerged),
		connection("latency|histogram", -2, flags, categories, latencyHistogram).tip(tipVaries, tipAllNodes, tipMerged),
		connection("latency|reset", -2, flags, categories, func(Session, [][]byte) reply.Reply { return reply.Integer(0) }).tip(tipAllNodes, tipAllSucceeded),
		connection("latency|graph", 3, flags, categories, func(_ Session, argv [][]byte) reply.Reply {
			return fail(errorf("ERR No samples available for event '%s'", cstring(argv[2])))
		}).tip(tipVaries, tipAllNodes, tipMerged),
		connection("latency|doctor", 2, flags, categories, func(Session, [][]byte) reply.Reply { return reply.Verbatim(latencyAdvice) }).tip(tipVaries, tipAllNodes, tipMerged),
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

// latencyHistogram answers for all commands, or those that are named: of a container,
// for its subcommands. One that was not called is left out.
func latencyHistogram(s Session, argv [][]byte) reply.Reply {
	asked := All()
	if len(argv) > 2 {
		asked = nil
		for _, name := range argv[2:] {
			if c := find(name); c != nil {
				asked = append(asked, c)
			}
		}
	}
	pairs := []reply.Reply{}
	for _, c := range asked {
		for _, each := range append([]*Command{c}, c.Subcommands...) {
			if steps := s.Slowness().Latencies(each); len(steps) > 0 {
				pairs = append(pairs, reply.BulkString(each.Name), distribution(steps))
			}
		}
	}
	return reply.Map(pairs...)
}

func distribution(steps []Cumulated) reply.Reply {
	pairs := []reply.Reply{}
	for _, step := range steps {
		pairs = append(pairs, reply.Integer(step.Micros), reply.Integer(step.Calls))
	}
	return reply.Map(
		reply.BulkString("calls"), reply.Integer(steps[len(steps)-1].Calls),
		reply.BulkString("histogram_usec"), reply.Map(pairs...),
	)
}
