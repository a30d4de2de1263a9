package cmd

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/lipgloss"
)

func sampleView() progressView {
	return progressView{
		progressSnapshot: progressSnapshot{
			Stage: stageTransfer, Name: "big.tar", Done: 4509715661, Total: 10 << 30,
			Received: 100, FromSeed: 12, Sent: 1, Peers: 38,
		},
		Down: 1.1 * (1 << 30), Up: 0.9 * (1 << 30), Left: 5 * time.Second, Elapsed: 4 * time.Second,
	}
}

func TestBarLine(t *testing.T) {
	hash := sampleView()
	hash.Stage = stageHashing
	join := progressView{progressSnapshot: progressSnapshot{Stage: stageJoining, Peers: 2}, Left: -1}
	done := sampleView()
	done.Done, done.Left, done.Stage = done.Total, -1, stageLinger
	long := sampleView()
	long.Name = "a\x1b]0;evil\x07 very long name of a file indeed.tar"
	for _, c := range []struct {
		name  string
		view  progressView
		width int
		want  string
	}{
		{"full", sampleView(), 200, "get big.tar  42% |############------------------| 4.2/10.0 GiB   1.1 GiB/s   eta 5s      up 922 MiB/s   peers 38  seed 12%"},
		{"80", sampleView(), 80, "get big.tar  42% |###-----| 4.2/10.0 GiB   1.1 GiB/s   eta 5s      up 922 MiB/s"},
		{"40", sampleView(), 40, "get big.tar  42% |##-----| 4.2/10.0 GiB"},
		{"20", sampleView(), 20, "get 42%  1.1 GiB/s"},
		{"10", sampleView(), 10, "get 42%  ~"},
		{"hashing", hash, 80, "get big.tar hashing  42% |######---------| 4.2/10.0 GiB   1.1 GiB/s   eta 5s"},
		{"joining", join, 80, "get joining  peers 2"},
		{"linger", done, 80, "get big.tar linger 100% |###############| 10.0/10.0 GiB  up 922 MiB/s   peers 38"},
		{"long name", long, 80, `get "a\x1b]0;evil\a very lo~  42% |##----| 4.2/10.0 GiB   1.1 GiB/s   eta 5s`},
	} {
		if got := barLine("get", c.view, c.width); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestBarLineFitsEveryWidth(t *testing.T) {
	for width := 1; width < 220; width++ {
		for _, name := range []string{"", "x", "名前.tar", strings.Repeat("n", 300)} {
			for _, percent := range []uint64{0, 1, 9, 10, 50, 99, 100} {
				v := sampleView()
				v.Name, v.Done = name, percent*v.Total/100
				line := barLine("get", v, width)
				if got := lipgloss.Width(line); got > width {
					t.Fatalf("width %d, got %d: %s", width, got, line)
				}
				if strings.ContainsAny(line, "\r\n\x1b") {
					t.Fatalf("control characters in %q", line)
				}
			}
		}
	}
}

// Whatever the numbers are, a stage's bar begins and ends in the same columns.
func TestBarKeepsItsWidth(t *testing.T) {
	const gib = 1 << 30
	frames := []progressSnapshot{
		{},
		{Done: 99 << 20, Received: 1, Peers: 1},
		{Done: 10 * gib, Received: gib, FromSeed: gib, Peers: 64, Sent: gib},
		{Done: 99*gib + 900<<20, Received: gib, FromSeed: 1, Sent: 1, Peers: 9},
		{Done: 512 * gib, Received: gib},
	}
	rates := []float64{-1, 0, 5, 99.9 * 1024, 1023, 1023 * gib}
	left := []time.Duration{-1, 0, 59 * time.Second, 59*time.Minute + 59*time.Second, 23*time.Hour + 59*time.Minute, 99 * day}
	for _, stage := range []string{stageManifest, stageChecking, stageTransfer, stageLinger} {
		for width := 40; width < 140; width++ {
			columns := ""
			for _, s := range frames {
				s.Stage, s.Name, s.Total = stage, "big.tar", 512*gib
				for i := range rates {
					v := progressView{progressSnapshot: s, Down: rates[i], Up: max(rates[len(rates)-1-i], 0), Left: left[i]}
					line := barLine("get", v, width)
					got := fmt.Sprint(strings.Index(line, "|"), strings.LastIndex(line, "|"))
					if columns == "" {
						columns = got
					}
					if got != columns || lipgloss.Width(line) > width {
						t.Fatalf("%s, %d columns: the bar was from and to %s, and is at %s: %s", stage, width, columns, got, line)
					}
				}
			}
		}
	}
}

func TestMeter(t *testing.T) {
	var m meter
	at := time.Unix(0, 0)
	m.update(at, 900<<20) // found on the disk
	if m.rate() != 0 || m.known() {
		t.Errorf("rate %f after the origin", m.rate())
	}
	for i := range 50 {
		at = at.Add(100 * time.Millisecond)
		m.update(at, 900<<20+uint64(i+1)*1000)
	}
	if r := m.rate(); r < 9999 || r > 10001 {
		t.Errorf("steady rate %f, want 10000", r)
	}
	m.update(at.Add(3*time.Second), 0) // went back: no movement
	if r := m.rate(); r > 6000 || r <= 0 {
		t.Errorf("rate %f after 3 s of nothing", r)
	}
}

// TestScreen replays what is written on a dumb model of a terminal.
func TestScreen(t *testing.T) {
	var b bytes.Buffer
	columns := 20
	s := &screen{w: &b, size: func() (int, int) { return columns, 10 }}
	s.show([]string{"one"})
	s.message("first")
	s.show([]string{"two 2", "lines", "here"})
	s.message("second")
	s.show([]string{"three"})
	if err := s.aside(func() error { b.WriteString("result\n"); return nil }); err != nil {
		t.Fatal(err)
	}
	s.show([]string{"four"})
	if got, want := replay(b.String()), "first\nsecond\nresult\nfour"; got != want {
		t.Errorf("the terminal shows %q, want %q", got, want)
	}
	s.clear()
	if got, want := replay(b.String()), "first\nsecond\nresult\n"; got != want {
		t.Errorf("the terminal shows %q, want %q", got, want)
	}
	b.Reset()
	s.show([]string{"twelve chars"})
	columns = 5
	b.Reset()
	s.clear()
	if got, want := b.String(), "\r\x1b[2A\x1b[J"; got != want {
		t.Errorf("a wrapped line is erased by %q, want %q", got, want)
	}
}

// replay understands \r, \n, cursor up, clear to the end of line and below.
func replay(s string) string {
	lines, row, col := []string{""}, 0, 0
	for len(s) > 0 {
		switch {
		case strings.HasPrefix(s, "\x1b[K"):
			lines[row] = lines[row][:min(col, len(lines[row]))]
			s = s[3:]
		case strings.HasPrefix(s, "\x1b[J"):
			lines[row] = lines[row][:min(col, len(lines[row]))]
			lines = lines[:row+1]
			s = s[3:]
		case strings.HasPrefix(s, "\x1b[") && s[3] == 'A':
			row -= int(s[2] - '0')
			s = s[4:]
		case s[0] == '\r':
			col = 0
			s = s[1:]
		case s[0] == '\n':
			row, col = row+1, 0
			if row == len(lines) {
				lines = append(lines, "")
			}
			s = s[1:]
		default:
			line := lines[row] + strings.Repeat(" ", max(0, col+1-len(lines[row])))
			lines[row] = line[:col] + s[:1] + line[col+1:]
			col++
			s = s[1:]
		}
	}
	return strings.Join(lines, "\n")
}
