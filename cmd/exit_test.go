package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/seed"
	"p2pcp/swarm"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{errors.New("odd"), exitFailure},
		{usagef("", "x"), exitUsage},
		{fmt.Errorf("wrapped: %w", exitf(exitGoal, "", "x")), exitGoal},
		{&seed.ChangedError{Path: "f"}, exitLocal},
		{fmt.Errorf("x: %w", blocks.ErrNoSpace), exitLocal},
		{blocks.ErrNotOurs, exitLocal},
		{fmt.Errorf("x: %w", blocks.ErrManifest), exitIntegrity},
		{swarm.ErrNobody, exitNobody},
		{swarm.ErrLost, exitNobody},
		{swarm.ErrStalled, exitTimeout},
		{port.ErrSilent, exitAuth},
		{port.ErrTaken, exitLocal},
		{fmt.Errorf("%w: %w", port.ErrListen, syscall.EADDRNOTAVAIL), exitLocal},
		{seed.ErrMissing, exitLocal},
		{seed.ErrSameName, exitUsage},
		{&port.VersionError{Ours: 1, Theirs: 2}, exitFailure},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), exitTimeout},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, exitLocal},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS}, exitLocal},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, exitLocal},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, exitLocal},
		{&fs.PathError{Op: "read", Path: "x", Err: syscall.EIO}, exitLocal},
		{fmt.Errorf("x: %w", seed.ErrTicket), exitUsage},
	} {
		if got := classify(c.err).code; got != c.code {
			t.Errorf("%v: code %d, want %d", c.err, got, c.code)
		}
	}
}

func TestEveryCodeIsInTheTable(t *testing.T) {
	known := map[int]bool{}
	last := -1
	for _, row := range exitTable {
		if row.Code <= last && row.Code != exitPipe {
			t.Errorf("code %d is out of order", row.Code)
		}
		last = row.Code
		known[row.Code] = true
	}
	for _, s := range sentinels {
		if !known[s.code] {
			t.Errorf("%v has code %d, which the table lacks", s.err, s.code)
		}
	}
}

func TestEnd(t *testing.T) {
	a, out, errs := newTestApp(t)
	if code := a.end(exitf(exitExists, "use --force", "\"a\x1bb\" exists")); code != exitExists {
		t.Errorf("code %d", code)
	}
	if want := "p2pcp: error: \"a\\x1bb\" exists\np2pcp: hint: use --force\n"; errs() != want || out() != "" {
		t.Errorf("stderr %q, want %q", errs(), want)
	}
	a, _, errs = newTestApp(t, "get", "--json")
	a.end(swarm.ErrStalled)
	if !strings.HasPrefix(errs(), `{"message_type":"exit_error","code":5,"message":"no progress","hint":"`) {
		t.Errorf("stderr %q", errs())
	}
	a, _, errs = newTestApp(t)
	a.cancel(exitSilently(exitTerminated, errInterrupted))
	if code := a.end(fmt.Errorf("fetch: %w", a.ctx.Err())); code != exitTerminated || errs() != "" {
		t.Errorf("after SIGTERM: code %d, stderr %q", code, errs())
	}
	a, _, _ = newTestApp(t)
	a.stdout.file.Close()
	if err := a.result("line", nil); err == nil {
		t.Error("a result that can't be written is no error")
	}
	if code := a.end(nil); code == exitOK {
		t.Error("0 after a result was lost")
	}
}

func TestLostStderrEndsTheRun(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	a, _, _ := newTestApp(t)
	a.stderr.file = w
	a.note("anybody there?")
	if a.ctx.Err() == nil {
		t.Fatal("the run goes on")
	}
	if code := a.end(a.ctx.Err()); code != exitPipe {
		t.Errorf("code %d, want %d", code, exitPipe)
	}
}
