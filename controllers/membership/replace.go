package membership

// NextToReplace is the act that brings outdated pods further to what is wanted:
// one pod at a time, followers first, and the leader once it has handed on the
// leadership. Every step waits until all other voters have everything and serve,
// so that each write has a majority at any time. Without a leader nobody is
// replaced, but for pods that do not run at all.
func NextToReplace(o Observed) *Act {
	m := machine{o}
	for _, x := range o.Members {
		if x.Pod.Leaving {
			return nil
		}
	}
	if x := first(o.Members, func(x Member) bool { return x.Pod.Outdated && x.Pod.Down }); x != nil {
		return replace(x)
	}
	leader, g := m.group()
	switch {
	case leader == nil:
		return nil
	case g == nil: // alone as yet: there is nobody to hand on to
		return replace(first(o.Members, func(x Member) bool { return x.Pod.Outdated }))
	case g.Changing:
		return nil
	}
	c := change{machine: m, leader: leader, g: g}
	if x := first(o.Members, func(x Member) bool { return x.Pod.Outdated && !c.votes(x) }); x != nil {
		return replace(x)
	}
	return c.nextVoter()
}

// nextVoter is the first outdated follower without which every other voter is
// healthy; then the leader's turn comes.
func (c *change) nextVoter() *Act {
	for _, x := range c.g.Members {
		if !x.Voter && live(c.leader, x) && c.wanted(x.Name) {
			return nil // it will have caught up in a moment, and is one more who can lead
		}
	}
	follower := first(c.o.Members, func(x Member) bool { return x.Ordinal != c.leader.Ordinal && x.Pod.Outdated && c.spare(x) })
	switch {
	case follower != nil:
		return replace(follower)
	case !c.leader.Pod.Outdated:
		return nil
	case len(c.g.Members) == 1:
		return replace(c.leader)
	case !c.spare(*c.leader):
		return nil
	}
	return c.transfer(c.best(), "%s leads from now on, as pod %s is to be replaced", c.leader.Name)
}

func (c *change) votes(x Member) bool {
	known := entry(c.g, x.Name)
	return known != nil && known.Voter
}

// spare says whether a voter can be without for a while: all others are healthy,
// and they are a quorum. It itself may be what is wrong.
func (c *change) spare(one Member) bool {
	voters, others := 0, 0
	for _, x := range c.g.Members {
		if !x.Voter {
			continue
		}
		voters++
		if x.Name == one.Name {
			continue
		}
		if !c.healthy(c.leader, x) {
			return false
		}
		others++
	}
	return others > voters/2
}

func first(members []Member, is func(Member) bool) *Member {
	for i := range members {
		if is(members[i]) {
			return &members[i]
		}
	}
	return nil
}

// replace nobody where there is nobody.
func replace(x *Member) *Act {
	if x == nil {
		return nil
	}
	return &Act{Kind: Replace, Ordinal: x.Ordinal}
}
