package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"p2pcp/internal/lab"
)

// sampler reads every host's counters at a steady pace.
type sampler struct {
	hosts []*lab.Host
	stop  context.CancelFunc
	done  chan struct{}
	rows  []sample
}

// sample is the bytes that each host had sent and received at a time.
type sample struct {
	at       time.Time
	sent, in []uint64
}

const sampleTime = 25 * time.Millisecond

func read(hosts []*lab.Host) (sample, error) {
	s := sample{at: time.Now()}
	for _, h := range hosts {
		out, err := h.Sent()
		if err != nil {
			return s, err
		}
		in, err := h.Received()
		if err != nil {
			return s, err
		}
		s.sent, s.in = append(s.sent, out), append(s.in, in)
	}
	return s, nil
}

// watch begins to sample.
func watch(ctx context.Context, hosts []*lab.Host) (*sampler, error) {
	ctx, stop := context.WithCancel(ctx)
	w := &sampler{hosts: hosts, stop: stop, done: make(chan struct{})}
	first, err := read(hosts)
	if err != nil {
		stop()
		return nil, err
	}
	w.rows = append(w.rows, first)
	go func() {
		defer close(w.done)
		for tick := time.NewTicker(sampleTime); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			if s, err := read(hosts); err == nil {
				w.rows = append(w.rows, s)
			}
		}
	}()
	return w, nil
}

// end stops it and adds a last sample.
func (w *sampler) end() error {
	w.stop()
	<-w.done
	last, err := read(w.hosts)
	w.rows = append(w.rows, last)
	return err
}

// sent is what a host sent from the first sample to the last.
func (w *sampler) sent(host int) uint64 {
	return w.rows[len(w.rows)-1].sent[host] - w.rows[0].sent[host]
}

// losses says where receivers' time went that a full downlink would have saved, seconds of the mean receiver: before half of its rate
// was reached, in the middle, and after its own end until the end of all. line is the link's rate, bytes a second.
type losses struct{ Start, Middle, Tail float64 }

func (w *sampler) losses(line float64, gets []*proc) (l losses) {
	begin, last := w.rows[0].at, time.Time{}
	for _, p := range gets {
		if end := p.out.finished(); end.After(last) {
			last = end
		}
	}
	for _, p := range gets {
		host, end := slices.Index(w.hosts, p.host), p.out.finished()
		started := end
		full, got := 0.0, 0.0
		for r := 1; r < len(w.rows); r++ {
			a, b := w.rows[r-1], w.rows[r]
			dt, n := b.at.Sub(a.at).Seconds(), float64(b.in[host]-a.in[host])
			if started == end && n > dt*line/2 {
				started = a.at
			}
			if started != end && b.at.Before(end) {
				full += dt * line
				got += n
			}
		}
		l.Start += started.Sub(begin).Seconds()
		l.Middle += (full - got) / line
		l.Tail += last.Sub(end).Seconds()
	}
	n := float64(len(gets))
	return losses{l.Start / n, l.Middle / n, l.Tail / n}
}

// machine is what the cores did so far, in ticks.
type machine struct{ busy, all float64 }

func readMachine() (m machine, err error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return m, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for k, field := range strings.Fields(line)[1:9] {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return m, fmt.Errorf("/proc/stat: %w", err)
		}
		m.all += v
		if k != 3 && k != 4 { // idle, iowait
			m.busy += v
		}
	}
	return m, nil
}

// load is the share of the cores' time that was used between two readings.
func load(from, to machine) float64 { return (to.busy - from.busy) / (to.all - from.all) }

// quantile is the q-quantile of xs, by nearest rank.
func quantile(xs []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return s[max(0, int(math.Ceil(q*float64(len(s))))-1)]
}

func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
