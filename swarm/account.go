package swarm

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"p2pcp/swarm/wire"
)

// maxFeeders is the most members whose bytes are counted each by itself.
const maxFeeders = 4096

// feeder is the counter of what a member has sent us, kept beyond its sessions; s.mu is held.
func (s *Swarm) feeder(member string) *atomic.Uint64 {
	if s.fed == nil {
		s.fed = map[string]*atomic.Uint64{}
	}
	n := s.fed[member]
	if n == nil {
		if n = new(atomic.Uint64); len(s.fed) < maxFeeders {
			s.fed[member] = n
		}
	}
	return n
}

// Sources are the members that have sent content, those that sent most first, wire.MaxSources at most.
func (s *Swarm) Sources() []wire.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []wire.Source
	for member, n := range s.fed {
		if bytes := n.Load(); bytes > 0 {
			list = append(list, wire.Source{Member: member, Bytes: bytes})
		}
	}
	slices.SortFunc(list, func(a, b wire.Source) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Member, b.Member))
	})
	return list[:min(len(list), wire.MaxSources)]
}

// step notes when the next part of the Blocks is held; the time is at least 1 ms.
func (n *Snapshot) step(since time.Duration) {
	if !n.Opened || n.Wanted == 0 {
		return
	}
	ms := uint32(max(1, min(since.Milliseconds(), 1<<32-1)))
	for k := range n.Have * wire.Steps / n.Wanted {
		if n.Steps[k] == 0 {
			n.Steps[k] = ms
		}
	}
}

// account adds to a REPORT how it came so far.
func (s *Swarm) account(r *wire.Report, n *Snapshot, flags byte) {
	r.Age = uint64(max(0, time.Since(s.start).Milliseconds()))
	if s.cfg.Core.Seed {
		if flags&wire.WithAccount != 0 && s.cfg.Account != nil {
			r.Traces, r.History = s.cfg.Account()
		}
		return
	}
	if n.Opened && n.Have < n.Wanted {
		r.Idle = uint64(max(0, time.Since(n.Moved).Milliseconds()))
	}
	if flags&wire.WithAccount == 0 {
		return
	}
	r.From = s.Sources()
	for _, ms := range n.Steps {
		if ms == 0 {
			break
		}
		r.Steps = append(r.Steps, ms)
	}
}
