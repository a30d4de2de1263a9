package cmd

import (
	"time"

	"p2pcp/seed"
	"p2pcp/swarm"
)

// lostAfter is how long a receiver that has begun may be neither in session with us nor in the gossip. The gossip itself tells of
// who dies in it; this is for who died before it was known there, and for networks that let no UDP through.
const lostAfter = 8 * time.Second

// absences notes since when receivers that have begun are nowhere to be seen. Not safe for concurrent use.
type absences map[string]time.Time

// look returns the members that have been away for too long, by who is present now.
func (a absences) look(now time.Time, begun []string, present map[string]bool) []string {
	var lost []string
	still := map[string]bool{}
	for _, member := range begun {
		if present[member] {
			continue
		}
		still[member] = true
		since, known := a[member]
		switch {
		case !known:
			a[member] = now
		case now.Sub(since) >= lostAfter:
			lost = append(lost, member)
		}
	}
	for member := range a {
		if !still[member] {
			delete(a, member)
		}
	}
	return lost
}

// noteLost puts into the Ledger who has vanished.
func (s *seedRun) noteLost(now time.Time, n swarm.Snapshot) {
	if s.ledger.Counts().Begun == 0 {
		return
	}
	present := map[string]bool{}
	for _, p := range n.Peers {
		present[p.Member] = true
	}
	if node := s.member.node.Load(); node != nil {
		for _, e := range node.Members() {
			present[e.Member] = true
		}
	}
	var begun []string
	for _, r := range s.ledger.Rows() {
		if r.State == seed.Begun {
			begun = append(begun, r.Member)
		}
	}
	for _, member := range s.away.look(now, begun, present) {
		s.ledger.Lost(member)
	}
}
