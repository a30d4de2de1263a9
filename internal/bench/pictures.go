package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"p2pcp/internal/bench/plot"
)

// pictures are all that there is data for, by the names of their files.
func (r *results) pictures(sim []simulated) map[string]string {
	all := map[string]string{
		"ratio": r.overN(sim, "Time over the physical limit, by the number of receivers", 1, "ratio", func(s simulated) float64 { return s.Ratio }),
		"egress": r.overN(sim, "Copies that the seed sends, by the number of receivers", 1, "seed copies",
			func(s simulated) float64 { return s.Copies }),
	}
	if svg, ok := r.completion(); ok {
		all["completion"] = svg
	}
	if svg, ok := r.besides(); ok {
		all["completion-beside"] = svg
	}
	if svg, ok := r.peersBars(); ok {
		all["peers"] = svg
	}
	if svg, ok := r.blockBars(); ok {
		all["blocks"] = svg
	}
	return all
}

// shares are the curves of a run over time in units of its limit: the share of the receivers that are complete, and of the bytes
// that they have.
func shares(x record, mib float64) (ends, bytes []plot.Point) {
	limit := x.Figures["limit"]
	ends = []plot.Point{{X: x.Ends[0] / limit, Y: 0}}
	for k, t := range x.Ends {
		ends = append(ends, plot.Point{X: t / limit, Y: 100 * float64(k+1) / float64(len(x.Ends))})
	}
	for _, p := range x.Bytes {
		// What interfaces count has headers; it ends at all of the content.
		most := max(x.Bytes[len(x.Bytes)-1][1], mib*float64(len(x.Ends)))
		bytes = append(bytes, plot.Point{X: p[0] / limit, Y: 100 * p[1] / most})
	}
	return ends, bytes
}

// middle is the run of the median makespan.
func (x row) middle() record {
	runs := slices.SortedFunc(slices.Values(x.Runs), func(a, b record) int {
		return int(math.Copysign(1, a.Figures["makespan"]-b.Figures["makespan"]))
	})
	return runs[(len(runs)-1)/2]
}

func percent(v float64) string { return fmt.Sprintf("%g %%", v) }

// curves adds what a row shows to a chart.
func curves(c *plot.Chart, x *row, name string, color int) {
	run := x.middle()
	ends, bytes := shares(run, float64(experiments[caseOrder(x.Case)].mib))
	c.Lines = append(c.Lines, plot.Line{Name: name, Color: color, Points: bytes, Thin: true}, plot.Line{Color: color, Points: ends, Steps: true})
}

// completion is how p2pcp's receivers complete in swarms of several sizes.
func (r *results) completion() (string, bool) {
	c := plot.Chart{
		Title: "Receivers complete (bold) and bytes received (dashed)", Note: "p2pcp on shaped links; time in units of the physical limit",
		X: plot.Axis{Name: "time / limit", Max: 1.4}, Y: plot.Axis{Max: 100, Format: percent},
	}
	for k, name := range []string{"8x200", "16x100", "32x50"} {
		if x := r.row(name, "p2pcp"); x != nil {
			e := experiments[caseOrder(name)]
			curves(&c, x, fmt.Sprintf("%d at %d Mbit/s", e.receivers, e.mbit), k)
		}
	}
	return c.SVG(), len(c.Lines) > 0
}

// besides is the same of 8 receivers with each tool.
func (r *results) besides() (string, bool) {
	c := plot.Chart{
		Title: "Receivers complete (bold) and bytes received (dashed), beside other tools",
		Note:  "8 receivers at 200 Mbit/s, 256 MiB; what isn't complete at the right edge comes later",
		X:     plot.Axis{Name: "time / limit", Max: 2.5}, Y: plot.Axis{Max: 100, Format: percent},
	}
	for k, tool := range experiments[caseOrder("peers shaped")].tools {
		if x := r.row("peers shaped", tool); x != nil {
			curves(&c, x, fmt.Sprintf("%s, %.2f", tool, x.medians()["ratio"]), k)
		}
	}
	return c.SVG(), len(c.Lines) > 0
}

