package gossip

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	maxTargets = 256 // addresses kept to join; those that come later are ignored
	// joinsAtOnce are two, since one may refuse or hang. Each costs both sides the whole state: 90 KiB of 1000 members.
	joinsAtOnce = 2
	// inCompany is how long an address waits for the gossip to tell of it, while we are not alone, before it is joined. Nearly
	// always it does: of 1000 members each gives us 32 addresses, and to join them all cost 7 MiB a member, and 48 MiB the seed.
	inCompany = 700 * time.Millisecond
	// triesInCompany is how often an address that never worked is tried while we are not alone.
	triesInCompany = 4
	// aloneCheck is how often we look whether we have become alone.
	aloneCheck = 5 * time.Second

	// The first retries come fast: memberlist takes 127 exchanges of states at a time and closes the others.
	retryFirst = 200 * time.Millisecond // +-50 %
	retryMax   = 5 * time.Second        // with its jitter
)

// rejoins are when we exchange states with random members after we found company: it brings 1000 members to 99 % of the view in
// 3 s instead of 24.
func rejoins() []time.Duration {
	return []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second}
}

// Join adds addresses to try, those that can't be dialed and our own left out. Run races them with backoff, joins random members
// at 1, 2 and 4 s after the first success, and tries all addresses again whenever we are alone. One that worked and is given again is
// tried again if nobody there is in our view: two halves of a network that was cut for long know nothing of each other any more.
func (n *Node) Join(addrs []netip.AddrPort) { n.targets.add(addrs, n.table.has) }

// target is an address to join.
type target struct {
	addr   netip.AddrPort
	added  time.Time
	tries  int       // in a row, without company coming of it
	next   time.Time // not tried before
	joined bool      // or in our view already
	busy   bool      // a join is under way
}

// targets are the addresses that Join was given. Safe for concurrent use.
type targets struct {
	own  netip.AddrPort
	wake chan struct{} // capacity 1: something was added, or a join has ended

	mu  sync.Mutex
	all []*target
}

func newTargets(own netip.AddrPort) *targets {
	return &targets{own: own, wake: make(chan struct{}, 1)}
}

// add takes addresses; inView tells whether a living member is at one.
func (t *targets) add(addrs []netip.AddrPort, inView func(netip.AddrPort) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range addrs {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		known := slices.IndexFunc(t.all, func(o *target) bool { return o.addr == a })
		if known >= 0 && t.all[known].joined && !inView(a) {
			o := t.all[known]
			o.joined, o.tries, o.next, o.added = false, 0, time.Time{}, time.Now()
		}
		if known >= 0 || a == t.own || !dialable(a) || len(t.all) >= maxTargets {
			continue
		}
		t.all = append(t.all, &target{addr: a, added: time.Now()})
	}
	t.kick()
}

// begin makes the addresses that were added before the gossip ran as fresh as those that are added now.
func (t *targets) begin(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.all {
		o.added = now
	}
}

func (t *targets) kick() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// take returns what to try now, marked busy: when alone anything, otherwise what isn't in our view, hasn't worked yet nor failed too
// often. next is when to ask again, if that is before later.
func (j *joiner) take(now time.Time, alone bool, later time.Time) (due []*target, next time.Time) {
	t := j.n.targets
	t.mu.Lock()
	defer t.mu.Unlock()
	room := joinsAtOnce
	for _, o := range t.all {
		if o.busy {
			room--
		}
	}
	next = later
	for _, i := range j.rng.Perm(len(t.all)) {
		o := t.all[i]
		at := o.next
		if !alone {
			if rested := o.added.Add(inCompany); rested.After(at) {
				at = rested
			}
		}
		switch {
		case o.busy, !alone && (o.joined || o.tries >= triesInCompany):
		case now.Before(at):
			if at.Before(next) {
				next = at
			}
		case !alone && j.n.table.has(o.addr):
			o.joined = true
		case room > 0:
			room--
			o.busy = true
			due = append(due, o)
		}
	}
	return due, next
}

// done takes the outcome of a join; pause is what to wait before the next.
func (t *targets) done(o *target, err error, pause time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o.busy = false
	o.joined = o.joined || err == nil
	o.tries++
	o.next = time.Now().Add(pause)
	t.kick()
}

// rest makes those that worked ready to be tried at once, should we be alone again.
func (t *targets) rest() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.all {
		if o.joined {
			o.tries, o.next = 0, time.Time{}
		}
	}
}

// joiner is the state of Run's joining goroutine, and only its own.
type joiner struct {
	n      *Node
	list   *memberlist.Memberlist
	rng    *rand.Rand
	joins  sync.WaitGroup
	social bool        // we had company in the last round
	due    []time.Time // of the rejoins to come, in order
}

// run joins until ctx ends. Joins under way end by the transport's Shutdown, so it returns after that.
func (j *joiner) run(ctx context.Context) {
	defer j.joins.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	j.n.targets.begin(time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.n.targets.wake:
		case <-timer.C:
		}
		timer.Reset(j.round(time.Now()))
	}
}

// round starts what is due and tells when to look again.
func (j *joiner) round(now time.Time) time.Duration {
	alone := j.n.table.count() == 0
	if !alone && !j.social {
		j.due = nil
		for _, d := range rejoins() {
			j.due = append(j.due, now.Add(d+j.jitter(d/5)))
		}
		j.n.targets.rest()
	}
	j.social = !alone
	due, next := j.take(now, alone, now.Add(aloneCheck))
	for _, o := range due {
		// Tries of one target come after 200 ms, 400 ms and so on, +-50 %.
		pause := min(retryFirst<<min(o.tries, 8), retryMax*2/3)
		pause = pause/2 + j.jitter(pause)
		j.joins.Go(func() { j.n.targets.done(o, j.join(o.addr), pause) })
	}
	for len(j.due) > 0 && !j.due[0].After(now) {
		j.due = j.due[1:]
		j.rejoin()
	}
	if len(j.due) > 0 && j.due[0].Before(next) {
		next = j.due[0]
	}
	return next.Sub(now)
}

// rejoin exchanges states with a random member.
func (j *joiner) rejoin() {
	view := j.n.table.view()
	if len(view) == 0 {
		return
	}
	to := view[j.rng.IntN(len(view))].Addr
	j.joins.Go(func() { _ = j.join(to) })
}

// join exchanges states with who is at addr. memberlist is given nothing but an address: in a name it would look for a host.
func (j *joiner) join(addr netip.AddrPort) error {
	_, err := j.list.Join([]string{addr.String()})
	return err
}

// jitter is a random duration in [0, d).
func (j *joiner) jitter(d time.Duration) time.Duration { return time.Duration(j.rng.Int64N(int64(d))) }
