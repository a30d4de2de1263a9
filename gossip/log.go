package gossip

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
)

// logWriter turns memberlist's lines ("[WARN] memberlist: text") into debug records. Its goroutines outlive Run by a little:
// after close the lines go nowhere.
type logWriter struct {
	to     *slog.Logger // nil: nowhere
	closed atomic.Bool
}

func (w *logWriter) close() { w.closed.Store(true) }

// Write takes one line; it never fails.
func (w *logWriter) Write(line []byte) (int, error) {
	if w.to == nil || w.closed.Load() || !w.to.Enabled(context.Background(), slog.LevelDebug) {
		return len(line), nil
	}
	severity, text := splitSeverity(strings.TrimSuffix(string(line), "\n"))
	w.to.Debug("memberlist: "+text, "severity", severity)
	return len(line), nil
}

// splitSeverity takes "[WARN] memberlist: text" apart; a line of another form is all text.
func splitSeverity(line string) (severity, text string) {
	rest, ok := strings.CutPrefix(line, "[")
	if !ok {
		return "", line
	}
	severity, text, ok = strings.Cut(rest, "] ")
	if !ok {
		return "", line
	}
	return strings.ToLower(severity), strings.TrimPrefix(text, "memberlist: ")
}
