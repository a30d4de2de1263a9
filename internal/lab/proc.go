package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Proc is a process on a host, with what it says. Safe for concurrent use.
type Proc struct {
	Host     *Host
	Out, Err *Output
	Started  time.Time

	cmd   *exec.Cmd
	done  chan struct{}
	ended time.Time // valid once done is closed
}

// Output gathers a stream and knows when each part of it came. Safe for concurrent use.
type Output struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	writes []writeAt
}

// writeAt is the length of an Output at a time.
type writeAt struct {
	length int
	at     time.Time
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.buf.Write(p)
	o.writes = append(o.writes, writeAt{o.buf.Len(), time.Now()})
	return n, err
}

// String is all of it so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// When is when the first occurrence of text was there; zero if it isn't yet. That of "" is the first byte.
func (o *Output) When(text string) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := bytes.Index(o.buf.Bytes(), []byte(text))
	if k < 0 {
		return time.Time{}
	}
	for _, w := range o.writes {
		if w.length >= k+len(text) {
			return w.at
		}
	}
	return time.Time{}
}

// Start runs a command on the host in the background; it is killed with ctx.
func (h *Host) Start(ctx context.Context, name string, args ...string) (*Proc, error) {
	p := &Proc{Host: h, Out: &Output{}, Err: &Output{}, cmd: h.Command(ctx, name, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.Out, p.Err
	p.cmd.WaitDelay = 5 * time.Second
	p.Started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s on %s: %w", name, h.Name(), err)
	}
	go func() {
		_ = p.cmd.Wait()
		p.ended = time.Now()
		close(p.done)
	}()
	return p, nil
}

// Run runs a command on the host to its end, which must be good, and returns its stdout.
func (h *Host) Run(ctx context.Context, name string, args ...string) (string, error) {
	p, err := h.Start(ctx, name, args...)
	if err != nil {
		return "", err
	}
	if err := p.Wait(); err != nil {
		return "", fmt.Errorf("%s on %s: %w", name, h.Name(), err)
	}
	return p.Out.String(), nil
}

// Done is closed when the process has ended.
func (p *Proc) Done() <-chan struct{} { return p.done }

// Pid is its number.
func (p *Proc) Pid() int { return p.cmd.Process.Pid }

// Ended is when it ended; zero if it hasn't.
func (p *Proc) Ended() time.Time {
	select {
	case <-p.done:
		return p.ended
	default:
		return time.Time{}
	}
}

// Wait waits for the end, which must be good.
func (p *Proc) Wait() error {
	if code := p.Code(); code != 0 {
		return fmt.Errorf("exit %d: %s", code, strings.TrimSpace(p.Err.String()))
	}
	return nil
}

// Code waits for the end and is the exit code, -1 if a signal was the end.
func (p *Proc) Code() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// Line waits for the first line of stdout.
func (p *Proc) Line(within time.Duration) (string, error) {
	timeout := time.After(within)
	for {
		if line, _, ok := strings.Cut(p.Out.String(), "\n"); ok {
			return line, nil
		}
		select {
		case <-p.done:
			return "", errors.New("it ended without a word: " + strings.TrimSpace(p.Err.String()))
		case <-timeout:
			return "", errors.New("it says nothing")
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Signal sends a signal unless it has ended.
func (p *Proc) Signal(s os.Signal) {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(s)
	}
}

// Interrupt interrupts it and waits for the end.
func (p *Proc) Interrupt() {
	p.Signal(syscall.SIGINT)
	<-p.done
}

// CPU waits for the end and is the user and system time that it and its children used, seconds.
func (p *Proc) CPU() float64 {
	<-p.done
	s := p.cmd.ProcessState
	return (s.UserTime() + s.SystemTime()).Seconds()
}

// Peak waits for the end and is the most memory that it or one of its children held, bytes.
func (p *Proc) Peak() int64 {
	<-p.done
	u, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return int64(u.Maxrss) << 10 // an int32 on some systems
}

// String is the command line.
func (p *Proc) String() string { return strings.Join(p.cmd.Args, " ") }
