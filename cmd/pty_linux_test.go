package cmd

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudo-terminal; shown returns what was written to it, once it is closed.
func openTerminal(t *testing.T, columns uint16) (tty *os.File, shown func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here:", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
	}
	if err != nil {
		t.Skip("no pseudo-terminals here:", err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here:", err)
	}
	var b bytes.Buffer
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// Ends with EIO when the last user of the other side is gone.
		_, _ = io.Copy(&b, master)
	}()
	return tty, func() string {
		tty.Close()
		<-ended
		return b.String()
	}
}

// TestDisplaysOnATerminal shows a transfer and a fleet on a real terminal.
func TestDisplaysOnATerminal(t *testing.T) {
	for _, c := range []struct {
		name        string
		env         map[string]string
		live, color bool
	}{
		{"xterm", map[string]string{"TERM": "xterm"}, true, true},
		{"NO_COLOR", map[string]string{"TERM": "xterm", "NO_COLOR": "yes"}, true, false},
		{"empty NO_COLOR", map[string]string{"TERM": "xterm", "NO_COLOR": ""}, true, true},
		{"dumb", map[string]string{"TERM": "dumb"}, false, false},
		{"no TERM", nil, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			tty, shown := openTerminal(t, 60)
			a, _, _ := newTestApp(t)
			a.stderr.file = tty
			a.term = detectTerminal(tty, func(name string) (string, bool) { v, ok := c.env[name]; return v, ok })
			a.screen.size = a.term.size
			pulled := make(chan struct{}, 100)
			p := a.startProgress("get", func() progressSnapshot {
				pulled <- struct{}{}
				return progressSnapshot{Stage: stageTransfer, Name: "big", Done: 42, Total: 100, Peers: 1}
			})
			if c.live {
				<-pulled // at the start
				<-pulled // the first frame after it
				select {
				case <-pulled:
				case <-time.After(10 * time.Second):
					t.Error("no frames")
				}
			}
			p.stop("finished")
			a.startFleet(sampleFleet).stop()
			text := shown()
			if live := strings.Contains(text, "\x1b[J"); live != c.live {
				t.Errorf("redrawn: %t, want %t: %q", live, c.live, text)
			}
			if bar := strings.Contains(text, "get big  42% |#"); bar != c.live {
				t.Errorf("bar: %t, want %t: %q", bar, c.live, text)
			}
			if color := strings.Contains(text, "\x1b[31m"); color != c.color {
				t.Errorf("color: %t, want %t: %q", color, c.color, text)
			}
			if !strings.Contains(text, "p2pcp: finished command=get") || !strings.Contains(text, "node[001-008] (8) changed") {
				t.Errorf("no end: %q", text)
			}
			if strings.Contains(text, "\x1b]") || strings.Contains(text, "\x1b[6n") {
				t.Errorf("the terminal was asked something: %q", text)
			}
		})
	}
}

// What a terminal gets of a name is never more than its letters: in the bar, in results, in what b3sum would print.
func TestUglyNameOnATerminal(t *testing.T) {
	tty, shown := openTerminal(t, 200)
	a, _, _ := newTestApp(t)
	a.stderr.file, a.stdout.file = tty, tty
	a.term = detectTerminal(tty, func(string) (string, bool) { return "xterm", true })
	a.screen.size = a.term.size
	const ugly = "n\x1b]0;owned\x07\u009b31m\u202e"
	pulled := make(chan struct{}, 100)
	p := a.startProgress("get", func() progressSnapshot {
		pulled <- struct{}{}
		return progressSnapshot{Stage: stageTransfer, Name: ugly, Done: 42, Total: 100, Peers: 1}
	})
	<-pulled
	<-pulled
	p.stop("finished")
	if err := a.result(a.sumLine("00", ugly), nil); err != nil {
		t.Error(err)
	}
	text := shown()
	for _, raw := range []string{"\x1b]0", "\x07", "\u009b", "\u202e"} {
		if strings.Contains(text, raw) {
			t.Errorf("%q got through: %q", raw, text)
		}
	}
	if !strings.Contains(text, `owned\a`) || !strings.Contains(text, `00  n\x1b]0;owned`) {
		t.Errorf("the name isn't shown: %q", text)
	}
}

func TestTerminalSize(t *testing.T) {
	tty, shown := openTerminal(t, 33)
	term := detectTerminal(tty, func(string) (string, bool) { return "vt100", true })
	if columns, lines := term.size(); columns != 33 || lines != 24 {
		t.Errorf("%d x %d", columns, lines)
	}
	// A serial line doesn't know.
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{}); err != nil {
		t.Fatal(err)
	}
	if columns, lines := term.size(); columns != 80 || lines != 24 {
		t.Errorf("%d x %d", columns, lines)
	}
	shown()
}
