package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"p2pcp/internal/lab"
)

// proc is a process on a host of the lab.
type proc struct {
	host     *lab.Host
	cmd      *exec.Cmd
	out, err output
	started  time.Time
	done     chan struct{} // closed when it has ended
}

// output gathers a stream and notes when the result came.
type output struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	result time.Time
}

// resultMark is in the line that `get --json` prints when the content is in place.
const resultMark = `"message_type":"result"`

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.result.IsZero() && bytes.Contains(p, []byte(resultMark)) {
		o.result = time.Now()
	}
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// finished is when the content was in place; zero if it isn't yet.
func (o *output) finished() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.result
}

// start runs a command on a host in the background; it is killed with ctx.
func start(ctx context.Context, h *lab.Host, args ...string) (*proc, error) {
	p := &proc{host: h, cmd: h.Command(ctx, args[0], args[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	p.cmd.WaitDelay = 5 * time.Second
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s on %s: %w", args[0], h.Name(), err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// run runs a command on a host to its end and returns its stdout.
func run(ctx context.Context, h *lab.Host, args ...string) (string, error) {
	p, err := start(ctx, h, args...)
	if err != nil {
		return "", err
	}
	if err := p.wait(); err != nil {
		return "", fmt.Errorf("%s on %s: %w", args[0], h.Name(), err)
	}
	return p.out.String(), nil
}

// wait waits for the end, which must be good.
func (p *proc) wait() error {
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("exit %d: %s", code, strings.TrimSpace(p.err.String()))
	}
	return nil
}

// line waits for the first line of stdout.
func (p *proc) line(within time.Duration) (string, error) {
	timeout := time.After(within)
	for {
		if line, _, ok := strings.Cut(p.out.String(), "\n"); ok {
			return line, nil
		}
		select {
		case <-p.done:
			return "", errors.New("it ended without a word: " + strings.TrimSpace(p.err.String()))
		case <-timeout:
			return "", errors.New("it says nothing")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// end interrupts it and waits for the end.
func (p *proc) end() {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	<-p.done
}

// cpu is what it used, seconds of user and system time. It has ended.
func (p *proc) cpu() float64 {
	s := p.cmd.ProcessState
	return (s.UserTime() + s.SystemTime()).Seconds()
}

// peak is the most memory that it held, bytes. It has ended.
func (p *proc) peak() int64 {
	u, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return u.Maxrss << 10
}
