package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// settle is how long the kernel has to itself between two runs: it frees what the last one had mapped.
const settle = time.Second

// hashRound is the time that a seed needs until its ticket, its cache of hashes empty, or that b3sum needs for the same file with as
// many threads.
func (s *stage) hashRound(ctx context.Context, t tool) (record, error) {
	seed := s.host(0)
	time.Sleep(settle)
	before, err := readMachine()
	if err != nil {
		return record{}, err
	}
	var took, cpu float64
	var peak int64
	if t.ours {
		if _, err := seed.Run(ctx, "sh", "-c", `rm -rf "$HOME/.cache"`); err != nil {
			return record{}, err
		}
		_, all, err := t.serve(ctx, s)
		if err != nil {
			return record{}, err
		}
		p := all[0]
		u := usageOf(p.Pid())
		took, cpu, peak = p.Out.When("\n").Sub(p.Started).Seconds(), u.cpu, u.peak
		p.Interrupt()
	} else {
		p, err := seed.Start(ctx, "b3sum", fmt.Sprintf("--num-threads=%d", runtime.NumCPU()), s.path)
		if err != nil {
			return record{}, err
		}
		if err := p.Wait(); err != nil {
			return record{}, err
		}
		took, cpu, peak = p.Ended().Sub(p.Started).Seconds(), p.CPU(), p.Peak()
	}
	after, err := readMachine()
	if err != nil {
		return record{}, err
	}
	gib := s.size() / (1 << 30)
	return record{Figures: outcome{
		"makespan": took, "GiB/s": gib / took, "cpu s/GiB": cpu / gib, "peak MiB": float64(peak) / mib, "load": load(before, after),
	}}, nil
}
