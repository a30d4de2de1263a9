package swarm

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"p2pcp/blocks"
)

// Thousands of nodes are simulated in shards, side by side: each runs its own nodes' events for a while, and all of them stop together
// when the flows are shared out anew. What one node tells another takes longer than that, so that meanwhile no shard needs another one's; what
// concerns both at once, as a new session, waits for the stop. The number of shards isn't the machine's: a run replays from its seed
// number anywhere.

const simShards = 2

// simShared is what the shards of a simulation have in common.
type simShared struct {
	shards  []*sim
	stopped bool // none runs: each may touch everything. Always, where there is one
}

// simPost is what a shard has for another one: a message, or if that is nil a HAVE for the ears of p.to.
type simPost struct {
	when  time.Duration
	msg   *simMsg
	pipe  *simPipe
	index blocks.Index
}

// simTurn is a Block that begins to flow, or for x ends before it has arrived.
type simTurn struct {
	pipe *simPipe
	end  *simXfer
	when time.Duration
}

func newShard(cfg simConfig, shard int, fail func(string, ...any)) *sim {
	return &sim{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.seed, uint64(7+shard))), fail: fail, queue: &simQueue{}, shard: shard}
}

// split makes the other shards of s.
func (s *sim) split() {
	s.fail = func(format string, args ...any) { panic(fmt.Sprintf(format, args...)) } // a test fails in its own goroutine alone
	for k := 1; k < simShards; k++ {
		d := newShard(s.cfg, k, s.fail)
		d.shared, d.byName, d.wanted, d.flows = s.shared, s.byName, s.wanted, s.flows
		s.shared.shards = append(s.shared.shards, d)
	}
}

// first is the shard that is the whole simulation to those who look at it from outside.
func (s *sim) first() *sim { return s.shared.shards[0] }

// together does what touches nodes of any shard.
func (s *sim) together(do func()) {
	if s.shared.stopped {
		do()
		return
	}
	s.due = append(s.due, do)
}

// postTo sends something to a node.
func (s *sim) postTo(n *simNode, o simPost) {
	if s.shared.stopped || n.s == s {
		n.s.take(o)
		return
	}
	s.out[n.s.shard] = append(s.out[n.s.shard], o)
}

// take gets what was sent to one of our nodes.
func (s *sim) take(o simPost) {
	if o.msg != nil {
		s.post(o.when, o.msg)
	} else {
		o.pipe.whisper(o.index, o.when)
	}
}

// turn makes a Block begin or end to flow.
func (s *sim) turn(t simTurn) {
	if s.shared.stopped {
		t.turn()
		return
	}
	s.turns = append(s.turns, t)
}

func (t simTurn) turn() {
	f := t.pipe.from.s.flows
	if t.end != nil {
		f.end(t.pipe, t.end)
	}
	f.begin(t.pipe, t.when)
}

// runShards goes on until it is over or out of time.
func (s *sim) runShards(over func() bool) {
	for s.now < s.cfg.limit && !over() {
		end := s.now + s.flows.every
		s.shared.stopped = false
		s.each(func(d *sim) { d.runUntil(end) })
		s.shared.stopped = true
		s.each((*sim).gather)
		for _, d := range s.shared.shards {
			d.settle()
		}
		for _, d := range s.shared.shards {
			d.meet()
		}
		s.flows.round()
	}
}

// each has all shards do something side by side.
func (s *sim) each(do func(*sim)) {
	var all sync.WaitGroup
	for _, d := range s.shared.shards {
		all.Go(func() { do(d) })
	}
	all.Wait()
}

// runUntil does what happens before end.
func (s *sim) runUntil(end time.Duration) {
	for {
		e, ok := s.queue.before(end)
		if !ok {
			s.now = end
			return
		}
		s.now = e.at
		s.glance()
		s.happen(e.msg)
	}
}

// gather takes what the shards have for this one.
func (s *sim) gather() {
	for _, from := range s.shared.shards {
		for _, o := range from.out[s.shard] {
			s.take(o)
		}
		from.out[s.shard] = from.out[s.shard][:0]
	}
}

// settle lets the Blocks flow that wait for it.
func (s *sim) settle() {
	for _, t := range s.turns {
		t.turn()
	}
	s.turns = s.turns[:0]
}

// meet does what concerns other shards' nodes too.
func (s *sim) meet() {
	for _, do := range s.due {
		do()
	}
	clear(s.due)
	s.due = s.due[:0]
}
