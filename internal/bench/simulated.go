package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// simulated is one run of the simulator, a line of its file.
type simulated struct {
	Case       string  `json:"case"`
	Receivers  int     `json:"receivers"`
	Blocks     int     `json:"blocks"`
	KiB        int     `json:"block_kib"`
	Ratio      float64 `json:"ratio"` // makespan over limit
	P95        float64 `json:"p95"`   // of those at full rate
	Own        float64 `json:"own"`   // the longest since an own start
	Copies     float64 `json:"copies"`
	Crossed    float64 `json:"crossed"`
	Share      float64 `json:"share"` // control bytes of a node, of the content
	Sessions   int     `json:"sessions"`
	StateBytes float64 `json:"state"`
}

// plainSim is the case in which all receivers start at once and nothing goes wrong.
const plainSim = "flash"

// simCases say what each case is, and which figure counts.
var simCases = map[string]struct {
	title  string
	figure func(simulated) float64
}{
	plainSim:   {"all at once", func(s simulated) float64 { return s.Ratio }},
	"slow":     {"a twentieth at a tenth of the rate, the others' P95", func(s simulated) float64 { return s.P95 }},
	"leaving":  {"1 % leave each second", func(s simulated) float64 { return s.Ratio }},
	"spread":   {"starts over the time of a copy, the longest own time", func(s simulated) float64 { return s.Own }},
	"zones":    {"in three zones, the seed in one; copies between zones behind the seed's", func(s simulated) float64 { return s.Ratio }},
	"slowseed": {"the seed's link a quarter, of its own limit", func(s simulated) float64 { return s.Ratio / 4 }},
}

// loadSimulated reads the simulator's file; none is an empty one.
func loadSimulated(path string) (all []simulated, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for line := range strings.Lines(string(b)) {
		var s simulated
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		all = append(all, s)
	}
	return all, err
}

// simGroup is the runs of one case with other seed numbers; its own figures are those of the first.
type simGroup struct {
	simulated
	runs []simulated
}

func (s simulated) blocks() string { return fmt.Sprintf("%d of %d KiB", s.Blocks, s.KiB) }

func (g simGroup) mean(of func(simulated) float64) (mean, greatest float64) {
	for _, s := range g.runs {
		mean, greatest = mean+of(s)/float64(len(g.runs)), max(greatest, of(s))
	}
	return mean, greatest
}

// grouped puts runs of the same together, in the order of the cases' first runs, of blocks, and of N.
func grouped(all []simulated) (groups []simGroup) {
	var order []string
	for _, s := range all {
		if !slices.Contains(order, s.Case) {
			order = append(order, s.Case)
		}
		same := func(g simGroup) bool {
			return g.Case == s.Case && g.Receivers == s.Receivers && g.Blocks == s.Blocks && g.KiB == s.KiB
		}
		k := slices.IndexFunc(groups, same)
		if k < 0 {
			k = len(groups)
			groups = append(groups, simGroup{simulated: s})
		}
		groups[k].runs = append(groups[k].runs, s)
	}
	slices.SortStableFunc(groups, func(a, b simGroup) int {
		return cmp.Or(slices.Index(order, a.Case)-slices.Index(order, b.Case), a.KiB-b.KiB, b.Blocks-a.Blocks, a.Receivers-b.Receivers)
	})
	return groups
}

// simTable has a line for each case of the simulator's.
func simTable(all []simulated) string {
	var rows [][]string
	for _, g := range grouped(all) {
		c, known := simCases[g.Case]
		if !known {
			continue
		}
		ratio, worst := g.mean(c.figure)
		time := fmt.Sprintf("%.3f", ratio)
		if len(g.runs) > 1 {
			time += fmt.Sprintf(" (%.3f)", worst)
		}
		copies, _ := g.mean(func(s simulated) float64 { return s.Copies })
		sent := fmt.Sprintf("%.3f", copies)
		if g.Crossed > 0 {
			crossed, _ := g.mean(func(s simulated) float64 { return s.Crossed })
			sent += fmt.Sprintf("; %.3f", crossed)
		}
		rows = append(rows, []string{
			c.title, strconv.Itoa(g.Receivers), g.blocks(), time, sent, fmt.Sprintf("%.4f", g.Share),
			strconv.Itoa(g.Sessions), fmt.Sprintf("%.0f", g.StateBytes/1024),
		})
	}
	return table([]string{"receivers", "N", "blocks", "time / limit", "seed copies", "control", "sessions", "state KiB"}, rows)
}
