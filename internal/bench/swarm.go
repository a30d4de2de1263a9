package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/bits"
	"path/filepath"
	"strings"
	"time"

	"p2pcp/internal/lab"
)

const mib = 1 << 20

// shaped is a swarm on links of a known rate.
type shaped struct {
	receivers int
	mbit      int // each way
	mib       int // size of the file

	seedMbit int           // of the seed's link, if it is another
	slowMbit int           // of the last receiver's link, if it is another
	apart    time.Duration // between the starts
	fanout   int           // so many gets run at a time; 0: all
	kill     bool          // half of the receivers are killed when the file is half there
	args     []string      // of each get
	zones    zoned
}

// bench is what runs share.
type bench struct {
	bin   string
	runs  int // of each case
	trace bool
}

// stage is a lab with a file on its seed and the yardstick measured.
type stage struct {
	*bench
	shaped
	lab       *lab.Lab
	path, sum string
	u         float64 // what one plain TCP copy brings, bytes a second
}

func (b *bench) stage(ctx context.Context, c shaped) (*stage, error) {
	size := uint64(c.mib) * mib
	l, err := lab.New(lab.Config{Hosts: c.receivers + 1, Rate: lab.Rate(c.mbit) * lab.Mbit, Far: c.zones.far(c.receivers), Scratch: size + 64*mib})
	if err != nil {
		return nil, err
	}
	s := &stage{bench: b, shaped: c, lab: l, path: filepath.Join(lab.Scratch, "model.bin")}
	if err := s.prepare(ctx); err != nil {
		return nil, fmt.Errorf("%w (%v)", err, l.Close())
	}
	return s, nil
}

func (s *stage) size() float64 { return float64(s.mib) * mib }

// host is host i; 0 is the seed's.
func (s *stage) host(i int) *lab.Host { return s.lab.Host(i + 1) }

func (s *stage) prepare(ctx context.Context) (err error) {
	script := fmt.Sprintf("head -c %d /dev/zero | openssl enc -aes-128-ctr -pass pass:p2pcp -nosalt -pbkdf2 2>/dev/null >%s", s.mib*mib, s.path)
	if _, err = run(ctx, s.host(0), "sh", "-c", script); err != nil {
		return err
	}
	if s.sum, err = s.hash(ctx, 0); err != nil {
		return err
	}
	if s.u, err = s.goodput(ctx, min(s.mib, 4*s.mbit/8)*mib); err != nil {
		return err
	}
	if s.seedMbit > 0 {
		err = s.host(0).SetRate(lab.Rate(s.seedMbit) * lab.Mbit)
	}
	if s.slowMbit > 0 && err == nil {
		err = s.host(s.receivers).SetRate(lab.Rate(s.slowMbit) * lab.Mbit)
	}
	return err
}

// hash is a host's copy's, by another program than ours.
func (s *stage) hash(ctx context.Context, host int) (string, error) {
	out, err := run(ctx, s.host(host), "sha256sum", s.path)
	return strings.Fields(out + " -")[0], err
}

// limit is the least time in which anybody can bring the file to n receivers over links of u bytes a second, in blocks of 1 MiB
// (Mundinger, Weber, Weiss: (F/u)(1 + floor(log2 N)/B)), seconds.
func (s *stage) limit() float64 {
	if s.seedMbit > 0 {
		return s.size() / (s.u * float64(s.seedMbit) / float64(s.mbit))
	}
	return s.size() / s.u * (1 + float64(bits.Len(uint(s.receivers))-1)/float64(s.mib))
}

// outcome is what one run gave: figures by their names.
type outcome map[string]float64

