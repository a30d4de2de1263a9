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
	maxTargets  = 256 // addresses kept to join; those that come later are ignored
	joinsAtOnce = 8   // a ticket's addresses are raced
	// triesInCompany is how often an address that never worked is tried while we are not alone.
	triesInCompany = 4
	// aloneCheck is how often we look whether we have become alone.
	aloneCheck = 5 * time.Second

	// The first retries come fast: memberlist takes 127 exchanges of states at a time and closes the others.
	retryFirst = 200 * time.Millisecond // +-50 %
	retryMax   = 5 * time.Second
)

// rejoins are when we exchange states with random members after we found company: it brings 1000 members to 99 % of the view in
// 3 s instead of 24.
func rejoins() []time.Duration {
	return []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second}
}

// Join adds addresses to try, those that can't be dialed and our own left out. Run races them with backoff, joins random members
// at 1, 2 and 4 s after the first success, and tries all addresses again whenever we are alone.
func (n *Node) Join(addrs []netip.AddrPort) { n.targets.add(addrs) }

// target is an address to join.
type target struct {
	addr   netip.AddrPort
	tries  int // since it was added or we were alone
	joined bool
	busy   bool // a join is under way
}

// targets are the addresses that Join was given. Safe for concurrent use.
type targets struct {
	own  netip.AddrPort
	wake chan struct{} // capacity 1: something was added, or a join has worked

	mu    sync.Mutex
	all   []*target
	fresh bool // added since the last take
}

func newTargets(own netip.AddrPort) *targets {
	return &targets{own: own, wake: make(chan struct{}, 1)}
}

func (t *targets) add(addrs []netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range addrs {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		known := slices.ContainsFunc(t.all, func(o *target) bool { return o.addr == a })
		if known || a == t.own || !dialable(a) || len(t.all) >= maxTargets {
			continue
		}
		t.all = append(t.all, &target{addr: a})
		t.fresh = true
	}
	t.kick()
}

func (t *targets) kick() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// take returns what to try now, marked busy: when alone anything, otherwise what hasn't worked yet nor failed too often; while
// waiting nothing, unless something was added since the last take, which fresh tells.
func (t *targets) take(alone, waiting bool, rng *rand.Rand) (due []*target, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh, t.fresh = t.fresh, false
	if waiting && !fresh {
		return nil, false
	}
	room := joinsAtOnce
	for _, o := range t.all {
		if o.busy {
			room--
		}
	}
	for _, i := range rng.Perm(len(t.all)) {
		o := t.all[i]
		if room <= 0 {
			break
		}
		if o.busy || !alone && (o.joined || o.tries >= triesInCompany) {
			continue
		}
		o.busy = true
		due = append(due, o)
		room--
	}
	return due, fresh
}

// done takes the outcome of a join.
func (t *targets) done(o *target, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o.busy = false
	o.tries++
	if err == nil {
		o.joined, o.tries = true, 0
		t.kick()
	}
}

// joiner is the state of Run's joining goroutine, and only its own.
type joiner struct {
	n      *Node
	list   *memberlist.Memberlist
	rng    *rand.Rand
	joins  sync.WaitGroup
	delay  time.Duration // before the next round of tries; 0: retryFirst
	social bool          // we had company in the last round
	due    []time.Time   // of the rejoins to come, in order
	retry  time.Time     // no try of a target before
}

// run joins until ctx ends. Joins under way end by the transport's Shutdown, so it returns after that.
func (j *joiner) run(ctx context.Context) {
	defer j.joins.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
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
		j.delay = 0
	}
	j.social = !alone
	j.tryTargets(now, alone)
	for len(j.due) > 0 && !j.due[0].After(now) {
		j.due = j.due[1:]
		j.rejoin()
	}
	next := now.Add(aloneCheck)
	if j.retry.After(now) && j.retry.Before(next) {
		next = j.retry
	}
	if len(j.due) > 0 && j.due[0].Before(next) {
		next = j.due[0]
	}
	return next.Sub(now)
}

// tryTargets starts joins of targets, unless the last try was too short ago; new ones don't wait.
func (j *joiner) tryTargets(now time.Time, alone bool) {
	waiting := now.Before(j.retry)
	due, fresh := j.n.targets.take(alone, waiting, j.rng)
	if waiting && !fresh {
		return
	}
	if fresh || j.delay == 0 {
		j.delay = retryFirst
	}
	if len(due) == 0 && !alone {
		return
	}
	j.retry = now.Add(j.delay/2 + j.jitter(j.delay))
	j.delay = min(2*j.delay, retryMax*2/3) // with its jitter at most retryMax
	for _, o := range due {
		j.joins.Go(func() { j.n.targets.done(o, j.join(o.addr)) })
	}
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
