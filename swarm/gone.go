package swarm

// Members that are gone, and those that are forgotten to make room.

func (c *Core) memberGone(ev Event) {
	m := c.byName[ev.Member]
	if m == nil || !c.mayBury(m, ev) {
		return
	}
	if m.dialing && m.other.IsValid() { // where we dialled: it may be where another one told
		c.dialFailed(ev.Member)
		return
	}
	c.bury(m)
}

// bury takes a member for gone.
func (c *Core) bury(m *member) {
	m.gone = true
	c.leave(m)
	c.rankMate(m, false)
	c.undial(m)
	if m.sessions == 0 && !m.banned {
		c.removeMember(m)
	}
}

// forgetMember makes room for another one: it forgets a member without a session that could not be reached, or anyone without
// a session for one that has come. False if there is none among the few that it looks at.
func (c *Core) forgetMember(any bool) bool {
	off := c.rng.IntN(len(c.members))
	for k := range min(len(c.members), forgetLook) {
		m := c.members[(k+off)%len(c.members)]
		if m.sessions == 0 && !m.dialing && !m.banned && (any || m.fails >= forgetFails) {
			c.removeMember(m)
			return true
		}
	}
	return false
}

func (c *Core) removeMember(m *member) {
	m.untell()
	c.leave(m)
	delete(c.byName, m.name)
	c.rankMate(m, false)
	for k, o := range c.members {
		if o == m {
			last := len(c.members) - 1
			c.members[k] = c.members[last]
			c.members = c.members[:last]
			return
		}
	}
}
