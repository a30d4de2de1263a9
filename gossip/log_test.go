package gossip

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestLogLines(t *testing.T) {
	var out bytes.Buffer
	w := &logWriter{to: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, line := range []string{"[WARN] memberlist: one\n", "two\n", "[odd\n"} {
		if n, err := w.Write([]byte(line)); n != len(line) || err != nil {
			t.Errorf("Write is %d, %v", n, err)
		}
	}
	w.close()
	_, _ = w.Write([]byte("[ERR] memberlist: late\n"))
	got := out.String()
	for _, want := range []string{`msg="memberlist: one" severity=warn`, `msg="memberlist: two" severity=""`, `msg="memberlist: [odd"`, "level=DEBUG"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "late") {
		t.Error("wrote after close")
	}
}
