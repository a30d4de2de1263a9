package cmd

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// pushedGet starts what push runs on a host.
func (l *sandbox) pushedGet(o pushOrders) (*exec.Cmd, io.WriteCloser, io.Reader) {
	l.t.Helper()
	c := l.command("get", "-", "--pushed")
	in, err := c.StdinPipe()
	l.check(err)
	out, err := c.StdoutPipe()
	l.check(err)
	l.check(c.Start())
	l.t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	_, err = io.WriteString(in, jsonLine(o)+"\n")
	l.check(err)
	return c, in, out
}

// TestPushedGetEndsWithStdin: 130 before the content is there, 0 after it, and with its command.
func TestPushedGetEndsWithStdin(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 4_000_000)
	ticket, _ := l.seed("a.bin")
	args := []string{"--to=d/", "--listen=127.0.0.1", "--json", "--linger=1h"}
	c, in, _ := l.pushedGet(pushOrders{Ticket: ticket, Args: append(args, "--limit=500K")})
	within(t, 10*time.Second, "it has begun", func() bool { _, err := os.Stat(l.path("d/.a.bin.p2pcp/content")); return err == nil })
	l.check(in.Close())
	l.exits(c, exitInterrupt)

	// With a command that goes on, whose shell has a child.
	c, in, _ = l.pushedGet(pushOrders{Ticket: ticket, Args: args, Run: "sleep 1000 & echo $! >pid; wait"})
	within(t, 20*time.Second, "its command runs", func() bool { b, err := os.ReadFile(l.path("pid")); return err == nil && len(b) > 1 })
	l.check(in.Close())
	l.exits(c, exitOK)
	pid, err := os.ReadFile(l.path("pid"))
	l.check(err)
	within(t, 5*time.Second, "the command's child is gone", func() bool {
		state, _ := exec.Command("ps", "-o", "stat=", "-p", strings.TrimSpace(string(pid))).Output() // an error: there is none
		return len(state) == 0 || state[0] == 'Z'
	})
	l.holds("d/a.bin", content)
}

// exits waits for a process's end.
func (l *sandbox) exits(c *exec.Cmd, code int) {
	l.t.Helper()
	stuck := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() })
	defer stuck.Stop()
	_ = c.Wait()
	if got := c.ProcessState.ExitCode(); got != code {
		l.t.Errorf("exit %d, want %d", got, code)
	}
}

// TestPushedGetDetached: with -d the end of stdin is nothing.
func TestPushedGetDetached(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 2_000_000)
	ticket, _ := l.seed("a.bin")
	c, in, out := l.pushedGet(pushOrders{Ticket: ticket, Args: []string{"--to=d/", "--listen=127.0.0.1", "--json", "--detach", "--limit=1M"}})
	within(t, 10*time.Second, "it has begun", func() bool { _, err := os.Stat(l.path("d/.a.bin.p2pcp/content")); return err == nil })
	l.check(in.Close())
	if r, ok := out.(io.Closer); ok {
		l.check(r.Close()) // ssh is gone
	}
	l.exits(c, exitOK)
	l.holds("d/a.bin", content)
	l.ok("stop", "--all")
}

func TestHostCommand(t *testing.T) {
	m := hostCommand{line: "echo $X; echo err >&2; exit 4", env: []string{"X=1"}}.run(t.Context())
	if m.Code != 4 || m.Output != "1\nerr\n" || m.TimedOut {
		t.Errorf("%+v", m)
	}
	m = hostCommand{line: "sleep 1000", timeout: 20 * time.Millisecond}.run(t.Context())
	if m.Code == 0 || !m.TimedOut {
		t.Errorf("%+v", m)
	}
	m = hostCommand{line: "kill -9 $$"}.run(t.Context())
	if m.Code != 137 {
		t.Errorf("%+v", m)
	}
	m = hostCommand{line: "head -c 100000 /dev/zero | tr '\\0' x; echo end"}.run(t.Context())
	if m.Code != 0 || len(m.Output) != maxOutput || !strings.HasSuffix(m.Output, "xend\n") {
		t.Errorf("%d bytes", len(m.Output))
	}
}
