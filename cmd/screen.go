package cmd

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/charmbracelet/lipgloss"
)

// Escape sequences, used only on a terminal that is live.
const (
	escClearLine  = "\x1b[K"
	escClearBelow = "\x1b[J"
)

// screen is stderr: lines that stay, and below them the frame of a live display, which is redrawn in place. The cursor rests
// at the end of the frame's last line. Each change is one Write. Safe for concurrent use.
type screen struct {
	w    io.Writer
	size func() (columns, lines int) // nil: no frames

	mu    sync.Mutex
	frame []string // the lines that are on the terminal now
}

// message prints a line above the frame, without the keys that it may hold.
func (s *screen) message(line string) { s.whole(redact(line)) }

// whole prints a line above the frame as it is.
func (s *screen) whole(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	s.erase(&b)
	b.WriteString(line + "\n")
	s.draw(&b)
	s.flush(&b)
}

// show replaces the frame. No line may be as wide as the terminal.
func (s *screen) show(lines []string) {
	if s.size == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	if len(lines) == 1 && len(s.frame) == 1 {
		// Overwriting, rather than erasing first, doesn't flicker.
		columns, _ := s.size()
		if lipgloss.Width(s.frame[0]) < columns {
			b.WriteString("\r" + lines[0] + escClearLine)
			s.frame = lines
			s.flush(&b)
			return
		}
	}
	s.erase(&b)
	s.frame = lines
	s.draw(&b)
	s.flush(&b)
}

// clear takes the frame away.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	s.erase(&b)
	s.frame = nil
	s.flush(&b)
}

// aside runs f, which writes to another stream that may be the same terminal, with the frame out of the way.
func (s *screen) aside(f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	s.erase(&b)
	s.flush(&b)
	err := f()
	s.draw(&b)
	s.flush(&b)
	return err
}

// erase moves to the start of the frame and clears from there. Lines that a narrowed terminal has wrapped count for as many as
// they take now.
func (s *screen) erase(b *bytes.Buffer) {
	if len(s.frame) == 0 {
		return
	}
	columns, _ := s.size()
	rows := 0
	for _, line := range s.frame {
		rows += max(1, (lipgloss.Width(line)+columns-1)/columns)
	}
	b.WriteByte('\r')
	if rows > 1 {
		fmt.Fprintf(b, "\x1b[%dA", rows-1)
	}
	b.WriteString(escClearBelow)
}

func (s *screen) draw(b *bytes.Buffer) { b.WriteString(strings.Join(s.frame, "\n")) }

// flush writes what was gathered. A failure sticks in the stream, which ends the run; nothing is left to do here.
func (s *screen) flush(b *bytes.Buffer) {
	if b.Len() > 0 {
		_, _ = s.w.Write(b.Bytes())
		b.Reset()
	}
}
