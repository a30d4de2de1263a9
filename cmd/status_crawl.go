package cmd

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"
)

// Limits of a survey.
const (
	surveyAtOnce  = 128                    // members that are asked at a time
	surveyMember  = 2 * time.Second        // for a member that another one named
	surveyGrace   = 500 * time.Millisecond // for the ticket's other addresses, once somebody has answered
	surveyAddrs   = 4096                   // addresses that are dialed at most: whoever has the key may name any
	surveyPerName = 3                      // addresses that are tried for one member
	cheapManifest = 256 << 10              // bytes: fetched only to show the name
)

// sighting is a member that answered.
type sighting struct {
	addr   netip.AddrPort // that we dialed
	member string
	report wire.Report
}

// silentMember was named by another one and didn't answer.
type silentMember struct {
	member string
	addr   netip.AddrPort
	seed   bool
}

// survey is a swarm at one moment, as its members tell.
type survey struct {
	members []sighting     // by name
	silent  []silentMember // by name
	content *blocks.Content
	partial bool // only the first addresses and seeds were asked
}

// crawler makes surveys. Not safe for concurrent use.
type crawler struct {
	look    func(ctx context.Context, addr netip.AddrPort) (sighting, error)
	content *contentOnce
	keep    *keeper
	// patience bounds a whole look, of which what answers later profits in the next; 0: until all have answered or failed.
	patience time.Duration
	account  bool // asks for the course of the transfer too
	seeds    bool // asks of those who are named only the seeds
}

// newCrawler makes one that asks as an observer.
func newCrawler(o *observed) *crawler {
	d, name, once := dialer{o.secrets}, memberName(), &contentOnce{}
	c := &crawler{content: once, keep: &keeper{open: map[netip.AddrPort]*swarm.Observer{}}}
	c.keep.dial = func(ctx context.Context, addr netip.AddrPort) (*swarm.Observer, error) {
		return swarm.Observe(ctx, d, addr, o.ticket.ID, name)
	}
	c.look = func(ctx context.Context, addr netip.AddrPort) (s sighting, err error) {
		ask := func(seen *swarm.Observer) (err error) {
			s.addr, s.member = addr, seen.Member()
			if c.account {
				s.report, err = seen.Account()
			} else {
				s.report, err = seen.Report()
			}
			if err == nil {
				once.fetch(seen)
			}
			return err
		}
		if c.patience > 0 {
			err = c.keep.use(ctx, addr, ask)
			return s, err
		}
		seen, err := c.keep.dial(ctx, addr)
		if err != nil {
			return s, err
		}
		defer seen.Close()
		err = ask(seen)
		return s, err
	}
	return c
}

// surveyTarget is an address to be asked.
type surveyTarget struct {
	addr   netip.AddrPort
	member string // who is said to be there; empty: an address of the ticket
}

// surveyed is what came of one.
type surveyed struct {
	surveyTarget
	seen sighting
	err  error
}

// surveyRound is one survey under way.
type surveyRound struct {
	queue  []surveyTarget
	asked  map[netip.AddrPort]bool
	seen   map[string]bool          // members that answered
	named  map[string]*silentMember // members that others named
	tries  map[string]int           // addresses of each that were queued
	result survey
	worst  error // why no address of the ticket answered
	seeds  bool  // as crawler's
}

// survey asks boot, then every member that those who answer name, and so on. The error is why nobody answered.
func (c *crawler) survey(ctx context.Context, boot []netip.AddrPort) (survey, error) {
	r := surveyRound{
		asked: map[netip.AddrPort]bool{}, seen: map[string]bool{}, named: map[string]*silentMember{}, tries: map[string]int{},
		seeds: c.seeds,
	}
	for _, addr := range boot {
		r.add(surveyTarget{addr: addr})
	}
	r.run(ctx, c.patience, c.look)
	if ctx.Err() != nil {
		return survey{}, context.Cause(ctx)
	}
	if len(r.result.members) == 0 {
		return survey{}, nobody(r.worst)
	}
	r.result.content = c.content.get()
	return r.finish(), nil
}

