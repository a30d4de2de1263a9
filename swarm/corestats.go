package swarm

import (
	"time"

	"p2pcp/blocks"
)

// CoreStats is the core at one moment, a value of its own.
type CoreStats struct {
	Members      int          // known, ourselves included
	Receivers    int          // of them
	Sessions     int          // live
	Manifest     bool         // every Manifest Block is held
	Opened       bool         // the wanted Blocks are known
	Have         uint32       // wanted Blocks held
	Wanted       uint32       // the Manifest's alone until Opened
	Claims       uint32       // on our disk perhaps, not settled yet
	RarestIndex  blocks.Index // the wanted Block with the fewest copies
	RarestCopies int          // among ourselves and the peers in session
	Placed       bool         // the content lies under its name
	Lingering    bool         // complete, serving
	Done         bool
	Peers        []PeerStats
}

// PeerStats is one live session.
type PeerStats struct {
	Peer     PeerID
	Member   string
	Seed     bool
	Have     uint32        // Blocks it has announced
	Wanted   uint32        // Blocks it has in all, when complete
	In, Out  uint64        // content bytes
	Progress time.Duration // since the start: when content last moved either way
}

// Stats takes a snapshot. It looks at every Block: some 0.1 ms for 100,000.
func (c *Core) Stats() CoreStats {
	s := CoreStats{
		Members: 1, Sessions: len(c.peers), Opened: c.opened, Placed: c.placed && !c.cfg.Seed,
		Lingering: c.phase == staying || (c.phase >= draining && c.placed && !c.cfg.Seed), Done: c.phase == over,
	}
	if !c.cfg.Seed {
		s.Receivers = 1
	}
	for _, m := range c.members {
		if m.gone || m.banned {
			continue
		}
		s.Members++
		if !m.seed {
			s.Receivers++
		}
	}
	if c.n > 0 {
		s.Have, s.Wanted, s.Claims = c.wanted.Count()-c.missing, c.wanted.Count(), c.claims.Count()
		s.Manifest = c.opened || c.missing == 0
		s.RarestIndex, s.RarestCopies = c.rarest()
	}
	s.Peers = make([]PeerStats, 0, len(c.peers))
	for _, p := range c.peers {
		row := PeerStats{
			Peer: p.id, Member: p.m.name, Seed: p.seed, Wanted: s.Wanted,
			In: p.in, Out: p.out, Progress: p.progress,
		}
		if p.have != nil {
			row.Have = min(p.have.Count(), max(s.Wanted, 1))
		}
		s.Peers = append(s.Peers, row)
	}
	return s
}

// rarest finds the wanted Block with the fewest copies.
func (c *Core) rarest() (blocks.Index, int) {
	var rare blocks.Index
	copies := -1
	for i, ok := c.wanted.Next(0); ok; i, ok = c.wanted.Next(i + 1) {
		n := int(c.avail(i))
		if c.have.Has(i) {
			n++
		}
		if copies < 0 || n < copies {
			rare, copies = i, n
		}
	}
	return rare, max(copies, 0)
}

// stage names where we are, as in REPORT.
func (s CoreStats) stage() string {
	switch {
	case s.Lingering || s.Placed:
		return "linger"
	case !s.Opened:
		return "manifest"
	case s.Claims > 0:
		return "checking"
	default:
		return "getting"
	}
}
