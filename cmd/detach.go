package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Detaching (-d) runs the same command again in a session of its own, and ends this process once that one says that it is
// ready. The child has our stdout and stderr until then, so its messages and results come out as if nothing had happened;
// its stdin is /dev/null. Two pipes tie it to us:
//
//	fd 3   it writes one byte, our exit code, when it is ready; end of file without a byte means that it is gone
//	fd 4   it reads the ticket from here, which so never stands in its arguments
const (
	detachEnv = "P2PCP_DETACHED_FD"
	statusFD  = 3
	secretFD  = 4
)

// detach starts the child and waits until it is ready or gone. word is the argument that names the ticket and secret the ticket
// itself; both are empty for a command without one. A nil error means that the child is ready and well; otherwise the error
// carries its code and is silent, as the child has said why.
func (a *app) detach(word, secret string) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	statusR, statusW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer statusR.Close()
	defer statusW.Close()
	secretR, secretW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer secretR.Close()
	// At most maxTicketInput, which every pipe holds, so this never waits for the child.
	_, err = io.WriteString(secretW, secret)
	if err = errors.Join(err, secretW.Close()); err != nil {
		return fmt.Errorf("write to pipe: %w", err)
	}
	c := &exec.Cmd{
		Path: exe,
		// The name we were called by, whatever the program's file is.
		Args:        append([]string{os.Args[0]}, hideTicket(a.args, word)...),
		Env:         append(os.Environ(), detachEnv+"="+strconv.Itoa(statusFD)),
		Stdout:      a.stdout.file,
		Stderr:      a.stderr.file,
		ExtraFiles:  []*os.File{statusW, secretR},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	// Ctrl-C doesn't reach another session. The child prints what there is to say about it.
	a.signals.passTo(func(s os.Signal) { _ = c.Process.Signal(s) })
	defer a.signals.passTo(nil)
	_ = statusW.Close()
	return a.awaitReady(c, statusR)
}

// awaitReady reads the child's one byte.
func (a *app) awaitReady(c *exec.Cmd, status io.Reader) error {
	var code [1]byte
	if _, err := io.ReadFull(status, code[:]); err == nil {
		// From here on the child is nobody's: init will reap it.
		_ = c.Process.Release()
		if code[0] == exitOK {
			return nil
		}
		return exitSilently(int(code[0]), errors.New("the background process reported a failure"))
	}
	err := c.Wait()
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("wait for the background process: %w", err)
	}
	ended, killed := processCode(exit.ProcessState)
	if killed {
		return exitf(ended, "", "the background process was killed (%s)", syscall.Signal(ended-128))
	}
	return exitSilently(ended, err)
}

// hideTicket replaces the ticket by "-", which a child reads from its pipe.
func hideTicket(args []string, word string) []string {
	out := append([]string{}, args...)
	if word == "" || word == "-" {
		return out
	}
	for i, arg := range out {
		if arg == word {
			out[i] = "-"
		}
	}
	return out
}

// detachedChild is the background process's tie to the command that started it. Not safe for concurrent use.
type detachedChild struct {
	status *os.File
	secret *os.File // nil once it was read
}

// findParent tells whether this process was started by detach. The variable is taken out of the environment, and counts only if
// its descriptor is a pipe.
func findParent() *detachedChild {
	value, ok := os.LookupEnv(detachEnv)
	if !ok {
		return nil
	}
	os.Unsetenv(detachEnv)
	if value != strconv.Itoa(statusFD) || !isPipe(statusFD) || !isPipe(secretFD) {
		return nil
	}
	unix.CloseOnExec(statusFD)
	unix.CloseOnExec(secretFD)
	return &detachedChild{
		status: os.NewFile(statusFD, "status pipe"),
		secret: os.NewFile(secretFD, "ticket pipe"),
	}
}

func isPipe(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && uint32(st.Mode)&unix.S_IFMT == unix.S_IFIFO
}

// ticket reads what the parent resolved; it can be read once.
func (d *detachedChild) ticket() (io.ReadCloser, error) {
	if d.secret == nil {
		return nil, errors.New("the ticket was read already")
	}
	f := d.secret
	d.secret = nil
	return f, nil
}

// ready lets the parent end with code: stdout and stderr become /dev/null first, so that whoever waits for their end, as ssh
// does, isn't held up. Any live display must have stopped. Further calls do nothing.
func (a *app) ready(code int) error {
	d := a.child
	if d == nil || d.status == nil {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("let go of stdout: %w", err)
	}
	defer null.Close()
	for _, s := range []*stream{a.stdout, a.stderr} {
		if err := redirect(int(null.Fd()), int(s.file.Fd())); err != nil {
			return fmt.Errorf("let go of stdout: %w", err)
		}
	}
	_, err = d.status.Write([]byte{byte(code)})
	d.close()
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("tell the parent: %w", err)
	}
	return nil
}

// close gives up the pipes.
func (d *detachedChild) close() {
	for _, f := range []**os.File{&d.status, &d.secret} {
		if *f != nil {
			_ = (*f).Close()
			*f = nil
		}
	}
}
