package cmd

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxOutput is how much is kept of the end of what a command prints, in bytes.
const maxOutput = 4 << 10

// hostCommand is a command line for sh.
type hostCommand struct {
	line    string
	timeout time.Duration // 0: none
	env     []string      // beside ours
}

// run runs it in a process group of its own, with nothing on stdin, and ends the group with ctx or the timeout: with SIGTERM, two
// seconds later with SIGKILL. A code of 128 and more is a signal's.
func (c hostCommand) run(ctx context.Context) runMessage {
	cancel := func() {}
	if c.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
	}
	defer cancel()
	var out tail
	cmd := exec.CommandContext(ctx, "sh", "-c", c.line)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		return runMessage{Code: exitLocal, Output: err.Error()}
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		// What the shell has left behind is ours to end.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	m := runMessage{Output: out.String(), TimedOut: ctx.Err() == context.DeadlineExceeded}
	m.Code, _ = processCode(cmd.ProcessState)
	if m.Code == 0 && err != nil && ctx.Err() != nil {
		m.Code = exitFailure
	}
	return m
}

// processCode is a process's exit code as a shell has it: a signal's is 128 and its number.
func processCode(p *os.ProcessState) (code int, killed bool) {
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), true
	}
	return p.ExitCode(), false
}

// tail keeps the end of what is written. Safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	buf []byte // at most maxOutput
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-maxOutput):]...)
	t.buf = t.buf[max(0, len(t.buf)-maxOutput):]
	return len(p), nil
}

// String is what was kept, as valid UTF-8.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(string(t.buf), "?")
}
