package cmd

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// hostStatus is one host and target: what a seed's Ledger has of it, and what it says itself if it answers.
type hostStatus struct {
	Member   string  `json:"member"`
	Host     string  `json:"host"`
	Address  string  `json:"address,omitempty"` // where it answers; empty: it doesn't
	Source   string  `json:"source,omitempty"`  // the address that a seed saw
	Target   string  `json:"target,omitempty"`  // where the content goes
	State    string  `json:"state"`             // begun, changed, unchanged, failed, lost; manifest, checking, getting, stalled, linger; silent
	Done     float64 `json:"done"`              // 0 to 1
	DownRate uint64  `json:"down_rate"`         // bytes per second
	UpRate   uint64  `json:"up_rate"`
	Received uint64  `json:"received"` // bytes of content
	Sent     uint64  `json:"sent"`
	FromSeed uint64  `json:"from_seed"` // of received
	Sessions int     `json:"sessions"`
	Seconds  float64 `json:"seconds"` // it took, once it is over
	Code     int     `json:"code"`    // exit code, once it is over
	Note     string  `json:"note,omitempty"`
}

// seedStatus is one seed that answers.
type seedStatus struct {
	Member   string `json:"member"`
	Host     string `json:"host"`
	Address  string `json:"address"`
	UpRate   uint64 `json:"up_rate"`
	Sent     uint64 `json:"sent"`
	Sessions int    `json:"sessions"`
}

// statusMessage is the swarm in JSON. Names are stable, new ones may come.
type statusMessage struct {
	Type         string       `json:"message_type"` // status; verdict at wait's end
	ID           string       `json:"id"`
	Name         string       `json:"name,omitempty"` // not fetched if that is costly
	Bytes        uint64       `json:"bytes"`
	Known        int          `json:"hosts_known"`
	Done         int          `json:"hosts_done"`
	Failed       int          `json:"hosts_failed"`
	Lost         int          `json:"hosts_lost"`
	Stalled      int          `json:"hosts_stalled"`  // under way, and nothing comes
	Silent       int          `json:"hosts_silent"`   // under way, and they don't answer
	DownRate     uint64       `json:"down_rate"`      // of all hosts
	Egress       *float64     `json:"egress_copies"`  // sent by the seeds; null: none answers
	RarestCopies *int         `json:"rarest_copies"`  // of the rarest block, at least; null: not known
	RarestBlock  *uint32      `json:"rarest_block"`   // its index
	Seeds        []seedStatus `json:"seeds"`          // that answer
	Hosts        []hostStatus `json:"hosts"`          // receivers
	Code         int          `json:"code,omitempty"` // of a verdict: the worst

	Blamed []blamedStatus `json:"blamed,omitempty"` // who was caught misbehaving
}

// stalledAfter is how long a host may get nothing before it counts as standing still: 1 MiB at 100 KB/s.
const stalledAfter = 10 * time.Second

// mergeSurvey makes one picture of what the members of a swarm tell.
func mergeSurvey(id blocks.Root, s survey) statusMessage {
	m := statusMessage{Type: "status", ID: id.String(), Seeds: []seedStatus{}}
	var rows ledgerRows
	var sent uint64
	for _, seen := range s.members {
		r := &seen.report
		m.Bytes = max(m.Bytes, r.Bytes)
		m.rarest(r)
		if r.Role != "seed" {
			continue
		}
		sent += r.Sent
		m.Seeds = append(m.Seeds, seedStatus{seen.member, r.Host, seen.addr.String(), r.UpRate, r.Sent, r.Sessions})
		for _, row := range r.Ledger {
			rows.add(row)
		}
	}
	hosts := rows.hosts
	live := map[string]int{} // the row of each member
	for i := range hosts {
		live[hosts[i].Member] = i
	}
	find := func(member string) *hostStatus {
		i, ok := live[member]
		if !ok {
			i = len(hosts)
			live[member] = i
			hosts = append(hosts, hostStatus{Member: member, Host: hostOf(member)})
		}
		return &hosts[i]
	}
	for _, seen := range s.members {
		if seen.report.Role != "seed" {
			h := find(seen.member)
			h.answers(seen.addr, &seen.report)
			m.DownRate += h.DownRate
		}
	}
	for _, silent := range s.silent {
		if h := find(silent.member); h.State == "" && !silent.seed {
			h.State = "silent"
		}
	}
	m.Hosts = slices.DeleteFunc(hosts, func(h hostStatus) bool { return h.State == "" }) // seeds that don't answer
	m.blame(s)
	m.finish(s.content, sent, s.partial)
	return m
}

// rarest keeps the best bound on the copies of the rarest block. Each member counts the copies that it and its neighbors
// hold, of every block: there are at least as many in the whole swarm, so the highest of all counts is the closest.
func (m *statusMessage) rarest(r *wire.Report) {
	if r.Blocks == 0 || r.State == "manifest" || (m.RarestCopies != nil && *m.RarestCopies >= r.RarestCopies) {
		return
	}
	m.RarestCopies, m.RarestBlock = &r.RarestCopies, &r.RarestBlock
}

