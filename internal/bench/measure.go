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

// sampleTime is the time between two samples; of more than manyHosts it is longer, for reading them costs CPU.
const (
	sampleTime = 25 * time.Millisecond
	manyHosts  = 20
)

func read(hosts []*lab.Host) (sample, error) {
	s := sample{at: time.Now()}
	for _, h := range hosts {
		out, in, err := h.Counters()
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
	period := sampleTime
	if len(hosts) > manyHosts {
		period *= 4
	}
	go func() {
		defer close(w.done)
		for tick := time.NewTicker(period); ; {
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

// curvePoints is about how many points a curve has.
const curvePoints = 60

// curve is the bytes that all receivers' interfaces had received, in MiB, over the seconds since the first sample.
func (w *sampler) curve() (out [][2]float64) {
	total := func(s sample) (n uint64) {
		for _, in := range s.in[1:] {
			n += in
		}
		return n
	}
	for k := 0; k < len(w.rows); k += max(1, len(w.rows)/curvePoints) {
		s := w.rows[k]
		out = append(out, [2]float64{round3(s.at.Sub(w.rows[0].at).Seconds()), round3(float64(total(s)-total(w.rows[0])) / mib)})
	}
	return out
}

func round3(v float64) float64 { return math.Round(v*1000) / 1000 }

func rounded(xs []float64) []float64 {
	for k := range xs {
		xs[k] = round3(xs[k])
	}
	return xs
}

// losses says where receivers' time went that a full downlink would have saved, seconds of the mean receiver: before half of its rate
// was reached, in the middle, and after its own end until the end of all.
type losses struct{ Start, Middle, Tail float64 }

func (r *round) losses() (l losses) {
	w, gets, line := r.watch, r.left(), float64(r.mbit)*1e6/8
	begin, last := w.rows[0].at, time.Time{}
	for _, p := range gets {
		if end := r.complete(p); end.After(last) {
			last = end
		}
	}
	for _, p := range gets {
		host, end := slices.Index(w.hosts, p.Host), r.complete(p)
		started := end
		full, got := 0.0, 0.0
		for k := 1; k < len(w.rows); k++ {
			a, b := w.rows[k-1], w.rows[k]
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

// usage is what a running process has used.
type usage struct {
	cpu  float64 // seconds
	peak int64   // bytes
}

func (u *usage) add(more usage) { u.cpu, u.peak = u.cpu+more.cpu, max(u.peak, more.peak) }

// usageOf is a process's so far; what can't be read is 0.
func usageOf(pid int) (u usage) {
	const tick = 100 // a second, on every Linux
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(b), ") ")
	if f := strings.Fields(after); len(f) > 12 {
		user, _ := strconv.ParseFloat(f[11], 64)
		system, _ := strconv.ParseFloat(f[12], 64)
		u.cpu = (user + system) / tick
	}
	b, _ = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, after, ok := strings.Cut(string(b), "VmHWM:"); ok {
		u.peak, _ = strconv.ParseInt(strings.Fields(after)[0], 10, 64)
		u.peak <<= 10
	}
	return u
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
		if k != 1 && k != 3 && k != 4 { // nice (what runs beside a measurement gives way to it), idle, iowait
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
