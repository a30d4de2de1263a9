package fleet

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	maxLine   = 32 << 10        // bytes of a line of stdout that may mean something
	maxSaid   = 512             // bytes that are kept of a line of stderr
	graceTime = 4 * time.Second // for the other side to end once stdin has: get needs two
	drainTime = time.Second     // for stderr once ssh is gone: a ControlPersist's master keeps it open
)

// session is one ssh process and what hangs on it. start makes it; the caller reads lines, then calls wait. The other methods may be
// called from any goroutine.
type session struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
	said  *said

	mu     sync.Mutex
	timers []*time.Timer
	gone   bool // the process has been waited for: its number may be another's
}

// start starts ssh in a process group of its own: a Ctrl-C is ours to pass on.
func start(words []string) (*session, error) {
	s := &session{cmd: exec.Command(words[0], words[1:]...), said: &said{}}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Stderr = s.said
	s.cmd.WaitDelay = drainTime
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start ssh: %w", err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start ssh: %w", err)
	}
	s.out = bufio.NewReaderSize(out, maxLine)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ssh: %w", err)
	}
	return s, nil
}

// line is the next line of stdout; of one that is too long for us the rest is skipped. An error is the end.
func (s *session) line() (string, error) {
	b, err := s.out.ReadSlice('\n')
	text := strings.TrimRight(string(b), "\r\n")
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = s.out.ReadSlice('\n')
	}
	if err != nil && text == "" {
		return "", fmt.Errorf("read from ssh: %w", err)
	}
	return text, nil
}

// send writes to stdin. A failure means that the session ends, which line tells better.
func (s *session) send(b []byte) { _, _ = s.stdin.Write(b) }

// hangUp ends stdin, which ends what runs there, and then ssh; it is helped along if that takes too long.
func (s *session) hangUp() {
	_ = s.stdin.Close()
	s.after(graceTime, s.kill)
}

// kill ends ssh and what it has started.
func (s *session) kill() {
	s.signal(syscall.SIGTERM)
	s.after(time.Second, func() { s.signal(syscall.SIGKILL) })
}

func (s *session) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		_ = syscall.Kill(-s.cmd.Process.Pid, sig)
	}
}

// after calls f in a while, unless the session ends before.
func (s *session) after(d time.Duration, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.timers = append(s.timers, time.AfterFunc(d, f))
	}
}

// wait waits for the end, which the end of stdout announces, and returns the exit code: -1 if a signal was the end.
func (s *session) wait() int {
	_ = s.cmd.Wait() // the code says it
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	for _, t := range s.timers {
		t.Stop()
	}
	return s.cmd.ProcessState.ExitCode()
}

// said is ssh's stderr, and through it the host's: the last words, and the error that get ends with. Safe for concurrent use.
type said struct {
	mu   sync.Mutex
	rest []byte // of a line without its end
	last string // line that isn't get's
	exit Report // get's exit_error; Type is empty before
}

// Write implements io.Writer.
func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		if room := maxLine - len(s.rest); len(line) > room {
			line = line[:room]
		}
		s.rest = append(s.rest, line...)
		if rest = after; whole {
			s.take(string(s.rest))
			s.rest = s.rest[:0]
		}
	}
	return len(p), nil
}

// take takes a whole line.
func (s *said) take(line string) {
	line = strings.TrimSpace(line)
	var r Report
	switch {
	case line == "":
	case json.Unmarshal([]byte(line), &r) == nil && r.Type != "":
		if r.Type == "exit_error" {
			s.exit = r
		}
	default:
		s.last = strings.ToValidUTF8(line[:min(len(line), maxSaid)], "?")
	}
}

// ended is the error that get told, and the last words otherwise.
func (s *said) ended() (exit Report, last string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) > 0 {
		s.take(string(s.rest))
		s.rest = nil
	}
	return s.exit, s.last
}
