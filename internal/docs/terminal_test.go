package docs

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// Measures of a terminal's picture, in SVG's units.
const (
	cellWidth  = 8.4
	lineHeight = 19
	margin     = 14
)

// sgr is what changes colors and weight in what a terminal shows.
var sgr = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// palette are the 16 colors, on a dark ground that suits light pages and dark ones.
var palette = []string{
	"#6e7681", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#76e3ea", "#c9d1d9",
	"#8b949e", "#ffa198", "#aff5b4", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#f0f6fc",
}

// pen is how the following text is drawn.
type pen struct {
	color       string
	bold, faint bool
}

// apply follows one escape sequence's numbers.
func (p *pen) apply(numbers string) {
	for _, n := range strings.Split(numbers, ";") {
		var k int
		_, _ = fmt.Sscan(n, &k) // none is 0
		switch {
		case k == 0:
			*p = pen{color: palette[7]}
		case k == 1:
			p.bold = true
		case k == 2:
			p.faint = true
		case k == 22:
			p.bold, p.faint = false, false
		case k >= 30 && k < 38:
			p.color = palette[k-30]
		case k >= 90 && k < 98:
			p.color = palette[k-90+8]
		case k == 39:
			p.color = palette[7]
		}
	}
}

// drawTerminal makes an SVG of what a terminal of so many columns shows, with its escape sequences.
func drawTerminal(text string, columns int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	width, height := float64(columns)*cellWidth+2*margin, float64(len(lines)*lineHeight+2*margin)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-size="14" `+
		`font-family="ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="#0d1117" stroke="#30363d"/>`+"\n")
	p := pen{color: palette[7]}
	for row, line := range lines {
		column := 0
		for line != "" {
			part := line
			m := sgr.FindStringSubmatchIndex(line)
			if m != nil {
				part = line[:m[0]]
			}
			drawPart(&b, part, p, column, row)
			column += len([]rune(part))
			if m == nil {
				break
			}
			p.apply(line[m[2]:m[3]])
			line = line[m[1]:]
		}
	}
	return b.String() + "</svg>\n"
}

// drawPart writes text in one pen's colors; its length is fixed, whatever the font.
func drawPart(b *strings.Builder, text string, p pen, column, row int) {
	if strings.TrimSpace(text) == "" {
		return
	}
	style := ""
	if p.bold {
		style += ` font-weight="bold"`
	}
	if p.faint {
		style += ` opacity="0.65"`
	}
	fmt.Fprintf(b, `<text xml:space="preserve" x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs" fill="%s"%s>`,
		margin+float64(column)*cellWidth, margin+(row+1)*lineHeight-5, float64(len([]rune(text)))*cellWidth, p.color, style)
	_ = xml.EscapeText(b, []byte(text)) // a Builder takes it
	b.WriteString("</text>\n")
}

func TestDrawTerminal(t *testing.T) {
	got := drawTerminal("a\x1b[1;31m<b>\x1b[0m c\n", 10)
	for _, want := range []string{
		`x="14.0" y="28" textLength="8.4" lengthAdjust="spacingAndGlyphs" fill="#c9d1d9">a</text>`,
		`x="22.4" y="28" textLength="25.2" lengthAdjust="spacingAndGlyphs" fill="#ff7b72" font-weight="bold">&lt;b&gt;</text>`,
		`fill="#c9d1d9"> c</text>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
}
