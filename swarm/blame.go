package swarm

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"p2pcp/swarm/wire"
)

// Limits of what is held against others.
const (
	maxBlamed    = 64 // rows
	maxNames     = 4  // rows of one source under a name; more names of it share one
	maxMisdeeds  = 5  // breaches of the protocol that ban
	maxBanned    = 3  // names that ban their source
	maxBans      = 4096
	blameShorten = 200 // bytes of a reason
)

// misdeeds are what a member at a source did against the rules.
type misdeeds struct {
	why   string // the last
	count int
	ban   bool
	at    time.Time
}

var errWrongNodes = errors.New("wrong tree nodes")

// gravity is how much a misdeed counts.
type gravity uint8

const (
	innocent gravity = iota // none
	mishap                  // may be no ill will
	breach                  // of the protocol: maxMisdeeds of them ban
	outrage                 // bans at once
)

// gravityOf is what a session's end says against the other side.
func gravityOf(err error) gravity {
	switch {
	case errors.Is(err, errProtocol), errors.Is(err, wire.ErrProtocol), errors.Is(err, errWrongNodes):
		return breach
	case errors.Is(err, errUnread):
		return mishap
	default:
		return innocent
	}
}

// blame notes what a member did: for REPORT, and at -v. Too often, and it is banned.
func (s *Swarm) blame(who suspect, why string, g gravity) {
	if g == innocent {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.misdeedsOf(who)
	if m == nil { // too many to keep
		m = &misdeeds{count: 2}
	}
	m.why, m.at = why[:min(len(why), blameShorten)], time.Now()
	m.count++
	ban := g == outrage || (g == breach && m.count >= maxMisdeeds)
	if ban {
		m.ban = true
		s.ban(who)
	}
	if m.count&(m.count-1) == 0 || ban { // a flood of misdeeds is no flood of lines
		s.cfg.Log.Info("a member misbehaves", "peer", who.name, "from", who.from(), "why", m.why, "times", m.count, "banned", m.ban)
	}
}

// from is the source as text; empty: the gossip.
func (who suspect) from() string {
	if !who.source.IsValid() {
		return ""
	}
	return who.source.String()
}

// misdeedsOf finds or makes the row of a suspect; s.mu is held. Nil: there are too many.
func (s *Swarm) misdeedsOf(who suspect) *misdeeds {
	if m := s.blamed[who]; m != nil {
		return m
	}
	names := 0
	for k := range s.blamed {
		if k.source == who.source {
			names++
		}
	}
	if names >= maxNames {
		who.name = ""
		if m := s.blamed[who]; m != nil {
			return m
		}
	}
	if len(s.blamed) >= maxBlamed {
		return nil
	}
	m := &misdeeds{}
	s.blamed[who] = m
	return m
}

// ban refuses a suspect from now on, and after maxBanned names their source; s.mu is held. A name alone is nobody's: whoever has the
// key may use it.
func (s *Swarm) ban(who suspect) {
	if s.banned[who] || len(s.banned) >= maxBans {
		return
	}
	s.banned[who] = true
	s.bans[who.source]++
}

// isBanned tells whether a suspect is refused; s.mu is held. Processes of our own host aren't refused for each other.
func (s *Swarm) isBanned(who suspect) bool {
	return s.banned[who] || (s.bans[who.source] >= maxBanned && !who.source.IsLoopback())
}

// blameRows are the misdeeds for a REPORT, the worst first; s.mu is held.
func (s *Swarm) blameRows() []wire.ReportBlame {
	var rows []wire.ReportBlame
	for k, m := range s.blamed {
		rows = append(rows, wire.ReportBlame{Member: k.name, Source: k.from(), Why: m.why, Count: m.count, Banned: m.ban})
	}
	slices.SortFunc(rows, func(a, b wire.ReportBlame) int { return b.Count - a.Count })
	return rows
}

// vouched tells whether who is at an address may be a seed: it is one of those that we were told to begin with. Anybody can say that
// it is one, and results, and the search for a seed, end with it.
func (s *Swarm) vouched(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return len(s.cfg.Bootstrap) == 0 || slices.ContainsFunc(s.cfg.Bootstrap, func(b netip.AddrPort) bool {
		return b.Addr().Unmap().WithZone("") == a
	})
}
