package swarm

import (
	"fmt"

	"p2pcp/blocks"
)

// checkCore recomputes everything that the core keeps count of, in the dumbest way, and says what differs.
func checkCore(c *Core) error {
	if c.n == 0 {
		return nil
	}
	avail, recv := make([]uint16, c.n), make([]uint16, c.n)
	flight, late, under := make([]uint8, c.n), make([]uint8, c.n), make([]uint8, c.n)
	uploads, asks := 0, 0
	for at, p := range c.peers {
		if p.at != at || c.ids[at] != p.id || c.seeds.has(at) != p.seed || c.owing.has(at) != (len(p.reqs) > 0) || c.sending.has(at) != (len(p.sends) > 0) {
			return fmt.Errorf("peer %d is at %d, and there is %d", p.id, p.at, c.ids[at])
		}
		interest := uint32(0)
		for i := range c.n {
			if p.have.Has(blocks.Index(i)) {
				avail[i]++
				if !p.seed {
					recv[i]++
				}
				if c.pick.has(blocks.Index(i)) {
					interest++
				}
			}
		}
		if interest != c.interest[at] {
			return fmt.Errorf("peer %d: interest %d, counted %d", p.id, c.interest[at], interest)
		}
		if err := checkPeer(c, p, flight, late); err != nil {
			return err
		}
		asks += len(p.reqs)
		uploads += len(p.sends)
		for _, s := range p.sends {
			under[s.index]++
		}
		for _, w := range p.waits {
			under[w.index]++
		}
	}
	for _, l := range [2]*peerList{&c.refused, &c.woken} {
		set := peerSet(0)
		for _, at := range l.order {
			set.put(int(at), true)
		}
		if set != l.set || len(l.order) != int(set.count()) {
			return fmt.Errorf("list %v: %b", l.order, l.set)
		}
	}
	if asks != c.asks {
		return fmt.Errorf("%d requests, counted %d", asks, c.asks)
	}
	if uploads != c.uploads {
		return fmt.Errorf("uploads %d, counted %d", c.uploads, uploads)
	}
	if c.sated && !c.hasEnough() {
		return fmt.Errorf("sated, but not so")
	}
	if err := checkZones(c); err != nil {
		return err
	}
	return checkBlocks(c, avail, recv, flight, late, under)
}

func checkPeer(c *Core, p *peer, flight, late []uint8) error {
	owed, seen := 0, map[blocks.Index]bool{}
	for _, r := range p.reqs {
		flight[r.index]++
		if r.late {
			late[r.index]++
		}
		if r.late != (p.overdue && !r.arrived) && p.overdue {
			return fmt.Errorf("peer %d overdue, request %d late %v", p.id, r.index, r.late)
		}
		if seen[r.index] {
			return fmt.Errorf("peer %d owes block %d twice", p.id, r.index)
		}
		seen[r.index] = true
		if !r.granted && !r.arrived {
			owed++
		}
		if c.have.Has(r.index) {
			return fmt.Errorf("peer %d: request for block %d that is held", p.id, r.index)
		}
		if c.claims.Has(r.index) {
			return fmt.Errorf("peer %d: request for claimed block %d", p.id, r.index)
		}
	}
	if owed > c.cfg.Depth+2 {
		return fmt.Errorf("peer %d: %d requests outstanding", p.id, owed)
	}
	if p.overdue && !p.owes() {
		return fmt.Errorf("peer %d is overdue and owes nothing", p.id)
	}
	return nil
}

func checkBlocks(c *Core, avail, recv []uint16, flight, late, under []uint8) error {
	missing, members := uint32(0), uint32(0)
	for n := range c.n {
		i := blocks.Index(n)
		if avail[n] != c.avail(i) || recv[n] != c.recv(i) {
			return fmt.Errorf("block %d: avail %d recv %d, counted %d %d", n, c.avail(i), c.recv(i), avail[n], recv[n])
		}
		if flight[n] != c.rows[n].flight || late[n] != c.rows[n].late {
			return fmt.Errorf("block %d: flight %d late %d, counted %d %d", n, c.rows[n].flight, c.rows[n].late, flight[n], late[n])
		}
		if c.wanted.Has(i) && !c.have.Has(i) {
			missing++
		}
		in := c.wanted.Has(i) && !c.have.Has(i) && !c.claims.Has(i) && flight[n] == late[n] && !c.placed && c.near(i)
		if c.cfg.Seed {
			in = c.have.Has(i) && (spreadAmong(c, i, recv[n]) == 0 || c.doubts(i)) && under[n] == 0
			if c.push.under[n] != under[n] {
				return fmt.Errorf("block %d: under %d, counted %d", n, c.push.under[n], under[n])
			}
		}
		if in != c.pick.has(i) {
			return fmt.Errorf("block %d: in the picker %v, should be %v", n, !in, in)
		}
		if in {
			members++
		}
		if !c.cfg.Seed && c.zones == nil && c.rows[n].rank != avail[n] {
			return fmt.Errorf("block %d: rank %d, counted %d", n, c.rows[n].rank, avail[n])
		}
	}
	if !c.cfg.Seed && missing != c.missing {
		return fmt.Errorf("missing %d, counted %d", c.missing, missing)
	}
	if members != c.pick.count() {
		return fmt.Errorf("picker has %d members, counted %d", c.pick.count(), members)
	}
	return checkPicker(&c.pick)
}

// checkPicker checks the picker's own order.
func checkPicker(p *picker) error {
	for at, i := range p.order {
		if p.rows[i].pos != uint32(at) {
			return fmt.Errorf("picker: block %d is at %d, said to be at %d", i, at, p.rows[i].pos)
		}
		r := maxRank
		if p.has(blocks.Index(i)) {
			r = clampRank(p.rows[i].rank)
		}
		low, high := p.start[r], uint32(len(p.order))
		if r < maxRank {
			high = p.start[r+1]
		}
		if uint32(at) < low || uint32(at) >= high {
			return fmt.Errorf("picker: block %d of rank %d at %d, outside %d..%d", i, r, at, low, high)
		}
	}
	return nil
}
