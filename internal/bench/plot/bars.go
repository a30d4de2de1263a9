package plot

import "fmt"

// Bars are figures of several things side by side: a panel for each figure, a bar for each thing. Less is better throughout.
type Bars struct {
	Title, Note string
	Names       []string
	Strong      int // the index of the name that stands out; -1: none
	Panels      []Panel
}

// Panel is one figure of each name; a negative one isn't known.
type Panel struct {
	Name   string
	Values []float64
	Format string // of fmt
}

// Sizes of Bars, in pixels.
const (
	nameWidth = 112
	barGap    = 26 // from one bar's top to the next one's
	barHeight = 15
	valueRoom = 52 // right of the longest bar
)

// SVG draws them.
func (b Bars) SVG() string {
	h := top + 12 + barGap*len(b.Names) + 10
	d := begin(width, h, b.Title, b.Note)
	for k, name := range b.Names {
		class := ""
		if k == b.Strong {
			class = fmt.Sprintf(`style="fill:%s;font-weight:600"`, palette[0])
		}
		d.text(16, barTop(k)+12, name, class)
	}
	panel := float64(width-16-nameWidth) / float64(len(b.Panels))
	for n, p := range b.Panels {
		from := 16 + nameWidth + float64(n)*panel
		d.text(from, top, p.Name, "")
		most := 0.0
		for _, v := range p.Values {
			most = max(most, v)
		}
		for k, v := range p.Values {
			if v < 0 {
				d.text(from, barTop(k)+12, "-", "")
				continue
			}
			color := palette[Gray]
			if k == b.Strong {
				color = palette[0]
			}
			long := v / most * (panel - valueRoom - 14)
			fmt.Fprintf(&d.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%d" rx="2" fill="%s"/>`+"\n", from, barTop(k), max(long, 1), barHeight, color)
			d.text(from+max(long, 1)+6, barTop(k)+12, fmt.Sprintf(p.Format, v), "")
		}
	}
	return d.end()
}

func barTop(k int) float64 { return float64(top + 12 + barGap*k) }
