// Command bench measures p2pcp, and other tools beside it, on hosts made of network namespaces (internal/lab): `make bench`. It needs
// root and Linux. With -write it keeps every run's figures in docs/performance/results.json and makes docs/PERFORMANCE.md's
// tables and the pictures from them; what wasn't measured this time stays as it is.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if spec := os.Getenv(roleEnv); spec != "" {
		if err := playRole(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := mainErr(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is what runs share.
type bench struct {
	self  string   // this program
	bins  []string // p2pcp's, absolute
	tools *regexp.Regexp
	runs  int // of each case; 0: as many as the case wants
	trace bool
	kept  *results // nil: nothing is written
}

func mainErr() error {
	bin := flag.String("bin", "bin/p2pcp", "the binary to measure; several, with commas between, take turns")
	only := flag.String("run", "", "only the cases whose name matches this expression")
	tools := flag.String("tools", "", "only the tools whose name matches this expression")
	runs := flag.Int("runs", 0, "runs of each case (default: 3 of most)")
	trace := flag.Bool("trace", false, "say where the time goes")
	quick := flag.Bool("quick", false, "one run of 8 receivers and 64 MiB")
	write := flag.Bool("write", false, "keep the figures and make tables and pictures of them")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	b := &bench{runs: *runs, trace: *trace}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.tools, err = regexp.Compile(*tools); err != nil {
		return err
	}
	for bin := range strings.SplitSeq(*bin, ",") {
		abs, err := filepath.Abs(bin)
		if err != nil {
			return err
		}
		b.bins = append(b.bins, abs)
	}
	if *write {
		if b.kept, err = loadResults(resultsFile); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *quick {
		return b.experiment(ctx, quickCase)
	}
	cool, err := warm(ctx)
	if err != nil {
		return err
	}
	defer cool()
	for _, e := range experiments {
		if !match.MatchString(e.name) {
			continue
		}
		if err := b.experiment(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if b.kept != nil { // what was measured is kept whatever happens to the next case
			if err := b.kept.save(resultsFile); err != nil {
				return err
			}
		}
	}
	if b.kept == nil {
		return nil
	}
	return b.kept.publish()
}

// toolsOf are those of a case that are here and wanted; p2pcp's binaries count as tools of their own if there are several.
func (b *bench) toolsOf(ctx context.Context, e experiment) (out []tool) {
	names := e.tools
	if names == nil {
		names = []string{"p2pcp"}
	}
	for _, name := range names {
		if !b.tools.MatchString(name) {
			continue
		}
		if name == "p2pcp" {
			for _, bin := range b.bins {
				t := ours(bin)
				if len(b.bins) > 1 {
					t.name = filepath.Base(bin)
				}
				out = append(out, t)
			}
			continue
		}
		t := others[name]
		t.name = name
		if why := t.missing(ctx); why != nil {
			fmt.Printf("%-24s %-14s skipped: %v\n", e.name, name, why)
			continue
		}
		out = append(out, t)
	}
	return out
}

// experiment measures one case, the tools in turn, and prints each run and the medians.
func (b *bench) experiment(ctx context.Context, e experiment) (err error) {
	tools := b.toolsOf(ctx, e)
	if len(tools) == 0 {
		return nil
	}
	s, err := b.stage(ctx, e.course)
	if err != nil {
		return err
	}
	defer func() {
		if end := s.lab.Close(); err == nil {
			err = end
		}
	}()
	all := make([][]record, len(tools))
	for n := range cmp.Or(b.runs, e.runs, 3) {
		for k := range tools {
			if n%2 == 1 { // backwards, for each leaves something to the next: caches, memory to be freed
				k = len(tools) - 1 - k
			}
			t := tools[k]
			r, err := s.round(ctx, t)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			all[k] = append(all[k], r)
			fmt.Printf("%-24s %-14s %s\n", e.name, t.name, r.Figures)
		}
	}
	for k, t := range tools {
		if t.ours {
			m := medians(all[k])
			for n, other := range tools {
				its := medians(all[n])
				m["of "+other.name] = m["makespan"] / its["makespan"]
				m["cpu of "+other.name] = m["cpu s/GiB"] / its["cpu s/GiB"]
			}
			e.judge(t.name, m)
		}
		if b.kept != nil && (!t.ours || len(b.bins) == 1) {
			b.kept.put(row{Case: e.name, Tool: t.name, Version: t.version(ctx), Date: time.Now().UTC().Truncate(time.Second), Runs: all[k]})
		}
	}
	return nil
}

// judge prints how figures keep to their bounds.
func (e experiment) judge(name string, m outcome) {
	for _, bd := range e.bounds {
		v, known := m[bd.figure]
		if !known { // of a tool that isn't here
			continue
		}
		verdict := "aim"
		switch {
		case v > bd.must:
			verdict = "MISSED"
		case v > bd.aim:
			verdict = "must"
		}
		fmt.Printf("%-24s %-14s median %-18s %8.3f  must %.3f aim %.3f: %s\n", e.name, name, bd.figure, v, bd.must, bd.aim, verdict)
	}
}

// outcome is what one run gave: figures by their names.
type outcome map[string]float64

func medians(runs []record) outcome {
	m := outcome{}
	for name := range runs[0].Figures {
		var xs []float64
		for _, r := range runs {
			xs = append(xs, r.Figures[name])
		}
		m[name] = median(xs)
	}
	return m
}

func (o outcome) String() string {
	var out []string
	for _, name := range sortedNames(o) {
		out = append(out, fmt.Sprintf("%s %.4g", name, o[name]))
	}
	return strings.Join(out, ", ")
}

func sortedNames(o outcome) []string { return slices.Sorted(maps.Keys(o)) }
