package cmd

import (
	"sync"
	"time"

	"p2pcp/seed"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"
)

// ledgerRows is the Ledger for a REPORT.
func (s *seedRun) ledgerRows() []wire.LedgerRow {
	rows := s.ledger.Rows()
	out := make([]wire.LedgerRow, len(rows))
	for i, r := range rows {
		out[i] = wire.LedgerRow{
			Member: r.Member, Host: r.Host, Source: r.Source.String(), Target: r.Target, State: r.State.String(),
			Code: int(r.Code), Reason: r.Reason, Bytes: r.Bytes, Millis: r.Millis,
		}
		if !r.State.Complete() { // who died without a word has told no bytes
			p := s.rates.of(r.Member)
			out[i].Bytes = max(r.Bytes, uint64(p.done*float64(s.oneCopy)))
			if r.State == seed.Lost { // nor when
				out[i].Millis = max(r.Millis, uint64(max(0, p.met.Sub(p.begun).Milliseconds())))
			}
		}
	}
	return out
}

// fleet is what the live display pulls: the Ledger, with the progress of those that we have a session with.
func (s *seedRun) fleet() (fleetHeader, []fleetRow) {
	n, now := s.member.swarm.Stats(), time.Now()
	c := s.source.Content()
	h := fleetHeader{
		ID: s.ticket.ID.Short(), Name: s.flags.name, Size: c.Header().Bytes, Expect: s.flags.expect,
		Rate: float64(n.UpRate), RateOf: "up", Sent: float64(n.Sent) / float64(max(s.oneCopy, 1)), Rarest: -1,
	}
	s.rates.update(now, n, s.oneCopy)
	var rows []fleetRow
	known := map[string]bool{}
	for _, r := range s.ledger.Rows() {
		known[r.Member] = true
		row := fleetRow{
			Host: r.Host, State: r.State.String(), Bytes: r.Bytes, Seconds: float64(r.Millis) / 1000, Code: int(r.Code),
			Note: r.Reason,
		}
		p := s.rates.of(r.Member)
		switch {
		case r.State.Complete():
			row.Done = 1
		case r.State == seed.Begun:
			row.Done, row.Rate, row.Seconds = p.done, p.rate, now.Sub(p.begun).Seconds()
		default:
			row.Done = max(p.done, min(1, float64(r.Bytes)/float64(max(s.oneCopy, 1))))
		}
		rows = append(rows, row)
	}
	for member, p := range s.rates.forget(known) {
		rows = append(rows, fleetRow{Host: hostOf(member), State: "manifest", Done: p.done, Rate: p.rate, Seconds: now.Sub(p.begun).Seconds()})
	}
	return h, rows
}

// hostOf is the host part of a member name.
func hostOf(member string) string { return member[:max(0, len(member)-9)] }

// rowRates remembers how far each receiver is, and makes rates of it. Safe for concurrent use.
type rowRates struct {
	mu   sync.Mutex
	last map[string]*peerRate // by member
}

// peerRate is one receiver's progress.
type peerRate struct {
	meter   meter
	begun   time.Time
	done    float64   // 0 to 1, at last sight
	rate    uint64    // bytes per second; 0 where there is no session
	seen    bool      // in session now
	met     time.Time // when it was last
	joining bool      // was incomplete when it was first seen
}

// begin notes when a receiver began, before its first update or after.
func (r *rowRates) begin(member string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entry(member, at)
}

// entry finds or makes a receiver's; the lock is held.
func (r *rowRates) entry(member string, at time.Time) *peerRate {
	p := r.last[member]
	if p == nil {
		if r.last == nil {
			r.last = map[string]*peerRate{}
		}
		p = &peerRate{begun: at}
		r.last[member] = p
	}
	return p
}

// update takes the sessions of now; a copy has size bytes.
func (r *rowRates) update(now time.Time, n swarm.Snapshot, size uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.last {
		p.seen, p.rate = false, 0
	}
	for _, peer := range n.Peers {
		if peer.Seed || peer.Wanted == 0 {
			continue
		}
		p := r.entry(peer.Member, now)
		p.done, p.seen = min(1, float64(peer.Have)/float64(peer.Wanted)), true
		p.met = now
		p.joining = p.joining || peer.Have < peer.Wanted
		p.meter.update(now, uint64(p.done*float64(size)))
		p.rate = uint64(p.meter.rate())
	}
}

// of is what is known of a receiver.
func (r *rowRates) of(member string) peerRate {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.last[member]; p != nil {
		return *p
	}
	return peerRate{begun: time.Now()}
}

// forget returns the receivers that known lacks and that are joining, and drops those of them that are gone.
func (r *rowRates) forget(known map[string]bool) map[string]peerRate {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]peerRate{}
	for member, p := range r.last {
		switch {
		case known[member]:
		case !p.seen:
			delete(r.last, member)
		case p.joining:
			out[member] = *p
		}
	}
	return out
}
