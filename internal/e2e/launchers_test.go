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

// launchRig is a rig whose hosts have sshd, with a file of so many MiB on host 0.
type launchRig struct {
	*rig
	path, sum string
	size      int
	hosts     []string // addresses of the receivers
	ssh       string   // a command line for sh
}

func newLaunchRig(t *testing.T, n, mibs int) *launchRig {
	r := newRig(t, n, rate)
	l := &launchRig{rig: r, size: mibs * mib}
	l.path, l.sum = r.file("model.bin", l.size)
	for i := range r.n {
		if err := r.host(i).SSHD(r.ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range r.receivers() {
		l.hosts = append(l.hosts, r.host(h).Addr().String())
	}
	l.ssh = "ssh -n -F " + r.lab.SSHConfig()
	return l
}

// limit is the time to copy the file once.
func (l *launchRig) limit() time.Duration {
	return time.Duration(float64(l.size) * 8 / (rate * 1e6) * float64(time.Second))
}

// sub is the rig for a subtest; every copy is checked and removed at its end, and the seed has sent no more than most copies.
func (l *launchRig) sub(t *testing.T, most float64, f func(l *launchRig)) {
	c := *l
	c.rig = l.with(t)
	egress := c.sent(func() { f(&c) })
	copied := copies(egress[0], c.size)
	t.Logf("seed egress %.2f copies", copied)
	if copied > most {
		t.Errorf("the seed sent %.2f copies, at most %.1f are expected", copied, most)
	}
	c.sameEverywhere(c.path, c.sum, c.receivers()...)
	for _, h := range c.receivers() {
		c.run(h, c.bin, "stop", "--all")
	}
	c.clear(c.path)
}

// sh runs a script on host 0.
func (l *launchRig) sh(script string) string { return l.run(0, "sh", "-c", script) }

// seedRun runs `seed --run` on host 0, and returns its stdout.
func (l *launchRig) seedRun(command string) string {
	l.Helper()
	return l.run(0, l.bin, "seed", l.path, "--expect", fmt.Sprint(len(l.hosts)), "--run", command)
}

// get is the command line on the hosts.
func (l *launchRig) get(ticket string, flags ...string) string {
	return strings.Join(append([]string{l.bin, "get", ticket, "-o", lab.Scratch + "/"}, flags...), " ")
}

// TestE2ELaunchSequential: one host after the other, each to its end.
func TestE2ELaunchSequential(t *testing.T) {
	l := newLaunchRig(t, 9, 16)
	for _, c := range []struct {
		name string
		get  []string
		most float64 // copies
	}{
		{"in the foreground", nil, 9},
		{"detached", []string{"-d"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.sub(t, c.most, func(l *launchRig) {
				_, ticket := l.seed(l.path)
				for i, h := range l.hosts {
					p := l.start(0, "ssh", "-F", l.lab.SSHConfig(), h, "cd "+lab.Scratch+" && "+l.get(ticket, c.get...))
					if code := l.wait(p, time.Minute); code != 0 {
						l.Fatalf("host %d: exit %d: %s", i, code, p.Err)
					}
					if late := p.Ended().Sub(p.Out.When("")); late > 2*time.Second {
						l.Errorf("host %d: the command returned %s after its completion", i, late)
					}
				}
			})
		})
	}
}

// TestE2ELaunchLoops: shells that start one host after the other without waiting, or some at a time.
func TestE2ELaunchLoops(t *testing.T) {
	l := newLaunchRig(t, 9, 128)
	list := strings.Join(l.hosts, " ")
	t.Run("sequential, --no-wait", func(t *testing.T) {
		l.sub(t, 1.6, func(l *launchRig) {
			_, ticket := l.seed(l.path)
			begin := time.Now()
			out := l.sh(fmt.Sprintf("for h in %s; do %s $h %s; done", list, l.ssh, l.get(ticket, "-q --no-wait")))
			logins := time.Since(begin) // the last host can't begin before
			verdict := l.run(0, l.bin, "wait", "-n", "8", ticket)
			took := time.Since(begin)
			l.Logf("%.2f s: logins of %.2f s and %.2f of the limit", took.Seconds(), logins.Seconds(), (took-logins).Seconds()/l.limit().Seconds())
			if strings.Count(out, "started "+l.path+" ") != 8 || !strings.Contains(verdict, "8/8 hosts done") {
				l.Errorf("%s%s", out, verdict)
			}
			if most := time.Duration(1.3*float64(l.limit())) + logins; took > most {
				l.Errorf("it took %s, more than %s", took, most)
			}
		})
	})
	t.Run("in the background", func(t *testing.T) {
		l.sub(t, 1.6, func(l *launchRig) {
			l.seedRun(fmt.Sprintf("for h in %s; do %s $h %s & done; wait", list, l.ssh, l.get("{}", "-q")))
		})
	})
	t.Run("xargs", func(t *testing.T) {
		l.sub(t, 1.6, func(l *launchRig) {
			l.seedRun(fmt.Sprintf("printf '%%s\\n' %s | xargs -P 8 -I @ %s @ %s", list, l.ssh, l.get("{}", "-q")))
		})
	})
}

// TestE2ELaunchFolds: pdsh and clush fold what the hosts print to one group.
func TestE2ELaunchFolds(t *testing.T) {
	t.Parallel()
	l := newLaunchRig(t, 9, 64)
	folded := func(l *launchRig, out string) {
		l.Helper()
		if strings.Count(out, "changed "+l.path+" ") != 1 || !strings.Contains(out, "[2-9]") {
			l.Errorf("equal lines aren't one group:\n%s", out)
		}
	}
	t.Run("pdsh", func(t *testing.T) {
		l.sub(t, 1.6, func(l *launchRig) {
			out := l.seedRun(fmt.Sprintf("PDSH_RCMD_TYPE=ssh PDSH_SSH_ARGS_APPEND='-F %s' pdsh -f 512 -S -w node[2-9] %s", l.lab.SSHConfig(), l.get("{}")))
			if n := strings.Count(out, ": changed "+l.path+" "); n != 8 {
				l.Errorf("%d hosts said changed:\n%s", n, out)
			}
			folded(l, l.sh("dshbak -c <<'.'\n"+out+".\n"))
		})
	})
	t.Run("clush", func(t *testing.T) {
		l.sub(t, 1.6, func(l *launchRig) {
			folded(l, l.seedRun(fmt.Sprintf("clush -b -S -f 64 -o '-F %s' -w '10.77.0.[2-9]' %s", l.lab.SSHConfig(), l.get("{}", "-q"))))
		})
	})
	t.Run("the notation", func(t *testing.T) {
		for _, set := range []string{"node[001-010,017]", "gpu[1-4,7],r[1-2]n[1-2]", "n[098-101]-ib", "n[8-12,9]"} {
			script := "nodeset -e '" + set + "' | tr ' ' '\n' | sort"
			ours := l.bin + " push -qn " + l.path + " -w '" + set + "' -o / --json | tr -d '[]}\"' | sed 's/.*hosts://' | tr , '\n' | sort"
			pdsh := "pdsh -N -R exec -w '" + set + "' echo %h | sort -u"
			want := l.sh(script)
			for _, script := range []string{ours, pdsh} {
				if got := l.sh(script); got != want || got == "" {
					t.Errorf("%s: %q, not %q", script, got, want)
				}
			}
		}
	})
}

// TestE2ELaunchNames: a name with many addresses, as a service's, finds a swarm whose seed's address is of no use.
func TestE2ELaunchNames(t *testing.T) {
	r := newRig(t, 4, rate)
	path, sum := r.file("model.bin", 8*mib)
	_, ticket := r.seed(path, "--advertise", "10.77.0.99:7700")
	var names strings.Builder
	for i := range 3 {
		fmt.Fprintf(&names, "%s p2pcp.default.svc\n", r.host(i).Addr())
	}
	r.run(0, "sh", "-c", "printf '"+names.String()+"' >> /etc/hosts")
	r.start(1, r.bin, "get", ticket, "-o", lab.Scratch+"/", "--join", "p2pcp.default.svc:7700", "--listen", ":7700", "--linger", "1m")
	r.until("a copy", 20*time.Second, func() bool { _, err := os.Stat(r.host(1).Path(path)); return err == nil })
	r.run(3, r.bin, "get", ticket, "-o", lab.Scratch+"/", "--join", "p2pcp.default.svc:7700", "--linger", "0")
	r.sameEverywhere(path, sum, 1, 3)
	if got := r.run(3, r.bin, "ping", "--join", "p2pcp.default.svc:7700", ticket); strings.Count(got, " ok ") < 4 {
		t.Errorf("not every address was tried:\n%s", got)
	}
}

// ansible runs one of its programs on host 0 with so many forks.
func (l *launchRig) ansible(forks int, program string, args ...string) string {
	l.Helper()
	all := []string{
		"ANSIBLE_SSH_ARGS=-F " + l.lab.SSHConfig(), "ANSIBLE_HOST_KEY_CHECKING=false", "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCAL_TEMP=" + lab.Scratch + "/.a",
		"ANSIBLE_REMOTE_TEMP=" + lab.Scratch + "/.r", "ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3", "LC_ALL=C.UTF-8",
		program, "-f", fmt.Sprint(forks), "-i", strings.Join(l.hosts, ",") + ",",
	}
	return l.run(0, "env", append(all, args...)...)
}

// TestE2ELaunchAnsible: its default of 5 forks, and the role, all at once.
func TestE2ELaunchAnsible(t *testing.T) {
	t.Parallel()
	l := newLaunchRig(t, 9, 64)
	t.Run("ad hoc, 5 forks", func(t *testing.T) {
		l.sub(t, 2.5, func(l *launchRig) {
			_, ticket := l.seed(l.path)
			// An ad hoc command has no changed_when: it is the line below each host's name that tells.
			for _, want := range []string{"\nchanged ", "\nunchanged "} {
				if out := l.ansible(5, "ansible", "all", "-m", "command", "-a", l.get(ticket, "-q")); strings.Count(out, want+l.path+" ") != 8 {
					l.Errorf("not every host said %s:\n%s", strings.TrimSpace(want), out)
				}
			}
		})
	})
	t.Run("role", func(t *testing.T) {
		program, err := os.Stat(l.bin)
		if err != nil {
			t.Fatal(err)
		}
		// Ansible copies the program to every host.
		l.sub(t, 1.8+8*copies(uint64(program.Size()), l.size), func(l *launchRig) { l.role() })
	})
}

// role runs the playbook of contrib: in check mode, for real, again, and where a host has something else.
func (l *launchRig) role() {
	contrib, err := filepath.Abs("../../contrib/ansible")
	if err != nil {
		l.Fatal(err)
	}
	_, ticket := l.seed(l.path)
	vars := filepath.Join(l.TempDir(), "vars.yml")
	bin := lab.Scratch + "/p2pcp"
	text := fmt.Sprintf("p2pcp_ticket: %s\np2pcp_dest: %s/\np2pcp_binary: %s\np2pcp_path: %s\n", ticket, lab.Scratch, l.bin, bin)
	if err := os.WriteFile(vars, []byte(text), 0o600); err != nil {
		l.Fatal(err)
	}
	play := func(want string, args ...string) {
		l.Helper()
		begin := time.Now()
		out := l.ansible(16, "ansible-playbook", append([]string{contrib + "/fetch.yml", "-e", "@" + vars, "-v"}, args...)...)
		l.Logf("%s: %.1f s", want, time.Since(begin).Seconds())
		if strings.Count(out, want) != 8 || strings.Contains(out, ticket) {
			l.Errorf("not every host was %s, or the ticket is told:\n%s", want, out)
		}
	}
	for _, h := range l.receivers() {
		l.run(h, "cp", l.bin, bin)
	}
	play("changed=1", "--check") // the dry run; the program is there
	for _, h := range l.receivers() {
		l.run(h, "rm", bin)
	}
	play("changed=2") // the program, the content
	play("changed=0")
	play("changed=0", "--check")
}
