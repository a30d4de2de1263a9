// Package plot draws the project's pictures: lines over a number, and bars side by side, as SVG. The ground is transparent and the
// colors are of middle lightness, so that they can be read on light and on dark pages. It reads and writes no files.
package plot

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Point is a place in a Chart, in the units of its axes.
type Point struct{ X, Y float64 }

// Line is one series of a Chart. Its name stands at its end.
type Line struct {
	Name   string
	Color  int // of the palette
	Points []Point
	Steps  bool // constant from each point to the next
	Thin   bool
	Dots   bool // a dot at each point
	Bare   bool // no line
}

// Axis is a Chart's scale. Ticks that aren't given are chosen.
type Axis struct {
	Name     string  // of X; what Y is, the title says
	Min, Max float64 // Max 0: what the points need
	Log      bool    // by powers of two; Min must be above 0
	Ticks    []float64
	Format   func(float64) string // nil: the shortest
}

// Chart is lines over a number.
type Chart struct {
	Title, Note string
	X, Y        Axis
	Lines       []Line
}

// palette are colors that stand out from white and from black.
var palette = []string{"#3b82f6", "#e0812b", "#22a06b", "#a26be0", "#e5534b", "#1fa3b5", "#8a919a"}

// Gray is the palette's quietest color.
const Gray = 6

// ink is the color of text and axes.
const ink = "#7a828c"

// Sizes of a Chart, in pixels.
const (
	width, height = 760, 400
	left, right   = 58, 168
	top, bottom   = 62, 50
	lineHeight    = 16
)

// span is a scale of an axis in pixels.
type span struct {
	Axis
	from, to float64 // pixels of Min and Max
}

func (s span) at(v float64) float64 {
	lo, hi := s.Min, s.Max
	if s.Log {
		lo, hi, v = math.Log2(lo), math.Log2(hi), math.Log2(v)
	}
	return s.from + (v-lo)/(hi-lo)*(s.to-s.from)
}

// fit completes an axis by the values that it has to show.
func (a Axis) fit(values []float64) Axis {
	if a.Max == 0 && len(values) > 0 {
		a.Max = slices.Max(values)
	}
	if a.Max <= a.Min {
		a.Max = a.Min + 1
	}
	if a.Ticks == nil {
		a.Ticks = ticks(a.Min, a.Max)
	}
	if a.Format == nil {
		a.Format = func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	}
	return a
}

// ticks are at most nine round numbers from lo to hi.
func ticks(lo, hi float64) (out []float64) {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/8)))
	for _, k := range []float64{1, 2, 5, 10} {
		if (hi-lo)/(k*step) <= 8.001 {
			step *= k
			break
		}
	}
	for k := math.Ceil(lo/step - 1e-9); k*step <= hi+step*1e-6; k++ {
		v, _ := strconv.ParseFloat(strconv.FormatFloat(k*step+0, 'g', 12, 64), 64) // 0.3, not 0.30000000000000004
		out = append(out, v)
	}
	return out
}

// SVG draws it.
func (c Chart) SVG() string {
	var xs, ys []float64
	for _, l := range c.Lines {
		for _, p := range l.Points {
			xs, ys = append(xs, p.X), append(ys, p.Y)
		}
	}
	x := span{c.X.fit(xs), left, width - right}
	y := span{c.Y.fit(ys), height - bottom, top}
	d := begin(width, height, c.Title, c.Note)
	for _, v := range y.Ticks {
		d.line(left, y.at(v), width-right, y.at(v), `class="grid"`)
		d.text(left-8, y.at(v)+4, y.Format(v), `text-anchor="end"`)
	}
	d.line(left, height-bottom, width-right, height-bottom, `class="axis"`)
	for _, v := range x.Ticks {
		d.line(x.at(v), height-bottom, x.at(v), height-bottom+5, `class="axis"`)
		d.text(x.at(v), height-bottom+19, x.Format(v), `text-anchor="middle"`)
	}
	d.text(width-right, height-12, c.X.Name, `text-anchor="end"`)
	var names []label
	for _, l := range c.Lines {
		if at, ok := d.series(l, x, y); ok && l.Name != "" {
			names = append(names, label{l.Name, l.Color, at.Y})
		}
	}
	spread(names, top+4, height-bottom)
	for _, n := range names {
		d.text(width-right+10, n.y+4, n.text, fmt.Sprintf(`style="fill:%s"`, palette[n.color]))
	}
	return d.end()
}

// label is a line's name at a height.
type label struct {
	text  string
	color int
	y     float64
}

// spread moves labels apart, in order, within from and to.
func spread(all []label, from, to float64) {
	slices.SortStableFunc(all, func(a, b label) int { return int(math.Copysign(1, a.y-b.y)) })
	for k := range all {
		all[k].y = max(all[k].y, from)
		if k > 0 {
			all[k].y = max(all[k].y, all[k-1].y+lineHeight)
		}
	}
	for k := len(all) - 1; k >= 0; k-- {
		all[k].y = min(all[k].y, to-float64(len(all)-1-k)*lineHeight)
	}
}

// series draws a line as far as the axes go and returns its end.
func (d *drawing) series(l Line, x, y span) (end Point, ok bool) {
	var path strings.Builder
	last := Point{}
	for _, p := range l.Points {
		inside := p.X <= x.Max && p.X >= x.Min
		if !inside && (!ok || !l.Steps) {
			continue
		}
		at := Point{x.at(min(p.X, x.Max)), y.at(min(p.Y, y.Max))}
		switch {
		case !ok:
			fmt.Fprintf(&path, "M%.1f %.1f", at.X, at.Y)
		case l.Steps:
			fmt.Fprintf(&path, "H%.1f", at.X)
			if inside {
				fmt.Fprintf(&path, "V%.1f", at.Y)
			}
		default:
			fmt.Fprintf(&path, "L%.1f %.1f", at.X, at.Y)
		}
		if !inside {
			break
		}
		last, ok = at, true
		if l.Dots {
			fmt.Fprintf(&d.b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`+"\n", at.X, at.Y, palette[l.Color])
		}
	}
	if ok && !l.Bare {
		class := "bold"
		if l.Thin {
			class = "thin"
		}
		fmt.Fprintf(&d.b, `<path class="%s" d="%s" stroke="%s"/>`+"\n", class, path.String(), palette[l.Color])
	}
	return last, ok
}
