package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// launchers is a lab whose hosts log in to each other, and what they get.
type launchers struct {
	*rig
	path, sum string
	hosts     []string // the receivers' addresses
}

const launchedSize = 64 * mib

// TestE2ELaunchers: every way in which people start a command on many hosts brings the same copies everywhere.
func TestE2ELaunchers(t *testing.T) {
	l := launchers{rig: newRig(t, 9, rate)}
	l.path, l.sum = l.file("model.bin", launchedSize)
	for i := range l.n {
		if err := l.host(i).SSHD(l.ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range l.receivers() {
		l.hosts = append(l.hosts, l.host(h).Addr().String())
	}
	for _, c := range []struct {
		name   string
		launch func(l launchers, ticket string)
		most   float64 // copies that the seed sends
	}{
		{"sequential ssh loop", launchers.sequential, 9},
		{"sequential ssh loop, detached", launchers.detached, 2},
		{"parallel ssh loop", launchers.parallel, 1.5},
		{"pdsh", launchers.pdsh, 1.5},
		{"clush", launchers.clush, 1.5},
		{"ansible ad hoc", launchers.adHoc, 1.6},
		{"ansible playbook", launchers.playbook, 1.6},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := launchers{l.with(t), l.path, l.sum, l.hosts}
			_, ticket := l.seed(l.path)
			egress := l.sent(func() { c.launch(l, ticket) })
			l.sameEverywhere(l.path, l.sum, l.receivers()...)
			sent := copies(egress[0], launchedSize)
			t.Logf("seed egress %.2f copies", sent)
			if sent > c.most {
				t.Errorf("the seed sent %.2f copies, at most %.1f are expected", sent, c.most)
			}
			l.clear(l.path)
		})
	}
}

// line is what a host's shell is to run.
func (l launchers) line(ticket string, args ...string) string {
	return strings.Join(append([]string{"cd", lab.Scratch, "&&", l.bin, "get", ticket, "-o", lab.Scratch + "/"}, args...), " ")
}

// ssh starts a command on a receiver by ssh.
func (l launchers) ssh(host, line string) *lab.Proc {
	return l.start(0, "ssh", "-F", l.lab.SSHConfig(), host, line)
}

func (l launchers) sequential(ticket string) {
	for i, h := range l.hosts {
		p := l.ssh(h, l.line(ticket))
		l.good(time.Minute, p)
		if late := p.Ended().Sub(p.Out.When("")); late > 2*time.Second {
			l.Errorf("host %d: the command returned %s after its completion", i, late)
		}
	}
}

func (l launchers) detached(ticket string) {
	for _, h := range l.hosts {
		l.good(time.Minute, l.ssh(h, l.line(ticket, "-d")))
	}
	for _, h := range l.receivers() {
		l.run(h, l.bin, "stop", "--all")
	}
}

func (l launchers) parallel(ticket string) {
	var all []*lab.Proc
	for _, h := range l.hosts {
		all = append(all, l.ssh(h, l.line(ticket)))
	}
	l.good(time.Minute, all...)
}

func (l launchers) pdsh(ticket string) {
	p := l.start(0, "env", "PDSH_SSH_ARGS_APPEND=-F "+l.lab.SSHConfig(), "pdsh", "-R", "ssh", "-S", "-f", "64", "-w", strings.Join(l.hosts, ","), l.line(ticket))
	l.good(time.Minute, p)
	if n := strings.Count(p.Out.String(), ": changed "+l.path+" "); n != len(l.hosts) {
		l.Errorf("%d hosts said changed:\n%s", n, p.Out)
	}
}

func (l launchers) clush(ticket string) {
	p := l.start(0, "clush", "-b", "-S", "-f", "64", "-o", "-F "+l.lab.SSHConfig(), "-w", strings.Join(l.hosts, ","), l.line(ticket, "-q"))
	l.good(time.Minute, p)
	if n := strings.Count(p.Out.String(), "changed "+l.path+" "); n != 1 {
		l.Errorf("clush -b didn't fold equal lines into one group:\n%s", p.Out)
	}
}

func (l launchers) adHoc(ticket string) {
	command := fmt.Sprintf("%s get -q %s -o %s/", l.bin, ticket, lab.Scratch)
	// An ad hoc command has no changed_when: it is the line below each host's name that tells.
	for _, want := range []string{"\nchanged ", "\nunchanged "} {
		if out := l.ansible("ansible", "all", "-m", "command", "-a", command); strings.Count(out, want+l.path+" ") != len(l.hosts) {
			l.Errorf("not every host said %s:\n%s", strings.TrimSpace(want), out)
		}
	}
}

func (l launchers) playbook(ticket string) {
	playbook := filepath.Join(l.TempDir(), "get.yml")
	text := fmt.Sprintf(`- hosts: all
  gather_facts: false
  tasks:
    - command: {argv: ["%s", get, "%s", -o, "%s/"]}
      register: r
      changed_when: "'unchanged' not in r.stdout"
`, l.bin, ticket, lab.Scratch)
	if err := os.WriteFile(playbook, []byte(text), 0o600); err != nil {
		l.Fatal(err)
	}
	if out := l.ansible("ansible-playbook", playbook); strings.Count(out, "changed=1") != len(l.hosts) {
		l.Errorf("not every host was changed:\n%s", out)
	}
	if out := l.ansible("ansible-playbook", playbook); strings.Count(out, "changed=0") != len(l.hosts) {
		l.Errorf("the second run changed something:\n%s", out)
	}
}

func (l launchers) ansible(program string, args ...string) string {
	all := []string{
		"ANSIBLE_SSH_ARGS=-F " + l.lab.SSHConfig(), "ANSIBLE_HOST_KEY_CHECKING=false", "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCAL_TEMP=" + lab.Scratch + "/.a",
		"ANSIBLE_REMOTE_TEMP=" + lab.Scratch + "/.r", "ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3", "LC_ALL=C.UTF-8",
		program, "-f", "16", "-i", strings.Join(l.hosts, ",") + ",",
	}
	return l.run(0, "env", append(all, args...)...)
}

// TestE2EParallel: eight at once cost the seed about one copy, and every receiver sends too.
func TestE2EParallel(t *testing.T) {
	r := newRig(t, 9, rate)
	const size = 64 * mib
	path, sum := r.file("model.bin", size)
	seed, ticket := r.seed(path, "--expect", "8", "--for", "2m")
	begin := time.Now()
	egress := r.sent(func() {
		r.good(time.Minute, r.getAll(ticket, "--json")...)
	})
	t.Logf("%.2f s, seed egress %.3f copies", time.Since(begin).Seconds(), copies(egress[0], size))
	if c := copies(egress[0], size); c > 1.5 {
		t.Errorf("the seed sent %.2f copies", c)
	}
	for _, h := range r.receivers() {
		if c := copies(egress[h], size); c < 0.2 {
			t.Errorf("host %d sent only %.2f copies", h, c)
		}
	}
	r.sameEverywhere(path, sum, r.receivers()...)
	r.good(10*time.Second, seed)
	if n := strings.Count(seed.Err.String(), "8/8 hosts done"); n == 0 {
		t.Errorf("the seed's final table doesn't count 8 hosts:\n%s", seed.Err)
	}
}
