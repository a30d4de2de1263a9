package cmd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// sandbox runs p2pcp as real processes in a directory of its own, on loopback.
type sandbox struct {
	t   *testing.T
	dir string
}

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	t.Parallel()
	l := &sandbox{t, t.TempDir()}
	for _, name := range []string{"tmp", "cache"} {
		if err := os.Mkdir(filepath.Join(l.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l *sandbox) command(args ...string) *exec.Cmd {
	c := exec.Command("p2pcp", args...)
	c.Dir = l.dir
	// The race detector lets each process sleep for a second at its end, unless it is told not to.
	c.Env = append(os.Environ(), "TMPDIR="+l.dir+"/tmp", "XDG_CACHE_HOME="+l.dir+"/cache", "LC_ALL=C", "XDG_RUNTIME_DIR=", "GORACE=atexit_sleep_ms=0")
	return c
}

// run runs one command to its end.
func (l *sandbox) run(args ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	c := l.command(args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	stuck := time.AfterFunc(2*time.Minute, func() { _ = c.Process.Kill() })
	err := c.Wait()
	stuck.Stop()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// ok runs a command that must succeed and returns its stdout.
func (l *sandbox) ok(args ...string) string {
	l.t.Helper()
	out, errs, code := l.run(args...)
	if code != 0 {
		l.t.Fatalf("p2pcp %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// background is a process that goes on until it is ended.
type background struct {
	cmd   *exec.Cmd
	lines *bufio.Reader // of stdout
	errs  string        // the file that has its stderr
	end   func(syscall.Signal)
}

// start starts a command; it is ended with the test at the latest.
func (l *sandbox) start(args ...string) *background {
	l.t.Helper()
	c := l.command(args...)
	errs := filepath.Join(l.t.TempDir(), "stderr")
	f, err := os.Create(errs)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	c.Stderr = f
	out, err := c.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	var once sync.Once
	b := &background{cmd: c, lines: bufio.NewReader(out), errs: errs}
	b.end = func(s syscall.Signal) {
		once.Do(func() {
			_ = c.Process.Signal(s)
			stuck := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() })
			defer stuck.Stop()
			_, _ = io.Copy(io.Discard, b.lines)
			_ = c.Wait()
		})
	}
	l.t.Cleanup(func() {
		b.end(syscall.SIGTERM)
		if l.t.Failed() {
			text, _ := os.ReadFile(errs)
			l.t.Logf("p2pcp %s\n%s", strings.Join(args, " "), text)
		}
	})
	return b
}

// line reads the next line of stdout.
func (b *background) line(t *testing.T) string {
	t.Helper()
	line, err := b.lines.ReadString('\n')
	if err != nil {
		t.Fatal("no line on stdout: ", err)
	}
	return strings.TrimSuffix(line, "\n")
}

// seed starts a seed and returns its ticket.
func (l *sandbox) seed(args ...string) (string, *background) {
	l.t.Helper()
	b := l.start(append([]string{"seed", "--listen", "127.0.0.1"}, args...)...)
	return b.line(l.t), b
}

// write makes a file in the sandbox.
func (l *sandbox) write(name, content string) {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		l.t.Fatal(err)
	}
}
