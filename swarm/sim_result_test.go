package swarm

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
	"unsafe"
)

// simResult is what a run came to, and a line of P2PCP_SIM_JSON. Times are shares of the limit; bytes and entries are of a node.
type simResult struct {
	Case      string  `json:"case"`
	Receivers int     `json:"receivers"`
	Blocks    uint32  `json:"blocks"`
	BlockKiB  uint32  `json:"block_kib"`
	Mbit      float64 `json:"mbit"`
	Seed      uint64  `json:"seed"`
	Ratio     float64 `json:"ratio"` // makespan / limit
	First     float64 `json:"first"`
	P50       float64 `json:"p50"`
	P95       float64 `json:"p95"`               // of those at full rate
	Own       float64 `json:"own"`               // the longest time of any at full rate since its own start
	Copies    float64 `json:"copies"`            // bytes of content that left the seed / content
	Crossed   float64 `json:"crossed,omitempty"` // bytes that went from zone to zone, control and acknowledgements too / content
	Waste     float64 `json:"waste"`             // bytes that arrived for nothing / bytes that arrived
	Control   float64 `json:"control"`           // bytes sent that aren't content, headers of packets apart
	Share     float64 `json:"share"`             // of the content, what they are
	Messages  float64 `json:"messages"`          // control messages sent
	Sessions  int     `json:"sessions"`          // the most that any node held
	State     float64 `json:"state"`             // bytes that the core holds
	Members   float64 `json:"members"`           // that it knows
	IdleStart float64 `json:"idle_start"`        // of the downlink, with less than a tenth of the Blocks
	IdleRest  float64 `json:"idle_rest"`
	Steps     int     `json:"steps"`
	Seconds   float64 `json:"seconds"` // that the simulation took
	Must      float64 `json:"must,omitempty"`
}

func (r simResult) String() string {
	return fmt.Sprintf("%-9s N=%-5d B=%d x %d KiB: makespan/limit %.4f (first %.4f P95 %.4f own %.4f) seed copies %.4f across %.4f waste %.4f "+
		"control %.3f %% in %.0f messages, %d sessions, state %.0f KiB with %.0f members; idle %.4f + %.4f; %d steps in %.1f s",
		r.Case, r.Receivers, r.Blocks, r.BlockKiB, r.Ratio, r.First, r.P95, r.Own, r.Copies, r.Crossed, r.Waste,
		100*r.Share, r.Messages, r.Sessions, r.State/1024, r.Members, r.IdleStart, r.IdleRest, r.Steps, r.Seconds)
}

// result adds a run up. Receivers that were killed don't count, nor slow ones where it says so.
func (r *simRun) result() simResult {
	limit, content := r.bound(), r.fullBytes()
	res := simResult{
		Case: "flash", Receivers: r.cfg.receivers, Blocks: r.cfg.blocks, BlockKiB: r.cfg.blockSize >> 10, Mbit: r.cfg.rate * 8 / 1e6,
		Seed: r.cfg.seed, Copies: r.seed.sent / content, Steps: r.steps, Seconds: time.Since(r.begun).Seconds(),
	}
	for _, d := range r.shared.shards[1:] {
		res.Steps += d.steps
	}
	if r.cfg.zones != nil {
		res.Crossed, _ = r.crossed()
	}
	var ends []float64
	var got, wasted float64
	for _, n := range r.recv {
		k := float64(len(r.recv))
		got += n.received
		wasted += n.wasted
		res.Control += n.control / k
		res.Messages += float64(n.messages) / k
		res.Sessions = max(res.Sessions, n.most)
		res.State += coreBytes(n.core) / k
		res.Members += float64(len(n.core.members)) / k
		res.IdleStart += n.idle[0].Seconds() / limit / k
		res.IdleRest += (n.idle[1] + n.idle[2]).Seconds() / limit / k
		if n.complete == 0 {
			continue
		}
		res.Ratio = max(res.Ratio, n.complete.Seconds()/limit)
		if n.up.rate >= r.cfg.rate {
			ends = append(ends, n.complete.Seconds()/limit)
			res.Own = max(res.Own, (n.complete-n.started).Seconds()/limit)
		}
	}
	slices.Sort(ends)
	if k := len(ends); k > 0 {
		res.First, res.P50, res.P95 = ends[0], ends[k/2], ends[min(k-1, k*95/100)]
	}
	res.Waste, res.Share = wasted/max(got, 1), res.Control/content
	return res
}

// coreBytes is what a core holds: its tables of Blocks, what it knows of each session, and of each member.
func coreBytes(c *Core) float64 {
	bits := float64(c.n) / 8
	perBlock := float64(unsafe.Sizeof(c.rows[0]) + unsafe.Sizeof(c.pick.order[0]))
	sum := float64(unsafe.Sizeof(*c)) + perBlock*float64(c.n) + 4*bits + float64(cap(c.mesh.rings))*float64(unsafe.Sizeof(ring{}))
	for _, p := range c.peers {
		sum += float64(unsafe.Sizeof(*p)) + bits + float64(cap(p.reqs))*float64(unsafe.Sizeof(request{})) +
			float64(cap(p.sends))*float64(unsafe.Sizeof(sending{})) + float64(cap(p.waits))*float64(unsafe.Sizeof(await{}))
	}
	for _, m := range c.members {
		sum += float64(unsafe.Sizeof(*m)) + float64(len(m.name)) + 48 // the entry of the map
	}
	return sum
}

// write adds a line to the file of P2PCP_SIM_JSON.
func (r simResult) write() error {
	name := os.Getenv("P2PCP_SIM_JSON")
	if name == "" {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
