package plot

import (
	"fmt"
	"strings"
)

// drawing is an SVG that is being made.
type drawing struct{ b strings.Builder }

// begin opens one with its title and, below it, a note.
func begin(w, h int, title, note string) *drawing {
	d := &drawing{}
	fmt.Fprintf(&d.b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">
<title>%s</title>
<style>
text { font: 12px system-ui, "DejaVu Sans", Verdana, sans-serif; fill: %s }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: %s; stroke-opacity: .25 }
.axis { stroke: %s }
.bold { fill: none; stroke-width: 2.2; stroke-linejoin: round }
.thin { fill: none; stroke-width: 1.2; stroke-opacity: .8; stroke-dasharray: 4 3 }
</style>
`, w, h, w, h, escape(title), ink, ink, ink)
	d.text(16, 22, title, `class="title"`)
	d.text(16, 40, note, "")
	return d
}

func (d *drawing) line(x1, y1, x2, y2 float64, attr string) {
	fmt.Fprintf(&d.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>`+"\n", x1, y1, x2, y2, attr)
}

func (d *drawing) text(x, y float64, s, attr string) {
	if s != "" {
		fmt.Fprintf(&d.b, `<text x="%.1f" y="%.1f" %s>%s</text>`+"\n", x, y, attr, escape(s))
	}
}

func (d *drawing) end() string { return d.b.String() + "</svg>\n" }

// escape makes s safe inside an element.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