// peersBars are the figures of each tool.
func (r *results) peersBars() (string, bool) {
	b := plot.Bars{
		Title: "8 receivers, 256 MiB, beside other tools", Note: "less is better; on links of 200 Mbit/s, and unshaped on the machine's cores",
		Panels: []plot.Panel{
			{Name: "time / limit", Format: "%.2f"},
			{Name: "seed egress, copies", Format: "%.2f"},
			{Name: "CPU s/GiB", Format: "%.1f"},
			{Name: "unshaped, s", Format: "%.2f"},
		},
	}
	for _, tool := range experiments[caseOrder("peers shaped")].tools {
		x, free := r.row("peers shaped", tool), r.row("peers unshaped", tool)
		if x == nil {
			continue
		}
		m, values := x.medians(), []float64{-1, -1, -1, -1}
		values[0], values[1], values[2] = m["ratio"], m["seed copies"], m["cpu s/GiB"]
		if free != nil {
			values[3] = free.medians()["makespan"]
		}
		b.Names = append(b.Names, tool)
		for k, v := range values {
			b.Panels[k].Values = append(b.Panels[k].Values, v)
		}
	}
	b.Strong = slices.Index(b.Names, "p2pcp")
	return b.SVG(), len(b.Names) > 0
}

// blockBars are the figures of each size of Blocks.
func (r *results) blockBars() (string, bool) {
	names, all := r.blockRows()
	b := plot.Bars{
		Title: "Size of blocks", Note: "8 receivers at 200 Mbit/s, 256 MiB; less is better", Names: names, Strong: slices.Index(names, "128 KiB"),
		Panels: []plot.Panel{
			{Name: "% above the limit", Format: "%.1f"}, {Name: "CPU s/GiB", Format: "%.1f"}, {Name: "control, %", Format: "%.2f"},
		},
	}
	for _, m := range all {
		for k, v := range []float64{100 * (m["ratio"] - 1), m["cpu s/GiB"], 100 * m["control"]} {
			b.Panels[k].Values = append(b.Panels[k].Values, max(v, 0))
		}
	}
	return b.SVG(), len(names) > 0
}

// overN is a figure over the number of receivers: a line for each number of simulated blocks, and a dot for each case in the lab.
func (r *results) overN(sim []simulated, title string, least float64, figure string, of func(simulated) float64) string {
	c := plot.Chart{
		Title: title, Note: "lines: simulated, with the binary's core; dots: real processes in the lab (the high ones bound by its two cores)",
		X: plot.Axis{Name: "receivers", Log: true, Min: 4, Format: func(v float64) string { return strconv.Itoa(int(v)) }},
		Y: plot.Axis{Min: least},
	}
	most := 32
	byBlocks := map[string][]simGroup{} // ascending N
	for _, g := range grouped(sim) {
		if g.Case == plainSim {
			byBlocks[g.blocks()] = append(byBlocks[g.blocks()], g)
			most = max(most, g.Receivers)
		}
	}
	for k, blocks := range slices.Sorted(maps.Keys(byBlocks)) {
		l := plot.Line{Name: blocks, Color: k % plot.Gray, Dots: len(byBlocks[blocks]) == 1}
		for _, g := range byBlocks[blocks] {
			mean, _ := g.mean(of)
			l.Points = append(l.Points, plot.Point{X: float64(g.Receivers), Y: mean})
		}
		c.Lines = append(c.Lines, l)
	}
	labPoints := plot.Line{Color: plot.Gray, Dots: true, Bare: true}
	for _, name := range []string{"8x200", "16x100", "16x200", "32x50"} {
		if x := r.row(name, "p2pcp"); x != nil {
			labPoints.Points = append(labPoints.Points, plot.Point{X: float64(experiments[caseOrder(name)].receivers), Y: x.medians()[figure]})
		}
	}
	c.Lines = append(c.Lines, labPoints)
	for n := 4; n < 2*most; n *= 2 {
		c.X.Ticks = append(c.X.Ticks, float64(n))
	}
	c.X.Max = c.X.Ticks[len(c.X.Ticks)-1]
	top := least + 0.1
	for _, l := range c.Lines {
		for _, p := range l.Points {
			top = max(top, p.Y)
		}
	}
	c.Y.Max = math.Ceil(top*20) / 20
	return c.SVG()
}
