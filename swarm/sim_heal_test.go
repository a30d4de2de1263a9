package swarm

import (
	"testing"
	"time"
)

// undisturbed is the virtual time that a run takes with nothing done to it.
func undisturbed(t *testing.T, cfg simConfig) time.Duration {
	t.Helper()
	r := newRun(t, cfg)
	r.finish(t)
	return r.now
}

// mustBeInTime checks a time against what it is undisturbed: at most 15 %, or 2 s, and what the fault itself takes.
func (r *simRun) mustBeInTime(t *testing.T, what string, took, plain, extra time.Duration) {
	t.Helper()
	t.Logf("P2PCP_SIM_SEED=%d: %s: %v, undisturbed %v", r.cfg.seed, what, took.Round(time.Millisecond), plain.Round(time.Millisecond))
	if r.cfg.seed == 1 {
		t.Logf(`RELIABILITY {"kind":"fault","name":"simulated: %s","undisturbed_s":%.1f,"disturbed_s":%.1f,"result":"all invariants hold, nobody is banned","test":%q}`, what, plain.Seconds(), took.Seconds(), t.Name())
	}
	if took > plain+extra+max(plain*15/100, 2*time.Second) {
		t.Errorf("P2PCP_SIM_SEED=%d: %s: %v, undisturbed %v", r.cfg.seed, what, took, plain)
	}
}

// mustTrust checks that nobody was banned.
func (r *simRun) mustTrust(t *testing.T) {
	t.Helper()
	for _, n := range r.nodes {
		for _, m := range n.core.members {
			if m.banned {
				t.Errorf("P2PCP_SIM_SEED=%d: %s banned %s", r.cfg.seed, n.name, m.name)
			}
		}
	}
}

// TestSimPartitionHeals: the hosts fall into halves for 20 s, without a word: sessions across end by silence. The seed's half goes
// on; the other one spreads what it has, and has everything as soon after the end of it as it lacked then.
func TestSimPartitionHeals(t *testing.T) {
	const away = 20 * time.Second
	eachSeed(t, 3, func(t *testing.T, seed uint64) {
		cfg := small(8, 1024, seed)
		cfg.everyStep = 97
		plain := undisturbed(t, cfg)
		r := newRun(t, cfg)
		far := func(n *simNode) bool { return n.id > 4 }
		r.at(0.5, func() {
			r.cut = func(a, b *simNode) bool { return far(a) != far(b) }
			r.after(silence, func() {
				for _, n := range r.nodes {
					for k := len(n.order) - 1; k >= 0; k-- {
						if p := n.order[k]; r.cut(p.from, p.to) {
							p.close()
						}
					}
				}
			})
			r.after(away, func() {
				r.cut = nil
				for _, n := range r.recv { // the ticket's addresses are tried again and again while no seed is in session
					r.connect(n, r.seed)
				}
			})
		})
		r.finish(t)
		var near, others time.Duration
		for _, n := range r.recv {
			if far(n) {
				others = max(others, n.complete)
			} else {
				near = max(near, n.complete)
			}
		}
		r.mustBeInTime(t, "a partition for 20 s: the seed's half", near, plain, 0)
		r.mustBeInTime(t, "a partition for 20 s: the other half", others, plain, away)
		r.mustTrust(t)
	})
}

// TestSimRollingRestart kills every node in turn, the seed too, and begins it anew at once with what it had.
func TestSimRollingRestart(t *testing.T) {
	eachSeed(t, 3, func(t *testing.T, seed uint64) {
		cfg := small(8, 1024, seed)
		cfg.everyStep = 97
		plain := undisturbed(t, cfg)
		r := newRun(t, cfg)
		for k := range cfg.receivers {
			r.at(0.1+0.1*float64(k), func() {
				if old := r.recv[k]; old.complete == 0 {
					r.again(k)
				}
				if k == cfg.receivers/2 {
					r.kill(r.seed)
					r.seed = r.add(true)
					for _, n := range r.recv {
						r.connect(n, r.seed)
					}
				}
			})
		}
		r.finish(t)
		r.mustBeInTime(t, "every node in turn is killed and begun anew", r.now, plain, 0)
		r.mustTrust(t)
		for _, n := range r.recv {
			if n.claims == nil {
				continue
			}
			lacked := r.fullBytes() - float64(n.claims.Count())*float64(cfg.blockSize)
			if n.received > lacked*1.05+8*float64(cfg.blockSize) {
				t.Errorf("P2PCP_SIM_SEED=%d: %s lacked %.0f bytes and received %.0f", seed, n.name, lacked, n.received)
			}
		}
	})
}

// again kills receiver k, and begins a run of it that finds on its disk what the old one had.
func (r *simRun) again(k int) {
	old := r.recv[k]
	r.kill(old)
	r.joined = func(n *simNode) {
		if old.core.n == 0 {
			return
		}
		n.claims = old.core.have.Clone()
		n.claims.Clear(0) // the Manifest's
		n.truth = n.claims.Clone()
	}
	n := r.join()
	r.joined = nil
	r.recv = r.recv[:len(r.recv)-1]
	r.recv[k] = n
}