// run asks until the queue is empty, or for patience, if that isn't 0. It alone touches the round; its goroutines have ended when it
// returns, or end soon, when patience has.
func (r *surveyRound) run(ctx context.Context, patience time.Duration, look func(context.Context, netip.AddrPort) (sighting, error)) {
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results, left := make(chan surveyed), make(chan struct{})
	defer close(left)
	var late, grace <-chan time.Time
	if patience > 0 {
		late = time.After(patience)
	}
	booting := 0 // of the running ones, addresses of the ticket
	for running := 0; ; {
		for running < surveyAtOnce {
			t, ok := r.next()
			if !ok {
				break
			}
			running++
			if t.member == "" {
				booting++
			}
			asked := ctx
			if patience > 0 && t.member != "" {
				asked = outer // what comes late is kept
			}
			go func() {
				select {
				case results <- lookAt(asked, t, look):
				case <-left:
				}
			}()
		}
		switch {
		case running == 0:
			return
		case running > booting || len(r.seen) == 0:
			grace = nil
		case grace == nil:
			// A ticket names several addresses of one seed, and some of them may never answer from here.
			grace = time.After(surveyGrace)
		}
		select {
		case s := <-results:
			running--
			if s.member == "" {
				booting--
			}
			if ctx.Err() == nil {
				r.took(s)
			}
		case <-grace:
			cancel()
		case <-late:
			if len(r.seen) > 0 {
				return
			}
			late = nil // nobody yet: as long as it takes
		}
	}
}

func lookAt(ctx context.Context, t surveyTarget, look func(context.Context, netip.AddrPort) (sighting, error)) surveyed {
	if t.member != "" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, surveyMember)
		defer cancel()
	}
	seen, err := look(ctx, t.addr)
	return surveyed{t, seen, err}
}

// add queues an address, once.
func (r *surveyRound) add(t surveyTarget) {
	if !r.asked[t.addr] && len(r.asked) < surveyAddrs {
		r.asked[t.addr] = true
		r.queue = append(r.queue, t)
	}
}

// next takes an address from the queue whose member hasn't answered at another one.
func (r *surveyRound) next() (surveyTarget, bool) {
	for len(r.queue) > 0 {
		t := r.queue[0]
		r.queue = r.queue[1:]
		if !r.seen[t.member] {
			return t, true
		}
	}
	return surveyTarget{}, false
}

// took notes an answer and queues whom it names.
func (r *surveyRound) took(s surveyed) {
	if s.err != nil {
		if s.member == "" {
			r.worst = tellsMore(r.worst, s.err)
		}
		return
	}
	if r.seen[s.seen.member] {
		return
	}
	r.seen[s.seen.member] = true
	r.result.members = append(r.result.members, s.seen)
	for _, m := range s.seen.report.Members {
		addr, err := netip.ParseAddrPort(m.Addr)
		if err != nil || addr.Port() == 0 || m.Member == "" || r.seen[m.Member] || r.seeds && !m.Seed {
			continue
		}
		if r.named[m.Member] == nil {
			r.named[m.Member] = &silentMember{m.Member, addr, m.Seed}
		}
		if r.tries[m.Member] < surveyPerName && !r.asked[addr] {
			r.tries[m.Member]++
			r.add(surveyTarget{addr, m.Member})
		}
	}
}

// finish is the survey, ordered.
func (r *surveyRound) finish() survey {
	s := r.result
	s.partial = r.seeds
	slices.SortFunc(s.members, func(a, b sighting) int { return strings.Compare(a.member, b.member) })
	for name, m := range r.named {
		if !r.seen[name] {
			s.silent = append(s.silent, *m)
		}
	}
	slices.SortFunc(s.silent, func(a, b silentMember) int { return strings.Compare(a.member, b.member) })
	return s
}
