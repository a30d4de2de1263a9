// Command bench measures p2pcp on hosts made of network namespaces (internal/lab): `make bench`. It needs root and Linux.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bound is what a figure must not exceed, and what it aims at.
type bound struct {
	figure    string
	must, aim float64
}

// experiment is a named case with its bounds.
type experiment struct {
	name string
	shaped
	bounds []bound
}

func egress(must, aim float64) bound { return bound{"seed copies", must, aim} }

// common are the bounds of every plain case.
var common = []bound{egress(1.10, 1.04), {"p95/p50", 1.05, 1.02}, {"waste", 0.01, 0.003}, {"peak MiB", 128, 64}}

// with is common and more.
func with(more ...bound) []bound { return append(more, common...) }

var experiments = []experiment{
	{"8x200", shaped{receivers: 8, mbit: 200, mib: 256}, with(bound{"ratio", 1.05, 1.02}, bound{"cpu s/GiB", 5, 3})},
	{"16x100", shaped{receivers: 16, mbit: 100, mib: 128}, with(bound{"ratio", 1.07, 1.03})},
	{"16x200", shaped{receivers: 16, mbit: 200, mib: 256}, with(bound{"ratio", 1.12, 1.04})},
	{"32x50", shaped{receivers: 32, mbit: 50, mib: 64}, with(bound{"ratio", 1.15, 1.06})},
	{"16x100 slow seed", shaped{receivers: 16, mbit: 100, mib: 128, seedMbit: 25}, with(bound{"ratio", 1.08, 1.03})},
	{"16x100 slow receiver", shaped{receivers: 16, mbit: 100, mib: 128, slowMbit: 10}, []bound{{"others' p95/limit", 1.25, 1.10}}},
	{
		"16x100 apart",
		shaped{receivers: 16, mbit: 100, mib: 128, apart: 500 * time.Millisecond},
		[]bound{{"last own/limit", 1.12, 1.05}, egress(1.3, 1.15)},
	},
	{"16x100 killed", shaped{receivers: 16, mbit: 100, mib: 128, kill: true}, []bound{{"ratio", 1.20, 1.10}}},
	{
		"64x200 fan-out 8, -d", shaped{receivers: 64, mbit: 200, mib: 64, fanout: 8, args: []string{"-d"}}, []bound{egress(2.0, 1.5)},
	},
	{"64x200 fan-out 8", shaped{receivers: 64, mbit: 200, mib: 64, fanout: 8}, []bound{egress(1000, 3)}},
	{
		"2 zones of 8x100",
		shaped{receivers: 16, mbit: 100, mib: 128, zones: true},
		with(bound{"crossed", 1.10, 1.02}, bound{"ratio", 1.35, 1.2}),
	},
	{"16x200 1 MiB", shaped{receivers: 16, mbit: 200, mib: 1}, []bound{{"makespan", 0.25, 0.15}}},
}

func main() {
	if spec := os.Getenv(copyEnv); spec != "" {
		if err := plainCopy(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := measure(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure() error {
	bin := flag.String("bin", "bin/p2pcp", "the binary to measure; several, with commas between, take turns")
	only := flag.String("run", "", "only the cases whose name matches this expression")
	runs := flag.Int("runs", 3, "runs of each case")
	trace := flag.Bool("trace", false, "say where the time goes")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var bins []string
	for b := range strings.SplitSeq(*bin, ",") {
		abs, err := filepath.Abs(b)
		if err != nil {
			return err
		}
		bins = append(bins, abs)
	}
	b := &bench{runs: *runs, trace: *trace}
	for _, e := range experiments {
		if !match.MatchString(e.name) {
			continue
		}
		if err := b.experiment(ctx, e, bins); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}

// experiment measures one case, the binaries in turn, and prints each run and the medians.
func (b *bench) experiment(ctx context.Context, e experiment, bins []string) (err error) {
	s, err := b.stage(ctx, e.shaped)
	if err != nil {
		return err
	}
	defer func() {
		if end := s.lab.Close(); err == nil {
			err = end
		}
	}()
	all := make([][]outcome, len(bins))
	for range b.runs {
		for k, bin := range bins {
			b.bin = bin
			o, err := s.round(ctx)
			if err != nil {
				return err
			}
			all[k] = append(all[k], o)
			fmt.Printf("%-24s %-10s %s\n", e.name, filepath.Base(bin), o)
		}
	}
	for k, bin := range bins {
		m := medians(all[k])
		for _, bd := range e.bounds {
			v, verdict := m[bd.figure], "aim"
			switch {
			case v > bd.must:
				verdict = "MISSED"
			case v > bd.aim:
				verdict = "must"
			}
			fmt.Printf("%-24s %-10s median %-18s %8.3f  must %.3f aim %.3f: %s\n", e.name, filepath.Base(bin), bd.figure, v, bd.must, bd.aim, verdict)
		}
	}
	return nil
}

func medians(runs []outcome) outcome {
	m := outcome{}
	for name := range runs[0] {
		var xs []float64
		for _, o := range runs {
			xs = append(xs, o[name])
		}
		m[name] = median(xs)
	}
	return m
}

func (o outcome) String() string {
	var names, out []string
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := o[name]
		if name == "u" {
			v /= 1e6
		}
		out = append(out, fmt.Sprintf("%s %.3f", name, v))
	}
	return strings.Join(out, ", ")
}
