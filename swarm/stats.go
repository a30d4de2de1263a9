package swarm

import (
	"sync/atomic"
	"time"

	"p2pcp/swarm/wire"
)

// counters count content bytes, and in control all other bytes of sessions, both ways. Safe for concurrent use.
type counters struct {
	in, fromSeed, sent, discarded, bad, control atomic.Uint64
}

func (c *counters) received(seed bool, n uint32) {
	c.in.Add(uint64(n))
	if seed {
		c.fromSeed.Add(uint64(n))
	}
}

// Snapshot is the Swarm at one moment. Immutable.
type Snapshot struct {
	CoreStats
	Received, FromSeed, Sent uint64 // content bytes since the start
	Discarded                uint64 // of Received: nobody wanted them any more
	Control                  uint64 // bytes of sessions that are no content: frames' heads, Proofs, HAVE and so on, both ways
	Bad                      uint64 // Blocks that didn't verify
	DownRate, UpRate         uint64 // bytes a second, smoothed over a second or so
	At                       time.Time
	Moved                    time.Time          // when content came last; before that, of the start
	Steps                    [wire.Steps]uint32 // ms since the start until k/16 of the Blocks were held; 0: not yet
	baseIn, baseOut          uint64             // counters at At
}

// Stats is the newest Snapshot, at most 50 ms old; its counters are of this moment.
func (s *Swarm) Stats() Snapshot {
	n := *s.snap.Load()
	n.Received, n.FromSeed, n.Sent = s.count.in.Load(), s.count.fromSeed.Load(), s.count.sent.Load()
	n.Discarded, n.Control = s.count.discarded.Load(), s.count.control.Load()
	return n
}

// publish makes a new Snapshot; the loop's.
func (s *Swarm) publish() {
	last := s.snap.Load()
	n := &Snapshot{
		CoreStats: s.loop.core.Stats(),
		Received:  s.count.in.Load(), FromSeed: s.count.fromSeed.Load(), Sent: s.count.sent.Load(),
		Discarded: s.count.discarded.Load(), Bad: s.count.bad.Load(),
		At: time.Now(),
	}
	n.baseIn, n.baseOut = n.Received, n.Sent
	n.Moved, n.Steps = last.Moved, last.Steps
	if n.Received != last.baseIn || n.Moved.IsZero() {
		n.Moved = n.At
	}
	n.step(n.At.Sub(s.start))
	if dt := n.At.Sub(last.At).Seconds(); dt > 0 && !last.At.IsZero() {
		w := min(dt/1.5, 1)
		n.DownRate = smooth(last.DownRate, float64(n.Received-last.baseIn)/dt, w)
		n.UpRate = smooth(last.UpRate, float64(n.Sent-last.baseOut)/dt, w)
	}
	s.snap.Store(n)
}

func smooth(old uint64, now, w float64) uint64 {
	return uint64(float64(old)*(1-w) + now*w)
}

// report is our REPORT, with what flags ask for.
func (s *Swarm) report(flags byte) wire.Report {
	n := s.Stats()
	r := wire.Report{
		Member: s.cfg.Core.Self, Host: s.cfg.Host, Role: "get", State: n.stage(),
		BlocksHave: n.Have, Blocks: n.Wanted, DownRate: n.DownRate, UpRate: n.UpRate,
		Received: n.Received, Sent: n.Sent, FromSeed: n.FromSeed,
		RarestCopies: n.RarestCopies, RarestBlock: uint32(n.RarestIndex),
	}
	if s.cfg.Core.Seed {
		r.Role, r.State = "seed", "seeding"
	}
	if c := s.Content(); c != nil {
		r.Bytes = c.Header().Bytes
		if r.Blocks > 0 {
			r.BytesHave = uint64(float64(r.Bytes) * float64(r.BlocksHave) / float64(r.Blocks))
		}
	}
	s.mu.Lock()
	r.Sessions, r.Blamed = len(s.sessions), s.blameRows()
	for _, p := range s.peersLocked() {
		r.Members = append(r.Members, wire.ReportMember{Member: p.Member, Addr: p.Addr.String(), Seed: p.Seed})
	}
	s.mu.Unlock()
	if s.cfg.Ledger != nil {
		r.Ledger = s.cfg.Ledger()
	}
	s.account(&r, &n, flags)
	return r
}
