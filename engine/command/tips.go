package command

// The tips that COMMAND gives to clients
// (https://redis.io/docs/latest/develop/reference/command-tips/): of answers that
// are not always the same for the same data,
const (
	tipVaries    = "nondeterministic_output"
	tipUnordered = "nondeterministic_output_order"
)

// and those which are for clients of a cluster, that no database here is: whom to
// ask, and what to make of several answers. They are redis-server's, as the clients
// are that look at them.
const (
	tipAllNodes   = "request_policy:all_nodes"
	tipAllShards  = "request_policy:all_shards"
	tipMultiShard = "request_policy:multi_shard" // each that has one of the keys
	tipRouted     = "request_policy:special"

	tipAllSucceeded = "response_policy:all_succeeded"
	tipOneSucceeded = "response_policy:one_succeeded"
	tipAll          = "response_policy:agg_logical_and"
	tipSum          = "response_policy:agg_sum"
	tipLeast        = "response_policy:agg_min"
	tipMerged       = "response_policy:special"
)

// tip has COMMAND give those.
func (c *Command) tip(tips ...string) *Command {
	c.tips = tips
	return c
}
