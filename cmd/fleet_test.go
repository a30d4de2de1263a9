package cmd

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
)

func sampleFleet() (fleetHeader, []fleetRow) {
	h := fleetHeader{ID: "7k3f9a00", Name: "big.tar", Size: 10 << 30, Expect: 12, Rate: 1 << 30, RateOf: "up", Sent: 1.306, Rarest: -1}
	rows := []fleetRow{
		{Host: "node012", State: "getting", Done: 0.71, Rate: 1 << 30, Seconds: 7},
		{Host: "node011", State: "failed", Done: 0.5, Seconds: 3, Code: 7, Note: "no space left\non device"},
		{Host: "node010", State: "getting", Done: 0.12, Rate: 0, Seconds: 61, Note: "no block for 41s"},
	}
	for i := 1; i <= 8; i++ {
		rows = append(rows, fleetRow{Host: fmt.Sprintf("node%03d", i), State: "changed", Done: 1, Seconds: float64(i)})
	}
	return h, append(rows, fleetRow{Host: "spare", State: "unchanged", Done: 1, Seconds: 0.25})
}

func TestFleetLines(t *testing.T) {
	for _, c := range []struct {
		name  string
		style fleetStyle
		want  string
	}{
		{"wide, utf-8", fleetStyle{utf8: true}, `
big.tar 10.0 GiB  9/12 hosts done  2 under way  1 failed  up 1.0 GiB/s  seed sent 1.31 copies
HOST     STATE    DONE  RATE       TIME  NOTE
────────────────────────────────────────────────────────────────────────
node011  failed   50%   -          3s    exit 7 no space left\non device
node010  getting  12%   0 B/s      1m1s  no block for 41s
node012  getting  71%   1.0 GiB/s  7s
node[001-008] (8) changed, slowest 8.0s
spare (1) unchanged, slowest 0.2s
`},
		{"40 columns", fleetStyle{width: 40}, `
big.tar 10.0 GiB  9/12 hosts done  2 un~
HOST     STATE    DONE  RATE       TIME
---------------------------------------
node011  failed   50%   -          3s
node010  getting  12%   0 B/s      1m1s
node012  getting  71%   1.0 GiB/s  7s
node[001-008] (8) changed, slowest 8.0s
spare (1) unchanged, slowest 0.2s
`},
		{"20 columns", fleetStyle{width: 20}, `
big.tar 10.0 GiB  9~
HOST     STATE
----------------
node011  failed
node010  getting
node012  getting
node[001-008] (8) c~
spare (1) unchanged~
`},
		{"7 lines", fleetStyle{width: 60, lines: 7}, `
big.tar 10.0 GiB  9/12 hosts done  2 under way  1 failed  u~
HOST     STATE   DONE  RATE  TIME  NOTE
------------------------------------------------------------
node011  failed  50%   -     3s    exit 7 no space left\non~
and 2 more under way or failed
node[001-008] (8) changed, slowest 8.0s
spare (1) unchanged, slowest 0.2s
`},
	} {
		h, rows := sampleFleet()
		if got := "\n" + strings.Join(fleetLines(h, rows, c.style), "\n") + "\n"; got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestFleetLinesFit(t *testing.T) {
	for width := 20; width < 130; width += 3 {
		for lines := 1; lines <= 14; lines++ {
			h, rows := sampleFleet()
			rows[0].Host = "a-host-with-quite-a-long-name.of.some.domain"
			got := fleetLines(h, rows, fleetStyle{width: width, lines: lines, color: true})
			if len(got) > lines {
				t.Fatalf("%d lines, want at most %d", len(got), lines)
			}
			for _, line := range got {
				if lipgloss.Width(line) > width {
					t.Fatalf("width %d: %q has %d", width, line, lipgloss.Width(line))
				}
			}
		}
	}
}

func TestFleetColors(t *testing.T) {
	h, rows := sampleFleet()
	plain := strings.Join(fleetLines(h, rows, fleetStyle{}), "\n")
	if strings.Contains(plain, "\x1b") {
		t.Errorf("escape sequences without color:\n%q", plain)
	}
	colored := strings.Join(fleetLines(h, rows, fleetStyle{color: true}), "\n")
	if !strings.Contains(colored, "\x1b[31mfailed") || !strings.Contains(colored, "\x1b[33mgetting") {
		t.Errorf("no red failure or yellow wait:\n%q", colored)
	}
}

func TestRenderFleetTSV(t *testing.T) {
	_, rows := sampleFleet()
	var b bytes.Buffer
	if err := renderFleetTSV(&b, rows[:3]); err != nil {
		t.Fatal(err)
	}
	want := "HOST\tSTATE\tDONE\tRATE\tBYTES\tSECONDS\tCODE\tNOTE\n" +
		"node011\tfailed\t0.500\t0\t0\t3.000\t7\tno space left\\non device\n" +
		"node010\tgetting\t0.120\t0\t0\t61.000\t0\tno block for 41s\n" +
		"node012\tgetting\t0.710\t1073741824\t0\t7.000\t0\t\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestFleetDisplayInALog(t *testing.T) {
	a, out, errs := newTestApp(t)
	d := a.startFleet(sampleFleet)
	if n := len(d.stop()); n != 12 {
		t.Errorf("%d rows", n)
	}
	if !strings.HasPrefix(errs(), "p2pcp: start command=seed hosts=9/12 failed=1 lost=0 rate=1.0GiB/s egress=1.31 ") ||
		!strings.Contains(errs(), "slowest=node010 slowest_done=12%") || !strings.Contains(errs(), "node[001-008] (8) changed") {
		t.Errorf("stderr:\n%s", errs())
	}
	if out() != "" {
		t.Errorf("stdout: %s", out())
	}
	a, out, _ = newTestApp(t)
	a.json = true
	a.startFleet(sampleFleet).stop()
	if !strings.Contains(out(), `"message_type":"summary","id":"7k3f9a00"`) || !strings.Contains(out(), `{"host":"node011","state":"failed"`) {
		t.Errorf("stdout:\n%s", out())
	}
}