// finish adds what follows from the rows, and notes. In a partial survey silence means nothing.
func (m *statusMessage) finish(c *blocks.Content, sent uint64, partial bool) {
	copySize := m.Bytes
	if c != nil {
		m.Name, m.Bytes, copySize = c.Manifest().Name, c.Header().Bytes, contentCopy(c)
	}
	if len(m.Seeds) > 0 {
		copies := math.Round(1000*float64(sent)/float64(max(copySize, 1))) / 1000
		m.Egress = &copies
	}
	named := map[string]int{}
	for i := range m.Hosts {
		named[m.Hosts[i].Host]++
	}
	for i := range m.Hosts {
		h := &m.Hosts[i]
		if h.Address == "" && !h.complete() { // how far it was when it ended
			h.Done = min(1, float64(h.Received)/float64(max(copySize, 1)))
		}
		switch {
		case h.Note != "":
		case !partial && (h.State == "silent" || h.State == "begun" && h.Address == ""):
			h.Note = "doesn't answer from here"
		case h.State == "getting" && h.Sessions == 0:
			h.Note = "no peer"
		case named[h.Host] > 1:
			h.Note = h.Target
		}
	}
	m.recount()
	slices.SortStableFunc(m.Hosts, func(a, b hostStatus) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Member, b.Member))
	})
}

// contentCopy is the bytes that one receiver fetches: all but what is zero or there twice, and the Manifest.
func contentCopy(c *blocks.Content) uint64 {
	layout, wanted := c.Layout(), c.Layout().Wanted()
	n := c.Header().ManifestSize
	for i, ok := wanted.Next(0); ok; i, ok = wanted.Next(i + 1) {
		n += uint64(layout.Len(i))
	}
	return n
}

// ledgerRows are the rows of all seeds' Ledgers, each (host, source, target) once.
type ledgerRows struct {
	hosts []hostStatus
	at    map[[3]string]int
}

// add merges a row. Seeds may have it from different times: what is complete stays so, and what is under way or over by itself
// counts more than what a seed lost sight of.
func (l *ledgerRows) add(r wire.LedgerRow) {
	h := hostStatus{
		Member: r.Member, Host: r.Host, Source: r.Source, Target: r.Target, State: r.State, Received: r.Bytes,
		Seconds: float64(r.Millis) / 1000, Code: r.Code, Note: r.Reason,
	}
	if h.complete() {
		h.Done = 1
	}
	key := [3]string{r.Host, r.Source, r.Target}
	i, ok := l.at[key]
	switch {
	case !ok:
		if l.at == nil {
			l.at = map[[3]string]int{}
		}
		l.at[key] = len(l.hosts)
		l.hosts = append(l.hosts, h)
	case h.weight() > l.hosts[i].weight():
		l.hosts[i] = h
	}
}

func (h *hostStatus) weight() int {
	return slices.Index([]string{"lost", "failed", "begun", "unchanged", "changed"}, h.State)
}

func (h *hostStatus) complete() bool { return (&fleetRow{State: h.State}).complete() }

// answers adds what a receiver says of itself. The Ledger's verdict stays, unless the seed took it for dead.
func (h *hostStatus) answers(addr netip.AddrPort, r *wire.Report) {
	h.Address, h.Host = addr.String(), r.Host
	h.DownRate, h.UpRate, h.FromSeed, h.Sent, h.Sessions = r.DownRate, r.UpRate, r.FromSeed, r.Sent, r.Sessions
	h.Received = r.Received
	switch h.State {
	case "", "begun", "lost":
		h.State, h.Seconds, h.Code, h.Note = r.State, 0, 0, ""
		if idle := time.Duration(min(r.Idle, 1<<40)) * time.Millisecond; r.State == "getting" && idle >= stalledAfter {
			h.State, h.Note = "stalled", "no block for "+formatLeft(idle)
			if r.Sessions == 0 {
				h.Note += ", no peer"
			}
		}
	}
	switch {
	case h.complete():
		h.Done, h.DownRate = 1, 0 // what is told is smoothed, and dies away later
	case r.State != "manifest" && r.Blocks > 0:
		h.Done = min(1, float64(r.BlocksHave)/float64(r.Blocks))
	}
}

// key is what makes a row of a Ledger.
func (h *hostStatus) key() [3]string { return [3]string{h.Host, h.Source, h.Target} }

// over tells whether nothing more is to come.
func (h *hostStatus) over() bool { return (&fleetRow{State: h.State}).class() != rowUnderWay }

// recount makes the sums anew.
func (m *statusMessage) recount() {
	counts := countFleet(m.fleet())
	m.Known, m.Done, m.Failed, m.Lost, m.Stalled = counts.Known, counts.Done, counts.Failed, counts.Lost, counts.Stalled
	m.Silent = counts.Silent
}
