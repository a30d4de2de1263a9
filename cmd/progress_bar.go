package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/schollz/progressbar/v3"
)

// minBar and maxBar are the columns that the bar itself may take, its ends left out. A narrower one says nothing.
const (
	minBar = 6
	maxBar = 30
)

// barLine is one frame of the bar, at most width columns:
//
//	get big.tar  42% |####----| 4.2/10.0 GiB  1.1 GiB/s  eta 5s  up 0.9 GiB/s  peers 38  seed 12%
//
// A narrow terminal loses the fields from the right, then the bar, then the name. Each field has room for its longest text, so that
// the bar keeps its width as long as the stage and the terminal do.
func barLine(command string, v progressView, width int) string {
	head, fields := barHead(command, v), barFields(v)
	if v.Total == 0 {
		parts := []string{head}
		for _, f := range fields {
			if f.text != "" {
				parts = append(parts, f.text)
			}
		}
		return cut(strings.Join(parts, "  "), width)
	}
	// What drawBar puts around the bar: "  42% |", "|" and a space.
	const frame = 9
	for n := len(fields); n >= 0; n-- {
		padded := make([]string, n)
		for i, f := range fields[:n] {
			padded[i] = fmt.Sprintf("%-*s", f.room, f.text)
		}
		tail := strings.Join(padded, "  ")
		bar := width - lipgloss.Width(head) - frame - lipgloss.Width(tail)
		if bar >= minBar {
			return drawBar(head, tail, v, min(bar, maxBar))
		}
	}
	short := fmt.Sprintf("%s %d%%  %s", command, v.percent(), rateText(v.Down))
	return cut(strings.TrimRight(short, " "), width)
}

// barHead is what stands before the bar.
func barHead(command string, v progressView) string {
	head := command
	if v.Name != "" {
		head += " " + cut(quoteName(v.Name), 24)
	}
	if v.Stage != stageTransfer && v.Stage != "" {
		head += " " + v.Stage
	}
	return head
}

// barField is one number behind the bar.
type barField struct {
	text string // empty: not known yet
	room int    // columns of its longest text
}

// barFields are the numbers after the bar, the most wanted first: which ones they are depends on the stage alone.
func barFields(v progressView) []barField {
	var f []barField
	if v.Total > 0 {
		f = append(f, barField{formatOf(min(v.Done, v.Total), v.Total), sizeRoom(v.Total)})
	}
	local := v.Stage == stageHashing || v.Stage == stageChecking
	if local || v.Stage == stageTransfer || v.Stage == stageManifest {
		eta := ""
		if v.Left >= 0 {
			eta = "eta " + formatLeft(v.Left)
		}
		f = append(f, barField{rateText(v.Down), len("99.9 GiB/s")}, barField{eta, len("eta 59m59s")})
	}
	if local {
		return f
	}
	up, share := "", ""
	if v.Sent > 0 || v.Total > 0 {
		up = "up " + formatRate(v.Up)
	}
	if v.Received > 0 {
		share = fmt.Sprintf("seed %.0f%%", 100*v.seedShare())
	}
	return append(f,
		barField{up, len("up 99.9 GiB/s")}, barField{fmt.Sprintf("peers %d", v.Peers), len("peers 64")}, barField{share, len("seed 100%")})
}

// rateText is a rate that may be unknown.
func rateText(rate float64) string {
	if rate < 0 {
		return ""
	}
	return formatRate(rate)
}

// sizeRoom is the width of the longest formatOf with this total: below 100 what is done has a decimal place.
func sizeRoom(total uint64) int {
	number, unit := scaled(float64(total))
	room := len(formatOf(total, total))
	if unit != "B" && len(number) == len("100") && !strings.Contains(number, ".") {
		room++
	}
	return room
}

// drawBar lets progressbar render one frame. Each frame is a bar of its own: it then keeps no rate or clock of its own (ours
// know of resumed bytes), never counts itself as finished, and follows a resized terminal. It writes nowhere: as the screen is
// its only writer there is no fsync and no race with other lines.
func drawBar(head, tail string, v progressView, columns int) string {
	end := "|"
	if tail != "" {
		end += " " + tail
	}
	bar := progressbar.NewOptions64(100,
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetDescription(head),
		progressbar.OptionSetWidth(columns),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetTheme(progressbar.Theme{
			Saucer: "#", SaucerPadding: "-", BarStart: "|", BarEnd: end,
		}),
	)
	// Errors are those of the writer, which has none, and of more than 100 percent.
	if percent := v.percent(); percent > 0 {
		_ = bar.Set(percent)
	} else {
		_ = bar.RenderBlank()
	}
	return strings.TrimRight(strings.Trim(bar.String(), "\r"), " ")
}

// cut shortens a line to width columns; what was cut shows as "~".
func cut(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if lipgloss.Width(s) <= width {
		return s
	}
	var b strings.Builder
	used := 0
	for _, r := range s {
		w := lipgloss.Width(string(r))
		if used+w > width-1 {
			break
		}
		b.WriteRune(r)
		used += w
	}
	return b.String() + "~"
}
