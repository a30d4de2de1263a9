package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// publish makes the page's tables and the pictures of what is kept.
func (r *results) publish() error {
	sim, err := loadSimulated(simFile)
	if err != nil {
		return err
	}
	page, err := os.ReadFile(pageFile)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	text, err := fill(string(page), r.tables(sim))
	if err != nil {
		return err
	}
	if err := os.WriteFile(pageFile, []byte(text), 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(resultsDir, 0o755); err != nil {
		return err
	}
	for name, svg := range r.pictures(sim) {
		if err := os.WriteFile(filepath.Join(resultsDir, name+".svg"), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The page's tables stand between these comments.
const (
	tableBegin = "<!-- table %s: make bench writes it -->\n"
	tableEnd   = "<!-- end -->\n"
)

// fill puts tables in their places on the page. One without a place is an error.
func fill(page string, tables map[string]string) (string, error) {
	for name, table := range tables {
		before, rest, ok := strings.Cut(page, fmt.Sprintf(tableBegin, name))
		_, after, closed := strings.Cut(rest, tableEnd)
		if !ok || !closed {
			return "", fmt.Errorf("%s has no place for table %s", pageFile, name)
		}
		page = before + fmt.Sprintf(tableBegin, name) + table + tableEnd + after
	}
	return page, nil
}

// tables are all of the page's by their names.
func (r *results) tables(sim []simulated) map[string]string {
	return map[string]string{
		"machine":   r.machineLine(),
		"shaped":    r.shapedTable(),
		"beside":    r.toolTable("peers shaped", column{"of the limit", "ratio", "%.3f"}, column{"seed egress", "seed copies", "%.2f"}),
		"unshaped":  r.toolTable("peers unshaped", column{"s", "makespan", "%.2f"}, column{"seed egress", "seed copies", "%.2f"}),
		"onetoone":  r.toolTable("one to one", column{"s", "makespan", "%.2f"}),
		"ticket":    r.toolTable("ticket", column{"s", "makespan", "%.2f"}, column{"GiB/s", "GiB/s", "%.2f"}),
		"blocks":    r.blocksTable(),
		"simulated": simTable(sim),
		"versions":  r.versionsLine(),
	}
}

// medians are a row's.
func (x row) medians() outcome { return medians(x.Runs) }

// column is a figure with its heading and its form.
type column struct{ head, figure, format string }

// cell is a figure as text, "-" if it isn't known.
func (c column) cell(o outcome) string {
	v, ok := o[c.figure]
	if !ok {
		return "-"
	}
	return fmt.Sprintf(c.format, v)
}

// table is Markdown's.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(head)
	b.WriteString("|" + strings.Repeat("---|", len(head)) + "\n")
	for _, r := range rows {
		line(r)
	}
	return b.String()
}

// costs are the columns that every table ends with.
var costs = []column{{"CPU s/GiB", "cpu s/GiB", "%.2f"}, {"peak MiB", "peak MiB", "%.0f"}, {"load", "load", "%.2f"}}

// measured is a line of a table: what was measured, and the figures.
type measured struct {
	lead []string
	outcome
}

// figureTable has a column for each cell of the lines' leads, the given ones, and costs.
func figureTable(lead []string, columns []column, lines []measured) string {
	columns = slices.Concat(columns, costs)
	for _, c := range columns {
		lead = append(lead, c.head)
	}
	var rows [][]string
	for _, m := range lines {
		cells := m.lead
		for _, c := range columns {
			cells = append(cells, c.cell(m.outcome))
		}
		rows = append(rows, cells)
	}
	return table(lead, rows)
}

// toolTable has a line for each tool of a case.
func (r *results) toolTable(name string, columns ...column) string {
	var lines []measured
	for _, tool := range experiments[caseOrder(name)].tools {
		if x := r.row(name, tool); x != nil {
			lines = append(lines, measured{[]string{tool, fmt.Sprint(len(x.Runs))}, x.medians()})
		}
	}
	return figureTable([]string{"tool", "runs"}, columns, lines)
}

// shapedTable has a line for each case of p2pcp alone on shaped links, with the usual size of Blocks.
func (r *results) shapedTable() string {
	var lines []measured
	for _, e := range experiments {
		x := r.row(e.name, "p2pcp")
		if e.tools != nil || e.seedArgs != nil || x == nil {
			continue
		}
		m := x.medians()
		lines = append(lines, measured{[]string{e.title(), fmt.Sprint(len(x.Runs)), e.time(m)}, m})
	}
	return figureTable([]string{"receivers", "runs", "time"}, []column{
		{"seed egress", "seed copies", "%.3f"}, {"P95/P50", "p95/p50", "%.3f"}, {"wasted", "waste", "%.4f"}, {"control", "control", "%.4f"},
	}, lines)
}

// title says what the case is.
func (e experiment) title() string {
	t := fmt.Sprintf("%d, %d Mbit/s, %d MiB", e.receivers, e.mbit, e.mib)
	if e.seedMbit > 0 {
		t += fmt.Sprintf(", the seed's link %d", e.seedMbit)
	}
	if e.slowMbit > 0 {
		t += fmt.Sprintf(", one receiver's link %d", e.slowMbit)
	}
	if e.apart > 0 {
		t += fmt.Sprintf(", started %v s apart", e.apart.Seconds())
	}
	if e.kill {
		t += ", half of them killed at half"
	}
	if e.zones {
		t += ", in two zones"
	}
	if e.fanout > 0 {
		t += fmt.Sprintf(", %d at a time", e.fanout)
	}
	if len(e.args) > 0 {
		t += ", `" + strings.Join(e.args, " ") + "`"
	}
	return t
}

// time is the figure of time that counts in a case.
func (e experiment) time(m outcome) string {
	switch {
	case e.slowMbit > 0:
		return fmt.Sprintf("the others' P95 %.3f", m["others' p95/limit"])
	case e.apart > 0:
		return fmt.Sprintf("the last one's own %.3f", m["last own/limit"])
	case e.kill:
		return fmt.Sprintf("the rest %.3f", m["ratio"])
	case bool(e.zones):
		return fmt.Sprintf("**%.3f**, %.3f copies crossed", m["ratio"], m["crossed"])
	case e.fanout > 0 || e.mib == 1:
		return fmt.Sprintf("%.2f s", m["makespan"])
	default:
		return fmt.Sprintf("**%.3f**", m["ratio"])
	}
}

// blockRows are the cases of other sizes of Blocks that were measured, with the sizes' names.
func (r *results) blockRows() (names []string, all []outcome) {
	for _, e := range experiments {
		if x := r.row(e.name, "p2pcp"); e.seedArgs != nil && x != nil {
			names, all = append(names, strings.TrimPrefix(e.name, "blocks of ")), append(all, x.medians())
		}
	}
	return names, all
}

func (r *results) blocksTable() string {
	var lines []measured
	names, all := r.blockRows()
	for k, m := range all {
		lines = append(lines, measured{[]string{names[k]}, m})
	}
	return figureTable([]string{"block"}, []column{
		{"of the limit", "ratio", "%.3f"}, {"seed egress", "seed copies", "%.3f"}, {"control", "control", "%.4f"}, {"wasted", "waste", "%.4f"},
	}, lines)
}

// machineLine says what measured, and when.
func (r *results) machineLine() string {
	if len(r.Rows) == 0 {
		return "Nothing was measured yet.\n"
	}
	day := func(x row) string { return x.Date.Format("2006-01-02") }
	first, last := day(r.Rows[0]), day(r.Rows[0])
	var builds []string
	for _, x := range r.Rows {
		first, last = min(first, day(x)), max(last, day(x))
		if f := strings.Fields(x.Version); x.Tool == "p2pcp" && len(f) > 1 && !slices.Contains(builds, f[1]) {
			builds = append(builds, f[1])
		}
	}
	when := first
	if last != first {
		when += " to " + last
	}
	m := r.Machine
	return fmt.Sprintf("Measured %s on %s, %d cores, %d GiB, Linux %s; medians. Builds of p2pcp: %s (each row's is in the raw figures).\n",
		when, m.CPU, m.Cores, m.MemoryGiB, m.Kernel, strings.Join(builds, ", "))
}

// versionsLine names the other tools' versions.
func (r *results) versionsLine() string {
	var all []string
	for _, x := range r.Rows {
		for v := range strings.SplitSeq(x.Version, ", ") {
			if x.Tool != "p2pcp" && v != "" && !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	return "Versions: " + strings.Join(all, ", ") + ".\n"
}
