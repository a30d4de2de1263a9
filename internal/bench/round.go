package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"p2pcp/internal/lab"
)

// round is one run of a tool.
type round struct {
	*stage
	tool
	link  string      // what receivers are given
	serve []*lab.Proc // on the seed's host
	spent float64     // seconds of CPU that serve had used when the receivers were started
	gets  []*lab.Proc // the receivers; those that were killed are nil
	watch *sampler
	load  float64
	cross crossing // between zones, before the start
	rest  usage    // of background processes
}

// round lets all receivers get the file once.
func (s *stage) round(ctx context.Context, t tool) (record, error) {
	budget := time.Minute
	switch {
	case s.hashing:
	case s.fanout > 0:
		budget *= time.Duration(s.receivers / s.fanout)
	default:
		budget += time.Duration(20 * s.limit() * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	if s.hashing {
		return s.hashRound(ctx, t)
	}
	r := &round{stage: s, tool: t}
	if err := r.prepare(ctx); err != nil {
		return record{}, err
	}
	before, err := readMachine()
	if err != nil {
		return record{}, err
	}
	if r.cross, err = s.zones.crossing(s.lab); err != nil {
		return record{}, err
	}
	if r.watch, err = watch(ctx, s.lab.Hosts()); err != nil {
		return record{}, err
	}
	if err := r.launch(ctx); err != nil {
		return record{}, err
	}
	if err := r.await(ctx); err != nil {
		return record{}, err
	}
	after, err := readMachine()
	if err != nil {
		return record{}, err
	}
	r.load = load(before, after)
	if err := r.watch.end(); err != nil {
		return record{}, err
	}
	crossed, err := s.zones.crossing(s.lab)
	if err != nil {
		return record{}, err
	}
	if err := r.stop(ctx); err != nil {
		return record{}, err
	}
	if err := s.check(ctx, r.gets); err != nil {
		return record{}, err
	}
	rec, err := r.figures()
	if err == nil {
		s.zones.figures(rec.Figures, r.cross, crossed, s.size())
	}
	return rec, err
}

// prepare cleans up and starts the seed's side.
func (r *round) prepare(ctx context.Context) (err error) {
	if err = r.clean(ctx); err != nil {
		return err
	}
	if r.link, r.serve, err = r.tool.serve(ctx, r.stage); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	for _, p := range r.serve {
		r.spent += usageOf(p.Pid()).cpu
	}
	return nil
}

// launch starts the receivers as the case says.
func (r *round) launch(ctx context.Context) error {
	running := make(chan struct{}, max(r.fanout, 1))
	for k := range r.receivers {
		if k > 0 && r.apart > 0 {
			time.Sleep(r.apart)
		}
		if r.fanout > 0 {
			running <- struct{}{}
		}
		h := r.host(k + 1)
		line := r.fetch(r.stage, h, r.link)
		p, err := h.Start(ctx, line[0], line[1:]...)
		if err != nil {
			return err
		}
		r.gets = append(r.gets, p)
		if r.fanout > 0 {
			go func() { <-p.Done(); <-running }()
		}
	}
	if r.kill {
		return r.killHalf(ctx)
	}
	return nil
}

// killHalf kills every other receiver when the first one has half of the file.
func (r *round) killHalf(ctx context.Context) error {
	first := r.host(1)
	for half, from := uint64(r.size()/2), r.watch.rows[0].in[1]; ; time.Sleep(sampleTime) {
		_, in, err := first.Counters()
		if err != nil {
			return err
		}
		if in-from > half {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for k := 0; k < len(r.gets); k += 2 {
		r.gets[k].Signal(syscall.SIGKILL)
		r.gets[k] = nil
	}
	return nil
}

// left are the receivers that weren't killed.
func (r *round) left() []*lab.Proc {
	return slices.DeleteFunc(slices.Clone(r.gets), func(p *lab.Proc) bool { return p == nil })
}

// complete is when a receiver had all of it; zero if it hasn't yet.
func (r *round) complete(p *lab.Proc) time.Time {
	if r.mark == "" {
		return p.Ended()
	}
	return p.Out.When(r.mark)
}

// await waits until every receiver has all.
func (r *round) await(ctx context.Context) error {
	for _, p := range r.left() {
		for r.complete(p).IsZero() {
			select {
			case <-p.Done():
				if err := p.Wait(); err != nil || (r.mark != "" && p.Out.When(r.mark).IsZero()) {
					return fmt.Errorf("receiver: %w: %s", err, p.Out)
				}
			case <-ctx.Done():
				return fmt.Errorf("receiver: %w: %s%s", ctx.Err(), p.Out, p.Err)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return nil
}

// background tells whether receivers go on in the background.
func (r *round) background() bool { return slices.Contains(r.args, "-d") }

// stop ends everything and notes what processes held, and what those used that we don't wait for.
func (r *round) stop(ctx context.Context) error {
	for k := range r.receivers + 1 {
		for _, pid := range r.host(k).Pids() {
			u := usageOf(pid)
			if !r.background() {
				u.cpu = 0
			}
			r.rest.add(u)
		}
	}
	for _, p := range r.left() {
		if !p.Ended().IsZero() && !r.background() {
			r.rest.peak = max(r.rest.peak, p.Peak())
		}
	}
	if r.background() {
		for k := range r.receivers {
			if _, err := r.host(k+1).Run(ctx, r.bin, "stop", "--all"); err != nil {
				return err
			}
			if pids := r.host(k + 1).Pids(); len(pids) > 0 {
				return fmt.Errorf("host %d still runs %v", k+1, pids)
			}
		}
	}
	for _, p := range r.left() {
		p.Signal(syscall.SIGINT)
	}
	for _, p := range r.left() {
		<-p.Done()
	}
	for _, p := range r.serve {
		p.Interrupt()
	}
	return nil
}

// figures computes what a run shows.
func (r *round) figures() (record, error) {
	begin := r.watch.rows[0].at // the first start follows, be it killed later
	gets := r.left()
	var own, all []float64 // seconds since each one's start, since the first one's
	cpu := r.rest.cpu - r.spent
	for _, p := range slices.Concat(r.serve, gets) {
		cpu += p.CPU()
	}
	for _, p := range gets {
		end := r.complete(p)
		own, all = append(own, end.Sub(p.Started).Seconds()), append(all, end.Sub(begin).Seconds())
	}
	delivered := float64(len(gets)) * r.size()
	o := outcome{
		"makespan": quantile(all, 1), "limit": r.limit(), "u MB/s": r.u / 1e6,
		"ratio": quantile(all, 1) / r.limit(), "p50": quantile(own, .5), "p95/p50": quantile(own, .95) / quantile(own, .5),
		"last own/limit": own[len(own)-1] / r.limit(), "seed copies": float64(r.watch.sent(0)) / r.size(),
		"load": r.load, "cpu s/GiB": cpu / (delivered / (1 << 30)), "peak MiB": float64(r.rest.peak) / mib,
	}
	if r.ours {
		if err := ownFigures(o, gets, r.size()); err != nil {
			return record{}, err
		}
	}
	if r.slowMbit > 0 {
		o["others' p95/limit"] = quantile(own[:len(own)-1], .95) / r.limit()
	}
	if r.trace && r.mbit > 0 {
		l := r.losses()
		o["lost at start"], o["lost in the middle"], o["lost at the end"] = l.Start, l.Middle, l.Tail
	}
	return record{Figures: o, Ends: rounded(slices.Sorted(slices.Values(all))), Bytes: r.watch.curve()}, nil
}

// ownFigures adds what the closing messages of `get --json` tell: what came in needlessly, and what was no content.
func ownFigures(o outcome, gets []*lab.Proc, size float64) error {
	var received, wasted, moved, control, fromSeed float64
	for _, p := range gets {
		m, err := closing(p.Out.String())
		if err != nil {
			return err
		}
		received += m.Received
		wasted += max(0, m.Received-size)
		moved += m.Received + m.Sent
		control += m.Control
		fromSeed += m.FromSeed
	}
	o["waste"], o["control"], o["seed content"] = wasted/received, control/(control+moved), fromSeed/size
	if strings.TrimSpace(gets[0].Out.String()) == "" || received == 0 {
		return fmt.Errorf("get --json told nothing")
	}
	return nil
}
