package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// prepare begins what a holder does in its namespaces; $0 is the name. Congestion control is cubic, as hosts out there have it,
// where the machine lets a namespace choose (tcp_allowed_congestion_control); addHost's routes see to the rest.
const prepare = `set -e
trap '' INT TERM HUP
echo "$0" > /proc/sys/kernel/hostname
mount -t tmpfs -o size=64m lab ` + own + `
mkdir -m 0755 ` + own + `/sshd ` + own + `/home ` + own + `/tmp
mkdir -m 0700 ` + own + `/user
ip link set lo up
{ echo cubic > /proc/sys/net/ipv4/tcp_congestion_control; } 2>/dev/null || :
`

// hold ends it: wait for the end of stdin, then kill everybody in this network namespace until nobody else is there.
const hold = `
echo ready
read -r _ || :
set +e
me=$(stat -Lc %i /proc/$$/ns/net)
while :; do
	again=
	for line in $(stat -Lc %i:%n /proc/[0-9]*/ns/net 2>/dev/null); do
		case $line in "$me":*)
			pid=${line#*:/proc/}
			pid=${pid%/ns/net}
			[ "$pid" = $$ ] || { kill -9 "$pid" 2>/dev/null && again=1; }
		esac
	done
	[ "$again" ] || exit 0
done
`

// space is a set of namespaces and the process that holds it.
type space struct {
	holder *exec.Cmd
	stdin  io.Closer
	said   *bytes.Buffer // the holder's stderr; read it after wait
	waited bool
	err    error
}

// newSpace makes one with setup run inside. Its mounts begin as those of parent, or as the machine's.
func newSpace(parent *space, name, setup string) (*space, error) {
	args := []string{"unshare", "--mount", "--net", "--uts", "sh", "-c", prepare + setup + hold, name}
	if parent != nil {
		args = append([]string{"nsenter", "--mount", "--target", strconv.Itoa(parent.pid())}, args...)
	}
	s := &space{holder: exec.Command(args[0], args[1:]...), said: &bytes.Buffer{}}
	s.holder.SysProcAttr = holderAttr()
	s.holder.Dir = "/"
	s.holder.Stderr = s.said
	stdin, err := s.holder.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make namespace: %w", err)
	}
	s.stdin = stdin
	out, err := s.holder.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("make namespace: %w", err)
	}
	if err := s.holder.Start(); err != nil {
		return nil, fmt.Errorf("make namespace: %w", err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		s.release()
		_ = s.wait()
		return nil, fmt.Errorf("make namespace: %w: %s", err, bytes.TrimSpace(s.said.Bytes()))
	}
	return s, nil
}

// pid is the holder's: its namespaces' handle.
func (s *space) pid() int { return s.holder.Process.Pid }

// path is the name that this process has for a file inside.
func (s *space) path(inside string) string { return fmt.Sprintf("/proc/%d/root%s", s.pid(), inside) }

// release tells the holder to end.
func (s *space) release() { _ = s.stdin.Close() }

// wait waits for the holder's end; nobody is inside then.
func (s *space) wait() error {
	if !s.waited {
		s.waited = true
		if err := s.holder.Wait(); err != nil {
			s.err = fmt.Errorf("end namespace: %w: %s", err, bytes.TrimSpace(s.said.Bytes()))
		}
	}
	return s.err
}

// enter is the command line that runs args inside.
func (s *space) enter(args ...string) []string {
	return append([]string{
		"nsenter", "--mount", "--net", "--uts", "--wdns=" + Scratch, "--target", strconv.Itoa(s.pid()), "--",
	}, args...)
}

// run runs a tool inside and waits for it.
func (s *space) run(args ...string) error {
	line := s.enter(args...)
	out, err := exec.Command(line[0], line[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// ip runs ip's commands inside, in one process.
func (s *space) ip(commands ...string) error {
	line := s.enter("ip", "-batch", "-")
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(commands, "; "), err, bytes.TrimSpace(out))
	}
	return nil
}
