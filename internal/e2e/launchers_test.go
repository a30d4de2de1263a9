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

// TestE2ELaunchers: every way in which people start a command on many hosts brings the same copies everywhere.
func TestE2ELaunchers(t *testing.T) {
	r := newRig(t, 9, rate)
	const size = 64 * mib
	path, sum := r.file("model.bin", size)
	for i := range r.n {
		if err := r.host(i).SSHD(r.ctx); err != nil {
			t.Fatal(err)
		}
	}
	ssh := []string{"-F", r.lab.SSHConfig()}
	hosts := make([]string, 0, 8)
	for _, h := range r.receivers() {
		hosts = append(hosts, r.host(h).Addr().String())
	}
	get := func(ticket string, args ...string) string {
		return strings.Join(append([]string{"cd", lab.Scratch, "&&", r.bin, "get", ticket, "-o", lab.Scratch + "/"}, args...), " ")
	}
	check := func(r *rig, egress []uint64, most float64) {
		t := r.T
		t.Helper()
		r.sameEverywhere(path, sum, r.receivers()...)
		c := copies(egress[0], size)
		t.Logf("seed egress %.2f copies", c)
		if c > most {
			t.Errorf("the seed sent %.2f copies, at most %.1f are expected", c, most)
		}
		r.clear(path)
	}

	t.Run("sequential ssh loop", func(t *testing.T) {
		r := r.with(t)
		_, ticket := r.seed(path)
		check(r, r.sent(func() {
			for i, h := range hosts {
				p := r.start(0, "ssh", append(ssh, h, get(ticket))...)
				if code := r.wait(p, time.Minute); code != 0 {
					t.Fatalf("host %d: exit %d: %s", i, code, p.Err)
				}
				if late := p.Ended().Sub(p.Out.When("")); late > 2*time.Second {
					t.Errorf("host %d: the command returned %s after its completion", i, late)
				}
			}
		}), 9)
	})
	t.Run("sequential ssh loop, detached", func(t *testing.T) {
		r := r.with(t)
		_, ticket := r.seed(path)
		check(r, r.sent(func() {
			for _, h := range hosts {
				r.run(0, "ssh", append(ssh, h, get(ticket, "-d"))...)
			}
		}), 2)
		for _, h := range r.receivers() {
			r.run(h, r.bin, "stop", "--all")
		}
	})
	t.Run("parallel ssh loop", func(t *testing.T) {
		r := r.with(t)
		_, ticket := r.seed(path)
		check(r, r.sent(func() {
			var all []*lab.Proc
			for _, h := range hosts {
				all = append(all, r.start(0, "ssh", append(ssh, h, get(ticket))...))
			}
			for _, p := range all {
				if code := r.wait(p, time.Minute); code != 0 {
					t.Errorf("exit %d: %s", code, p.Err)
				}
			}
		}), 1.5)
	})
	t.Run("pdsh", func(t *testing.T) {
		r := r.with(t)
		_, ticket := r.seed(path)
		check(r, r.sent(func() {
			p := r.start(0, "env", "PDSH_SSH_ARGS_APPEND=-F "+r.lab.SSHConfig(), "pdsh", "-R", "ssh", "-S", "-f", "64", "-w", strings.Join(hosts, ","), get(ticket))
			if code := r.wait(p, time.Minute); code != 0 {
				t.Errorf("exit %d: %s", code, p.Err)
			}
			if n := strings.Count(p.Out.String(), ": changed "+path+" "); n != len(hosts) {
				t.Errorf("%d hosts said changed:\n%s", n, p.Out)
			}
		}), 1.5)
	})
	t.Run("clush", func(t *testing.T) {
		r := r.with(t)
		_, ticket := r.seed(path)
		check(r, r.sent(func() {
			p := r.start(0, "clush", "-b", "-S", "-f", "64", "-o", "-F "+r.lab.SSHConfig(), "-w", strings.Join(hosts, ","), get(ticket, "-q"))
			if code := r.wait(p, time.Minute); code != 0 {
				t.Errorf("exit %d: %s%s", code, p.Out, p.Err)
			}
			if n := strings.Count(p.Out.String(), "changed "+path+" "); n != 1 {
				t.Errorf("clush -b didn't fold equal lines into one group:\n%s", p.Out)
			}
		}), 1.5)
	})
	ansible := func(r *rig, program string, args ...string) string {
		all := []string{
			"ANSIBLE_SSH_ARGS=-F " + r.lab.SSHConfig(), "ANSIBLE_HOST_KEY_CHECKING=false", "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCAL_TEMP=" + lab.Scratch + "/.a",
			"ANSIBLE_REMOTE_TEMP=" + lab.Scratch + "/.r", "ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3", "LC_ALL=C.UTF-8",
			program, "-f", "16", "-i", strings.Join(hosts, ",") + ",",
		}
		return r.run(0, "env", append(all, args...)...)
	}
	t.Run("ansible ad hoc", func(t *testing.T) {
		r := r.with(t)
		_, ticket := r.seed(path)
		command := fmt.Sprintf("%s get -q %s -o %s/", r.bin, ticket, lab.Scratch)
		check(r, r.sent(func() {
			// An ad hoc command has no changed_when: it is the line below each host's name that tells.
			for _, want := range []string{"\nchanged ", "\nunchanged "} {
				if out := ansible(r, "ansible", "all", "-m", "command", "-a", command); strings.Count(out, want+path+" ") != len(hosts) {
					t.Errorf("not every host said %s:\n%s", strings.TrimSpace(want), out)
				}
			}
		}), 1.6)
	})
	t.Run("ansible playbook", func(t *testing.T) {
		r := r.with(t)
		_, ticket := r.seed(path)
		playbook := filepath.Join(t.TempDir(), "get.yml")
		text := fmt.Sprintf(`- hosts: all
  gather_facts: false
  tasks:
    - command: {argv: ["%s", get, "%s", -o, "%s/"]}
      register: r
      changed_when: "'unchanged' not in r.stdout"
`, r.bin, ticket, lab.Scratch)
		if err := os.WriteFile(playbook, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		check(r, r.sent(func() {
			if out := ansible(r, "ansible-playbook", playbook); strings.Count(out, "changed=1") != len(hosts) {
				t.Errorf("not every host was changed:\n%s", out)
			}
			if out := ansible(r, "ansible-playbook", playbook); strings.Count(out, "changed=0") != len(hosts) {
				t.Errorf("the second run changed something:\n%s", out)
			}
		}), 1.6)
	})
}

// TestE2EParallel: eight at once cost the seed about one copy, and every receiver sends too.
func TestE2EParallel(t *testing.T) {
	r := newRig(t, 9, rate)
	const size = 64 * mib
	path, sum := r.file("model.bin", size)
	seed, ticket := r.seed(path, "--expect", "8", "--for", "2m")
	begin := time.Now()
	egress := r.sent(func() {
		var all []*lab.Proc
		for _, h := range r.receivers() {
			all = append(all, r.get(h, ticket, "--json"))
		}
		for i, p := range all {
			if code := r.wait(p, time.Minute); code != 0 {
				t.Errorf("host %d: exit %d: %s", i+1, code, p.Err)
			}
		}
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
	if code := r.wait(seed, 10*time.Second); code != 0 {
		t.Errorf("seed --expect: exit %d: %s", code, seed.Err)
	}
	if n := strings.Count(seed.Err.String(), "8/8 hosts done"); n == 0 {
		t.Errorf("the seed's final table doesn't count 8 hosts:\n%s", seed.Err)
	}
}
