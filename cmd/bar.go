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
// A narrow terminal loses the fields from the right, then the bar, then the name.
func barLine(command string, v progressView, width int) string {
	head, fields := barHead(command, v), barFields(v)
	if v.Total == 0 {
		return cut(strings.Join(append([]string{head}, fields...), "  "), width)
	}
	// What drawBar puts around the bar: "  42% |", "|" and a space.
	const frame = 9
	for n := len(fields); n >= 0; n-- {
		tail := strings.Join(fields[:n], "  ")
		bar := width - lipgloss.Width(head) - frame - lipgloss.Width(tail)
		if bar >= minBar {
			return drawBar(head, tail, v, min(bar, maxBar))
		}
	}
	short := fmt.Sprintf("%s %d%%  %s", command, v.percent(), formatRate(v.Down))
	return cut(short, width)
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

// barFields are the numbers after the bar, the most wanted first.
func barFields(v progressView) []string {
	var f []string
	if v.Total > 0 {
		f = append(f, formatOf(min(v.Done, v.Total), v.Total))
	}
	local := v.Stage == stageHashing || v.Stage == stageChecking
	if local || v.Stage == stageTransfer || v.Stage == stageManifest {
		f = append(f, formatRate(v.Down))
		if v.Left >= 0 {
			f = append(f, "eta "+formatLeft(v.Left))
		}
	}
	if local {
		return f
	}
	if v.Sent > 0 {
		f = append(f, "up "+formatRate(v.Up))
	}
	f = append(f, fmt.Sprintf("peers %d", v.Peers))
	if v.Received > 0 {
		f = append(f, fmt.Sprintf("seed %.0f%%", 100*v.seedShare()))
	}
	return f
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
