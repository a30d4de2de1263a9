package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Where results are kept and shown, from the top of the repository.
const (
	resultsDir  = "docs/performance"
	resultsFile = resultsDir + "/results.json"
	simFile     = resultsDir + "/sim.jsonl" // the simulator's: one object a run
	pageFile    = "docs/PERFORMANCE.md"
)

// results is the file of raw figures: the newest of each case and tool.
type results struct {
	Machine hardware `json:"machine"` // of the newest
	Rows    []row    `json:"rows"`    // in the cases' order
}

// hardware says what measured.
type hardware struct {
	CPU       string `json:"cpu"`
	Cores     int    `json:"cores"`
	MemoryGiB int    `json:"memory_gib"`
	Kernel    string `json:"kernel"`
	Go        string `json:"go"`
}

// row is what one tool did in one case.
type row struct {
	Case    string    `json:"case"`
	Tool    string    `json:"tool"`
	Version string    `json:"version"`
	Date    time.Time `json:"date"`
	Runs    []record  `json:"runs"`
}

// record is one run.
type record struct {
	Figures outcome      `json:"figures"`
	Ends    []float64    `json:"ends,omitempty"`  // when receivers were complete, seconds from the first one's start, ascending
	Bytes   [][2]float64 `json:"bytes,omitempty"` // what all had received: seconds, MiB
}

// MarshalJSON rounds: nothing here is known to more than four digits.
func (o outcome) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for k, name := range sortedNames(o) {
		if k > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q: %.4g", name, o[name])
	}
	return []byte("{" + b.String() + "}"), nil
}

func loadResults(path string) (*results, error) {
	r := &results{}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, r)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

// put takes a row in place of the one of the same case and tool.
func (r *results) put(n row) {
	r.Machine = thisMachine()
	if old := r.row(n.Case, n.Tool); old != nil {
		*old = n
		return
	}
	r.Rows = append(r.Rows, n)
	slices.SortStableFunc(r.Rows, func(a, b row) int { return caseOrder(a.Case) - caseOrder(b.Case) })
}

// row is that of a case and tool; nil if it wasn't measured.
func (r *results) row(name, tool string) *row {
	k := slices.IndexFunc(r.Rows, func(x row) bool { return x.Case == name && x.Tool == tool })
	if k < 0 {
		return nil
	}
	return &r.Rows[k]
}

func caseOrder(name string) int {
	return slices.IndexFunc(experiments, func(e experiment) bool { return e.name == name })
}

// save writes one run a line, so that a change of one is a change of one line.
func (r *results) save(path string) error {
	var b bytes.Buffer
	head, err := json.Marshal(r.Machine)
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "{\n\"machine\": %s,\n\"rows\": [", head)
	for k, x := range r.Rows {
		runs := x.Runs
		x.Runs = nil
		head, err := json.Marshal(x)
		if err != nil {
			return err
		}
		if k > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n%s [", strings.TrimSuffix(string(head), "null}"))
		for n, run := range runs {
			line, err := json.Marshal(run)
			if err != nil {
				return err
			}
			if n > 0 {
				b.WriteString(",")
			}
			b.WriteString("\n  ")
			b.Write(line)
		}
		b.WriteString("\n]}")
	}
	b.WriteString("\n]}\n")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

func thisMachine() hardware {
	field := func(path, name string) string {
		b, _ := os.ReadFile(path) // what can't be read isn't said
		for line := range strings.Lines(string(b)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
				return strings.TrimSpace(value)
			}
		}
		return ""
	}
	var kib int
	_, _ = fmt.Sscan(field("/proc/meminfo", "MemTotal"), &kib)
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return hardware{
		CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), MemoryGiB: (kib + 1<<19) >> 20,
		Kernel: strings.TrimSpace(string(kernel)), Go: runtime.Version(),
	}
}
