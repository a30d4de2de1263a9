package cmd

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"github.com/muesli/termenv"
)

// fleetStyle says what the place that a table goes to can show.
type fleetStyle struct {
	width int  // columns; 0: as wide as it gets
	lines int  // at most, 0: as many as there are
	color bool // the 16 ANSI colors
	utf8  bool // box drawing characters
}

// style is what t can show of a table that stays.
func (t terminal) style() fleetStyle {
	s := fleetStyle{color: t.color, utf8: t.utf8}
	if t.live {
		s.width, _ = t.size()
	}
	return s
}

// frame is what t can show of one that is redrawn in place, in at most so many lines.
func (t terminal) frame(most int) fleetStyle {
	columns, lines := t.size()
	return fleetStyle{width: columns - 1, lines: min(most, lines-1), color: t.color, utf8: t.utf8}
}

// The 16 ANSI colors only: a terminal has chosen them to be legible, and needs no query.
const (
	colorBad  = lipgloss.Color("1")
	colorGood = lipgloss.Color("2")
	colorSlow = lipgloss.Color("3")
)

// fleetLines are the header, a table of the hosts that aren't complete (failed, then slowest, first), and the complete ones
// folded. rows are sorted in place.
func fleetLines(h fleetHeader, rows []fleetRow, style fleetStyle) []string {
	sortFleet(rows)
	fit := func(s string) string {
		if style.width > 0 {
			return cut(s, style.width)
		}
		return s
	}
	counts := countFleet(rows)
	if over := lipgloss.Width(h.text(counts)) - style.width; style.width > 0 && over > 0 {
		h.Name = cut(h.Name, max(8, lipgloss.Width(h.Name)-over)) // the figures say more
	}
	var lines []string
	if h.Bar != nil && style.width > 0 {
		lines = append(lines, fleetBar(h, style.width))
	}
	lines = append(lines, fit(h.text(counts)))
	most := 0
	if style.lines > 0 {
		most = maxFailed
	}
	open, folded := foldComplete(rows, most)
	room := len(open)
	if style.lines > 0 {
		// What is above, the table's head with its rule, and the folded lines.
		room = min(room, max(0, style.lines-len(lines)-2-len(folded)))
		if room < len(open) {
			room = max(0, room-1)
		}
	}
	if room > 0 {
		lines = append(lines, tableLines(open[:room], style)...)
	}
	if room < len(open) {
		lines = append(lines, fit(fmt.Sprintf("and %d more under way or failed", len(open)-room)))
	}
	for _, f := range folded {
		lines = append(lines, f.text(style.width))
	}
	if style.lines > 0 && len(lines) > style.lines {
		lines = lines[:style.lines]
	}
	return lines
}

// fleetColumns are the table's; those from the end are left out first where the width doesn't do.
var fleetColumns = []string{"HOST", "STATE", "DONE", "RATE", "TIME", "NOTE"}

// tableLines draws rows as a table without an outer frame.
func tableLines(rows []fleetRow, style fleetStyle) []string {
	cells := make([][]string, len(rows))
	for i := range rows {
		cells[i] = rows[i].cells()
	}
	widths := columnWidths(cells, style.width)
	heads := make([]string, len(widths))
	for i, w := range widths {
		heads[i] = cut(fleetColumns[i], w)
		for _, row := range cells {
			row[i] = cut(row[i], w)
		}
	}
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.Ascii)
	if style.color {
		r.SetColorProfile(termenv.ANSI)
	}
	border := lipgloss.ASCIIBorder()
	if style.utf8 {
		border = lipgloss.NormalBorder()
	}
	t := table.New().
		Border(border).BorderStyle(r.NewStyle()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).BorderHeader(true).
		Headers(heads...).
		StyleFunc(func(row, column int) lipgloss.Style {
			s := r.NewStyle()
			if column < len(widths)-1 {
				s = s.PaddingRight(2)
			}
			if row >= 0 && column == 1 {
				s = s.Foreground(stateColor(&rows[row]))
			}
			return s
		})
	for _, row := range cells {
		t.Row(row[:len(widths)]...)
	}
	lines := strings.Split(t.Render(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

func stateColor(r *fleetRow) lipgloss.Color {
	switch c := r.class(); {
	case c <= rowLost || r.stuck() > 0:
		return colorBad
	case c == rowComplete:
		return colorGood
	}
	return colorSlow
}

// cells are the columns of a row, safe to print.
func (r *fleetRow) cells() []string {
	rate, took, code := "-", formatLeft(time.Duration(r.Seconds*float64(time.Second))), ""
	if r.class() == rowUnderWay {
		rate = formatRate(float64(r.Rate))
		if r.Seconds == 0 {
			took = "-" // it hasn't told yet
		}
	}
	if r.Code != 0 {
		code = "exit " + strconv.Itoa(r.Code) + " "
	}
	return []string{
		quoteName(r.Host), quoteName(r.State), strconv.Itoa(int(r.Done*100)) + "%", rate,
		took, strings.TrimRight(code+quoteMessage(r.Note), " "),
	}
}

// columnWidths fits the columns into width (0: no limit): the last one is shortened to 8, then left out, and so on down to the
// first two. Cells are shortened here because the table's own way loses its last column.
func columnWidths(cells [][]string, width int) []int {
	widths := make([]int, len(fleetColumns))
	for i, name := range fleetColumns {
		widths[i] = len(name)
		for _, row := range cells {
			widths[i] = max(widths[i], lipgloss.Width(row[i]))
		}
	}
	if width <= 0 {
		return widths
	}
	const least = 8
	for n := len(widths); ; n-- {
		used := 2 * (n - 1)
		for _, w := range widths[:n-1] {
			used += w
		}
		if room := width - used; room >= min(widths[n-1], least) || n == 2 {
			widths[n-1] = min(widths[n-1], max(1, room))
			if n == 2 && room < least {
				// A narrow terminal or a long name: the host gives way.
				widths[1] = min(least, max(1, width/2))
				widths[0] = min(widths[0], max(1, width-2-widths[1]))
			}
			return widths[:n]
		}
	}
}

// renderFleetTSV writes one line a host under a line of names, tab separated; tabs and line breaks are escaped.
func renderFleetTSV(w io.Writer, rows []fleetRow) error {
	sortFleet(rows)
	var b strings.Builder
	b.WriteString("HOST\tSTATE\tDONE\tRATE\tBYTES\tSECONDS\tCODE\tNOTE\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "%s\t%s\t%.3f\t%d\t%d\t%.3f\t%d\t%s\n",
			quoteMessage(r.Host), quoteMessage(r.State), r.Done, r.Rate, r.Bytes, r.Seconds, r.Code, quoteMessage(r.Note))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
