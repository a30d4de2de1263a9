package cmd

import (
	"sync"
	"time"

	"p2pcp/seed"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"
)

// course is a seed's record of a transfer, for its account: what each receiver told of its own course, and samples of what the seed
// saw, at most wire.MaxHistory of them whatever the time. Safe for concurrent use.
type course struct {
	mu      sync.Mutex
	begun   time.Time // of the seed
	traces  map[string]*wire.Trace
	order   []string // members in the order in which they came
	samples []wire.Sample
	period  time.Duration // between two samples
	last    time.Time     // of the last one
}

func newCourse(now time.Time) *course {
	return &course{begun: now, traces: map[string]*wire.Trace{}, period: lookPeriod}
}

// told takes a receiver's RESULT. Beyond wire.MaxTraces members nobody new is noted.
func (c *course) told(now time.Time, r wire.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.traces[r.Member]
	if t == nil {
		if len(c.order) == wire.MaxTraces {
			return
		}
		t = &wire.Trace{Member: r.Member}
		c.traces[r.Member] = t
		c.order = append(c.order, r.Member)
	}
	start := now.Sub(c.begun) - time.Duration(min(r.Millis, 1<<40))*time.Millisecond
	t.Start = uint64(max(0, start.Milliseconds()))
	t.Steps, t.From = reached(r.Steps), r.From
}

// reached is steps without those that weren't.
func reached(steps [wire.Steps]uint32) []uint32 {
	for k, ms := range steps {
		if ms == 0 {
			return steps[:k]
		}
	}
	return steps[:]
}

// look takes a sample, if it is time for one and somebody has begun. end takes one in any case.
func (c *course) look(now time.Time, n swarm.Snapshot, counts seed.Counts, end bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if counts.Known == 0 || now.Sub(c.last) < c.period-lookPeriod/2 && !end {
		return
	}
	c.last = now
	if len(c.samples) == wire.MaxHistory {
		for i := range wire.MaxHistory / 2 {
			c.samples[i] = c.samples[2*i]
		}
		c.samples, c.period = c.samples[:wire.MaxHistory/2], 2*c.period
	}
	c.samples = append(c.samples, wire.Sample{
		Millis: uint64(max(0, now.Sub(c.begun).Milliseconds())), Sent: n.Sent, Known: counts.Known, Done: counts.Changed + counts.Unchanged,
		Ended: counts.Failed + counts.Lost, Copies: n.RarestCopies,
	})
}

// account is what a REPORT gets.
func (c *course) account() ([]wire.Trace, []wire.Sample) {
	c.mu.Lock()
	defer c.mu.Unlock()
	traces := make([]wire.Trace, len(c.order))
	for i, member := range c.order {
		traces[i] = *c.traces[member]
	}
	return traces, append([]wire.Sample(nil), c.samples...)
}

// tellCourse gives the account at a seed's end: to --report's file, and with --json to stdout.
func (s *seedRun) tellCourse() {
	a := s.app
	if s.flags.report == "" && (!a.json || a.detached() != nil) {
		return
	}
	n, now := s.member.swarm.Stats(), time.Now()
	s.course.look(now, n, s.ledger.Counts(), true)
	r := wire.Report{
		Host: hostName(), Role: "seed", State: "seeding", Sent: n.Sent, Ledger: s.ledgerRows(),
		Age: uint64(max(0, now.Sub(s.course.begun).Milliseconds())),
	}
	r.Traces, r.History = s.course.account()
	self := survey{members: []sighting{{member: s.member.cfg.swarm.Core.Self, report: r}}, content: s.source.Content(), partial: true}
	m := accountOf(mergeSurvey(s.ticket.ID, self), self)
	if a.json && a.detached() == nil {
		_ = a.result("", m) // a failure sticks in the stream
	}
	if s.flags.report != "" {
		if err := a.writeReport(s.flags.report, m); err != nil {
			a.warn("%v", err)
		}
	}
}
