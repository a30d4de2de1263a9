package swarm

import (
	"testing"
	"time"

	"p2pcp/blocks"
)

// trace tells, if P2PCP_SIM_TRACE says every how many milliseconds, how full the receivers' links are and what waits: the first 60 times.
func (r *simRun) trace(t testing.TB) {
	every := time.Duration(simEnv("TRACE", 0)) * time.Millisecond
	if every == 0 {
		return
	}
	var up, down, seed float64
	var look func()
	look = func() {
		if r.flows != nil {
			r.flows.count()
		}
		var nowUp, nowDown, held, sends, reqs float64
		known := blocks.NewBitfield(r.cfg.blocks)
		for _, n := range r.recv {
			nowUp, nowDown = nowUp+n.up.sent, nowDown+n.down.sent
			if n.core.n == 0 {
				continue
			}
			for i, ok := n.core.have.Next(0); ok; i, ok = n.core.have.Next(i + 1) {
				known.Set(i)
				held++
			}
			for _, p := range n.core.peers {
				sends, reqs = sends+float64(len(p.sends)), reqs+float64(len(p.reqs))
			}
		}
		k := float64(len(r.recv))
		full := r.cfg.rate * every.Seconds()
		t.Logf("%v: %d blocks are out, a receiver holds %.1f, awaits %.1f and sends %.1f; uplinks %.2f downlinks %.2f the seed's %.2f with %d",
			r.now, known.Count(), held/k, reqs/k, sends/k, (nowUp-up)/full/k, (nowDown-down)/full/k, (r.seed.up.sent-seed)/full, r.seed.core.uploads)
		up, down, seed = nowUp, nowDown, r.seed.up.sent
		if r.now < 60*every {
			r.after(every, func() { r.together(look) })
		}
	}
	r.after(every, func() { r.together(look) })
}
