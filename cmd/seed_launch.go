package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// launchGrace is how long a launcher that is told to end may take, and after its end whatever of it still holds its output.
const launchGrace = 2 * time.Second

// launcher is the command of --run: sh -c with the ticket for {}, on its stdin, and in P2PCP_TICKET. Off a terminal it has a process
// group of its own, so that a signal reaches all of it. On a terminal it shares ours: Ctrl-C reaches it without us, and it may ask for
// a password. Not safe for concurrent use.
type launcher struct {
	cmd   *exec.Cmd
	own   bool // a process group of its own
	ended chan error
}

// launch starts it. It is told to end with ctx.
func (a *app) launch(ctx context.Context, command, ticket string) (*launcher, error) {
	l := &launcher{own: !onTerminal(), ended: make(chan error, 1)}
	c := exec.CommandContext(ctx, "/bin/sh", "-c", strings.ReplaceAll(command, "{}", ticket))
	c.Stdin = strings.NewReader(ticket + "\n")
	c.Stdout, c.Stderr = a.stdout.file, a.stderr.file
	var out, errs *lineWriter
	if a.term.live && !a.quiet {
		// The display is on the same screen: whole lines pass above it.
		out = &lineWriter{emit: func(line string) { _ = a.result(line, nil) }}
		errs = &lineWriter{emit: a.screen.message}
		c.Stdout, c.Stderr = out, errs
	}
	c.Env = append(os.Environ(), "P2PCP_TICKET="+ticket)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: l.own}
	c.Cancel = l.interrupt
	c.WaitDelay = launchGrace
	l.cmd = c
	if err := c.Start(); err != nil {
		return nil, exitf(exitFailure, "", "start --run: %w", err)
	}
	go func() {
		err := c.Wait()
		if l.own {
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // what ignored the signal
		}
		out.flush()
		errs.flush()
		l.ended <- err
	}()
	return l, nil
}

// onTerminal tells whether we are in the foreground of a terminal.
func onTerminal() bool {
	f, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer f.Close()
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// interrupt is Ctrl-C for the launcher: twice, since pdsh tells its state at the first. What stays is killed after launchGrace.
func (l *launcher) interrupt() error {
	to := l.cmd.Process.Pid
	if l.own {
		to = -to
	}
	_ = syscall.Kill(to, syscall.SIGINT)
	time.Sleep(launchGrace / 20)
	_ = syscall.Kill(to, syscall.SIGINT)
	time.Sleep(launchGrace / 20)
	return syscall.Kill(to, syscall.SIGTERM)
}

// launchCode is the exit code in what ended a launcher.
func launchCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay): // what it left behind holds its output
		return exitOK
	case !errors.As(err, &exit):
		return exitFailure
	}
	code, _ := processCode(exit.ProcessState)
	return code
}

// offer prints the ticket, or starts --run's command with it.
func (s *seedRun) offer(ctx context.Context) error {
	a := s.app
	if s.flags.run != "" {
		l, err := a.launch(ctx, s.flags.run, s.ticket.String())
		if err == nil {
			s.launching = l.ended
		}
		return err
	}
	err := a.result(s.ticket.String(), seedMessage{
		Type: "ticket", Ticket: s.ticket.String(), ID: s.ticket.ID.String(), Name: s.flags.name,
		Bytes: s.source.Content().Header().Bytes,
	})
	switch {
	case err != nil:
	case a.redraws(): // a key is told to a terminal, to be copied from there, and to no log
		a.screen.whole("p2pcp: on each host: p2pcp get " + s.getArgs())
	default:
		a.note("on each host: p2pcp get %s", s.getArgs())
	}
	return err
}

// launchVerdict is the worst of the launcher's code, the hosts' and our own.
func (s *seedRun) launchVerdict(own error) error {
	if s.app.ctx.Err() != nil {
		return own
	}
	_, rows := s.fleet()
	code := max(s.launched, worstCode(rows))
	if own != nil && classify(own).code >= code {
		return own
	}
	if code == exitOK {
		return nil
	}
	text := fmt.Sprintf("the command of --run ended with exit code %d", s.launched)
	if n := countFleet(rows); n.Failed+n.Lost > 0 {
		text += fmt.Sprintf("; %s failed, %d lost", count(n.Failed, "host"), n.Lost)
	}
	return exitf(code, "", "%s", text)
}

// lineWriter emits whole lines. A nil one has nothing to flush.
type lineWriter struct {
	emit func(line string)
	rest []byte
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		w.emit(strings.TrimSuffix(string(w.rest[:i]), "\r"))
		w.rest = w.rest[i+1:]
	}
}

func (w *lineWriter) flush() {
	if w != nil && len(w.rest) > 0 {
		w.emit(string(w.rest))
		w.rest = nil
	}
}
