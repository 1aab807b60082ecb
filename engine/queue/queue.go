package queue

// queue is one queue: its jobs by their states, and what bounds their pulls.
type queue struct {
	serial   uint64 // its name in snapshots
	name     string
	declared *QueueSettings // nil when it is not
	closed   bool           // was declared, and is not any more
	purging  bool           // its jobs are on their way out
	paused   bool

	rate        RateLimit // set by a client; Max 0 for not
	concurrency int64     // likewise
	window      window

	ready     *tree // Waiting, byRank
	held      *tree // Waiting behind another one of their group, byGroup
	delayed   *tree // byTime
	active    *tree // byID
	blocked   *tree // byID
	completed *tree // byTime
	kept      int64 // bytes of completed
	failed    *tree // byTime

	groups map[string]*job // the one of each group that is ready or active
	unique map[string]*job // unfinished ones by their unique keys

	pushed, totalCompleted, totalFailed int64

	alarms [alarmPurge + 1]int64 // when they are set for, by kind
	dirty  bool                  // is in Queues.dirty
	shared *terms                // of the latest push
}

func newQueue(name string, serial uint64) *queue {
	return &queue{
		name: name, serial: serial,
		ready: newTree(byRank), held: newTree(byGroup), delayed: newTree(byTime), active: newTree(byID), blocked: newTree(byID),
		completed: newTree(byTime), failed: newTree(byTime),
		groups: map[string]*job{}, unique: map[string]*job{},
	}
}

// share is the terms, those of the push before where they are the same.
func (qu *queue) share(t terms) *terms {
	if qu.shared == nil || *qu.shared != t {
		qu.shared = &t
	}
	return qu.shared
}

func (qu *queue) waiting() int64 { return int64(qu.ready.Len() + qu.held.Len()) }

// unstarted is what MaxWaiting bounds.
func (qu *queue) unstarted() int64 {
	return qu.waiting() + int64(qu.delayed.Len()+qu.blocked.Len())
}

// holds is how many jobs somebody still has to look after.
func (qu *queue) holds() int64 { return qu.unstarted() + int64(qu.active.Len()+qu.failed.Len()) }

func (qu *queue) empty() bool { return qu.holds() == 0 && qu.completed.Len() == 0 }

// tree is where jobs of a state are; Waiting ones that are held are elsewhere.
func (qu *queue) tree(s State) *tree {
	return [...]*tree{Waiting: qu.ready, Delayed: qu.delayed, Active: qu.active, Blocked: qu.blocked, Completed: qu.completed, Failed: qu.failed}[s]
}

func (qu *queue) maxAttempts(j *job) int32 {
	n := j.terms.maxAttempts
	if n == Unset && qu.declared != nil {
		n = qu.declared.Retries.MaxAttempts
	}
	if n == Unset {
		n = DefaultAttempts
	}
	return n // below 0: without limit
}

// firstBackoff is the one before the second attempt; None for none.
func (qu *queue) firstBackoff(j *job) int64 {
	delay := j.terms.backoff
	if delay == Unset && qu.declared != nil {
		delay = qu.declared.Retries.Delay
	}
	if delay == Unset {
		delay = DefaultBackoff
	}
	return delay
}

// backoff is how long to wait before the next attempt, of which some have
// failed; the last quarter of it is by chance, so that jobs which failed
// together are not tried together.
func (qu *queue) backoff(j *job, seed uint64) int64 {
	delay := qu.firstBackoff(j)
	if delay == None {
		return 0
	}
	if qu.declared == nil || qu.declared.Retries.Backoff != BackoffFixed {
		delay <<= min(max(int(j.attempts)-1, 0), MaxBackoffExponent)
	}
	if jitter := delay / 4; jitter > 0 {
		delay += int64(mix(seed^mix(j.id)) % uint64(jitter))
	}
	return min(delay, MaxDuration)
}

func (qu *queue) lease(j *job, asked int64) int64 {
	switch {
	case asked > 0:
		return asked
	case j.terms.stall > 0:
		return j.terms.stall
	case qu.declared != nil && qu.declared.Lease > 0:
		return qu.declared.Lease
	}
	return DefaultLease
}

// keep is how long and how many finished jobs of a state are kept.
func (qu *queue) keep(s State) Keep {
	k := Keep{}
	if qu.declared != nil && s == Completed {
		k = qu.declared.Retention.Completed
	} else if qu.declared != nil {
		k = qu.declared.Retention.Failed
	}
	if k.MaxCount == 0 && k.MaxAge == 0 && s == Completed {
		k.MaxCount = DefaultKeepCompleted
	}
	return k
}

// mix is the finalizer of SplitMix64.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
