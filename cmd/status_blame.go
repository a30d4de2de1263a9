package cmd

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"p2pcp/swarm/wire"
)

// blamedStatus is a member that others caught misbehaving. Any member can say so of any other: Tellers is how many do.
type blamedStatus struct {
	Member  string `json:"member,omitempty"` // empty: several names
	Source  string `json:"source"`           // the address it came from; empty: it is the gossip
	Why     string `json:"why"`
	Tellers int    `json:"tellers"`
	Banned  int    `json:"banned"` // of the tellers, who refuse it

	vouched bool // a seed tells it
}

const (
	maxBlamed  = 256 // rows of a status
	showBlamed = 4   // of them, in the table
)

// blame merges what the members tell. Anybody may tell of many, so what a seed tells comes first, and then what most do.
func (m *statusMessage) blame(s survey) {
	at := map[[2]string]int{}
	for _, seen := range s.members {
		told := map[[2]string]bool{} // a member tells of another once
		for _, b := range seen.report.Blamed {
			key := [2]string{b.Member, b.Source}
			if told[key] {
				continue
			}
			told[key] = true
			i, ok := at[key]
			if !ok {
				i = len(m.Blamed)
				at[key] = i
				m.Blamed = append(m.Blamed, blamedStatus{Member: b.Member, Source: b.Source})
			}
			m.Blamed[i].tell(b, seen.report.Role == "seed")
		}
	}
	slices.SortStableFunc(m.Blamed, func(a, b blamedStatus) int {
		if a.vouched != b.vouched {
			if a.vouched {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Tellers, a.Tellers), cmp.Compare(a.Member, b.Member), cmp.Compare(a.Source, b.Source))
	})
	m.Blamed = m.Blamed[:min(len(m.Blamed), maxBlamed)]
}

func (b *blamedStatus) tell(r wire.ReportBlame, seed bool) {
	if seed || !b.vouched {
		b.Why, b.vouched = r.Why, seed
	}
	b.Tellers++
	if r.Banned {
		b.Banned++
	}
}

// blameLines are for below the table.
func (m *statusMessage) blameLines() []string {
	var lines []string
	for _, b := range m.Blamed[:min(len(m.Blamed), showBlamed)] {
		name := b.Member
		if name == "" {
			name = "several names"
		}
		if name = quoteName(name); b.Source != "" {
			name += " from " + quoteName(b.Source)
		}
		lines = append(lines, fmt.Sprintf("misbehaves: %s: %s (%d tell, %d banned it)", name, quoteMessage(b.Why), b.Tellers, b.Banned))
	}
	if more := len(m.Blamed) - showBlamed; more > 0 {
		lines = append(lines, fmt.Sprintf("misbehave: %d more", more))
	}
	return lines
}

// distrust takes what calls itself a seed at another address than those that we were told for an ordinary member: its Ledger could say
// anything.
func (s *survey) distrust(addrs []netip.AddrPort) {
	for i := range s.members {
		m := &s.members[i]
		told := slices.ContainsFunc(addrs, func(a netip.AddrPort) bool { return a.Addr().Unmap() == m.addr.Addr().Unmap() })
		if m.report.Role == "seed" && !told {
			m.report.Role, m.report.State, m.report.Ledger = "get", "linger", nil
		}
	}
}
