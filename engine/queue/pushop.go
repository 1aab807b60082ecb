package queue

// Push adds jobs: all of them, or none and Err says why. With Err nil,
// Result has as many elements as Jobs.
type Push struct {
	growth
	Jobs   []NewJob
	Result []Pushed
}

// Append implements Op.
func (op *Push) Append(dst []byte) []byte { return appendOp(dst, codePush, op) }

func (op *Push) fields(c *codec) { newJobs(c, &op.Jobs, MaxBatch) }

// Flow adds a parent and its children at once. The parent is Blocked until all
// children are completed; a child that fails for good, or is removed before it
// is completed, fails the parent.
type Flow struct {
	growth
	Parent   NewJob
	Children []NewJob

	Result         Pushed // the parent
	ResultChildren []Pushed
}

// Append implements Op.
func (op *Flow) Append(dst []byte) []byte { return appendOp(dst, codeFlow, op) }

func (op *Flow) fields(c *codec) {
	op.Parent.fields(c, "")
	newJobs(c, &op.Children, MaxChildren)
}

func newJobs(c *codec, jobs *[]NewJob, limit int) {
	queue := ""
	list(c, jobs, limit, 3, func(j *NewJob) {
		j.fields(c, queue)
		queue = j.Queue
	})
}

// What of a NewJob is in the log, beside queue and data, is said by a mask.
const (
	hasPriority = 1 << iota
	hasDelay
	hasTTL
	hasTimeout
	hasStallTimeout
	hasMaxAttempts
	hasBackoff
	hasUniqueKey
	hasDebounceID
	hasDebounceTTL
	hasCustomID
	hasGroupID
	hasDependsOn
	hasTags
	isLIFO
	isRemoveOnComplete
	isRemoveOnFail
	hasKeepAge
	hasKeepCount
	maskEnd
)

func (j *NewJob) mask() uint64 {
	return is(j.Priority != 0, hasPriority) | is(j.Delay != 0, hasDelay) | is(j.TTL != 0, hasTTL) | is(j.Timeout != 0, hasTimeout) |
		is(j.StallTimeout != 0, hasStallTimeout) | is(j.MaxAttempts != 0, hasMaxAttempts) | is(j.Backoff != 0, hasBackoff) |
		is(j.UniqueKey != "", hasUniqueKey) | is(j.DebounceID != "", hasDebounceID) | is(j.DebounceTTL != 0, hasDebounceTTL) |
		is(j.CustomID != "", hasCustomID) | is(j.GroupID != "", hasGroupID) | is(len(j.DependsOn) > 0, hasDependsOn) |
		is(len(j.Tags) > 0, hasTags) | is(j.LIFO, isLIFO) | is(j.RemoveOnComplete, isRemoveOnComplete) |
		is(j.RemoveOnFail, isRemoveOnFail) | is(j.KeepAge != 0, hasKeepAge) | is(j.KeepCount != 0, hasKeepCount)
}

func is(so bool, bit uint64) uint64 {
	if so {
		return bit
	}
	return 0
}

// fields are the job's; the queue is left out when it is that of the one before.
func (j *NewJob) fields(c *codec, before string) {
	name := j.Queue
	if name == before {
		name = ""
	}
	c.string(&name, MaxQueueName)
	if c.reading {
		if j.Queue = name; name == "" {
			j.Queue = before
		}
	}
	c.bytes(&j.Data, MaxData)
	j.options(c)
}

// options are all that is not queue and data.
func (j *NewJob) options(c *codec) {
	mask := uint64(0)
	if !c.reading {
		mask = j.mask()
	}
	c.uint(&mask)
	if mask >= maskEnd {
		c.fail("unknown options")
	}
	if mask == 0 || c.err != nil {
		return
	}
	has := func(bit uint64) bool { return mask&bit != 0 }
	number := func(bit uint64, v *int64) {
		if has(bit) {
			c.int(v)
		}
	}
	small := func(bit uint64, v *int32) {
		if has(bit) {
			c.int32(v)
		}
	}
	text := func(bit uint64, v *string) {
		if has(bit) {
			c.string(v, MaxKey)
		}
	}
	small(hasPriority, &j.Priority)
	number(hasDelay, &j.Delay)
	number(hasTTL, &j.TTL)
	number(hasTimeout, &j.Timeout)
	number(hasStallTimeout, &j.StallTimeout)
	small(hasMaxAttempts, &j.MaxAttempts)
	number(hasBackoff, &j.Backoff)
	text(hasUniqueKey, &j.UniqueKey)
	text(hasDebounceID, &j.DebounceID)
	number(hasDebounceTTL, &j.DebounceTTL)
	text(hasCustomID, &j.CustomID)
	text(hasGroupID, &j.GroupID)
	if has(hasDependsOn) {
		c.uints(&j.DependsOn, MaxDepends)
	}
	if has(hasTags) {
		c.strings(&j.Tags, MaxTags, MaxTag)
	}
	j.LIFO, j.RemoveOnComplete, j.RemoveOnFail = has(isLIFO), has(isRemoveOnComplete), has(isRemoveOnFail)
	number(hasKeepAge, &j.KeepAge)
	small(hasKeepCount, &j.KeepCount)
}