// round lets all receivers get the file once.
func (s *stage) round(ctx context.Context) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute+time.Duration(20*s.limit()*float64(time.Second)))
	defer cancel()
	seed, err := start(ctx, s.host(0), append([]string{s.bin, "seed", s.path}, s.zones.args(0, s.receivers)...)...)
	if err != nil {
		return nil, err
	}
	ticket, err := seed.line(30 * time.Second)
	if err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	before, err := readMachine()
	if err != nil {
		return nil, err
	}
	crossed, err := s.zones.crossing(s.lab)
	if err != nil {
		return nil, err
	}
	w, err := watch(ctx, s.lab.Hosts())
	if err != nil {
		return nil, err
	}
	gets, err := s.launch(ctx, ticket, w)
	if err != nil {
		return nil, err
	}
	var rest []*proc
	for _, p := range gets {
		if p != nil {
			rest = append(rest, p)
		}
	}
	for _, p := range rest {
		for p.out.finished().IsZero() {
			select {
			case <-p.done:
				if p.out.finished().IsZero() {
					return nil, fmt.Errorf("get: %w", p.wait())
				}
			case <-ctx.Done():
				return nil, fmt.Errorf("get: %w: %s", ctx.Err(), p.err.String())
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	after, err := readMachine()
	if err != nil {
		return nil, err
	}
	if err := w.end(); err != nil {
		return nil, err
	}
	crossedNow, err := s.zones.crossing(s.lab)
	if err != nil {
		return nil, err
	}
	for _, p := range rest {
		p.end()
	}
	seed.end()
	for k, p := range gets {
		if p == nil {
			continue
		}
		if sum, err := s.hash(ctx, k+1); err != nil || sum != s.sum {
			return nil, fmt.Errorf("host %d's copy differs: %v", k+1, err)
		}
	}
	for k := range gets {
		if _, err := run(ctx, s.host(k+1), "sh", "-c", "rm -rf "+lab.Scratch+"/* "+lab.Scratch+"/.[!.]*"); err != nil {
			return nil, err
		}
	}
	o, err := s.figures(w, load(before, after), seed, rest)
	if err == nil {
		s.zones.figures(o, crossed, crossedNow, s.size())
	}
	return o, err
}

// launch starts the receivers as the case says. Those that were killed are nil.
func (s *stage) launch(ctx context.Context, ticket string, w *sampler) ([]*proc, error) {
	gets := make([]*proc, s.receivers)
	running := make(chan struct{}, max(s.fanout, 1))
	for k := range gets {
		if k > 0 && s.apart > 0 {
			time.Sleep(s.apart)
		}
		if s.fanout > 0 {
			running <- struct{}{}
		}
		args := append([]string{s.bin, "get", ticket, "-o", lab.Scratch + "/", "--json"}, s.zones.args(k+1, s.receivers)...)
		p, err := start(ctx, s.host(k+1), append(args, s.args...)...)
		if err != nil {
			return nil, err
		}
		gets[k] = p
		if s.fanout > 0 {
			go func() { <-p.done; <-running }()
		}
	}
	if !s.kill {
		return gets, nil
	}
	for half := uint64(s.size() / 2); ; time.Sleep(sampleTime) {
		now, err := read(s.lab.Hosts()[1:])
		if err != nil {
			return nil, err
		}
		if now.in[0]-w.rows[0].in[1] > half {
			break
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	for k := 0; k < len(gets); k += 2 {
		_ = gets[k].cmd.Process.Kill()
		gets[k] = nil
	}
	return gets, nil
}

// figures computes what a run shows.
func (s *stage) figures(w *sampler, load float64, seed *proc, gets []*proc) (outcome, error) {
	begin := w.rows[0].at  // the first start follows, be it killed later
	var own, all []float64 // seconds since each one's start, since the first one's
	cpu, peak, wasted, got := seed.cpu(), seed.peak(), 0.0, 0.0
	for _, p := range gets {
		end := p.out.finished()
		own, all = append(own, end.Sub(p.started).Seconds()), append(all, end.Sub(begin).Seconds())
		cpu += p.cpu()
		peak = max(peak, p.peak())
		n, err := received(p.out.String())
		if err != nil {
			return nil, err
		}
		got += n
		wasted += max(0, n-s.size())
	}
	o := outcome{
		"makespan": quantile(all, 1), "limit": s.limit(), "u": s.u,
		"ratio": quantile(all, 1) / s.limit(), "p50": quantile(own, .5), "p95/p50": quantile(own, .95) / quantile(own, .5),
		"last own/limit": own[len(own)-1] / s.limit(), "seed copies": float64(w.sent(0)) / s.size(),
		"load": load, "cpu s/GiB": cpu / (float64(len(gets)) * s.size() / (1 << 30)), "peak MiB": float64(peak) / mib,
		"waste": wasted / got,
	}
	if s.slowMbit > 0 {
		o["others' p95/limit"] = quantile(own[:len(own)-1], .95) / s.limit()
	}
	if s.trace {
		line := float64(s.mbit) * 1e6 / 8
		l := w.losses(line, gets)
		o["lost at start"], o["lost in the middle"], o["lost at the end"] = l.Start, l.Middle, l.Tail
	}
	return o, nil
}

// received is what the closing line of `get --json` says came in, bytes.
func received(out string) (float64, error) {
	var last struct {
		Outcome  string
		Received float64
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, `"outcome"`) {
			if err := json.Unmarshal([]byte(line), &last); err != nil {
				return 0, fmt.Errorf("get --json: %w", err)
			}
		}
	}
	return last.Received, nil
}
