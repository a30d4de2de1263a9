package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// remoteHome is HOME of a login in the lab.
const remoteHome = "/run/home"

// pusher is a rig whose hosts have sshd, and no p2pcp.
type pusher struct {
	*rig
	path, sum string // what is pushed
	size      int
}

// newPusher makes one with n receivers.
func newPusher(t *testing.T, n, mbit, size int) *pusher {
	t.Helper()
	p := &pusher{rig: newRig(t, n+1, mbit), size: size}
	for i := range p.n {
		if err := p.host(i).SSHD(p.ctx); err != nil {
			t.Fatal(err)
		}
	}
	p.path, p.sum = p.file("model.bin", size)
	return p
}

// ssh is what the hosts are logged in to with. They share this machine's cores, and OpenSSH 9's preferred key exchange takes 70 ms of
// one on each side.
func (p *pusher) ssh() string {
	return "ssh -F " + p.lab.SSHConfig() + " -o KexAlgorithms=curve25519-sha256"
}

// push starts a push to hosts by their numbers.
func (p *pusher) push(hosts []int, args ...string) *lab.Proc {
	p.Helper()
	all := []string{"push", p.path, "--ssh", p.ssh(), "-o", lab.Scratch + "/", "--json", "--progress-interval", "1s"}
	return p.start(0, p.bin, append(append(append(all, args...), "--hosts"), p.names(hosts))...)
}

func (p *pusher) names(hosts []int) string {
	var names []string
	for _, h := range hosts {
		names = append(names, p.host(h).Name())
	}
	return strings.Join(names, ",")
}

// pushed is a message of push --json.
type pushed struct {
	Type, Host, State, Message, Output string
	Code, Changed, Logins              int
	Seconds                            float64
	Sent                               bool
	Egress                             float64
}

// UnmarshalJSON reads the names that differ.
func (m *pushed) UnmarshalJSON(b []byte) error {
	var x struct {
		Type    string  `json:"message_type"`
		Host    string  `json:"host"`
		State   string  `json:"state"`
		Message string  `json:"message"`
		Code    int     `json:"code"`
		Changed int     `json:"changed"`
		Seconds float64 `json:"seconds"`
		Sent    bool    `json:"program_sent"`
		Egress  float64 `json:"egress_copies"`
		Logins  int     `json:"logins"`
		Output  string  `json:"run_output"`
	}
	err := json.Unmarshal(b, &x)
	*m = pushed{Type: x.Type, Host: x.Host, State: x.State, Message: x.Message, Code: x.Code, Changed: x.Changed, Seconds: x.Seconds, Sent: x.Sent, Egress: x.Egress, Logins: x.Logins, Output: x.Output}
	return err
}

// told are the verdicts by host, and the sums.
func (p *pusher) told(proc *lab.Proc) (hosts map[string]pushed, all pushed) {
	p.Helper()
	hosts = map[string]pushed{}
	for line := range strings.Lines(proc.Out.String()) {
		var kind struct {
			Type string `json:"message_type"`
		}
		var m pushed
		if err := json.Unmarshal([]byte(line), &kind); err != nil {
			p.Fatalf("%s: %v", line, err)
		}
		if kind.Type != "host" && kind.Type != "result" {
			continue
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			p.Fatalf("%s: %v", line, err)
		}
		if m.Type == "host" {
			hosts[m.Host] = m
		} else {
			all = m
		}
	}
	return hosts, all
}

// strays are the processes of a host that aren't sshd's listener.
func (p *pusher) strays(h int) (all []string) {
	for _, pid := range p.host(h).Pids() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if words := strings.ReplaceAll(strings.TrimRight(string(b), "\x00"), "\x00", " "); err == nil && words != "" && !strings.Contains(words, "sshd") {
			all = append(all, words)
		}
	}
	return all
}

// TestE2EPush: to hosts with nothing but sshd. Then again, with one of them down, one full and one that hangs at its login: the others
// aren't delayed.
func TestE2EPush(t *testing.T) {
	p := newPusher(t, 16, rate, 256*mib)
	limit := time.Duration(float64(p.size) * 8 / (rate * 1e6) * float64(time.Second))
	packed := strings.Fields(p.run(0, "sh", "-c", "gzip -c "+p.bin+" | wc -c"))[0]
	var program float64
	if _, err := fmt.Sscan(packed, &program); err != nil {
		t.Fatal(err)
	}
	own := time.Duration(16 * program * 8 / (rate * 1e6) * float64(time.Second))

	proc := p.push(p.receivers())
	if code := p.wait(proc, 2*time.Minute); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, proc.Out, proc.Err)
	}
	took := proc.Out.When(`"message_type":"result"`).Sub(proc.Started)
	hosts, all := p.told(proc)
	t.Logf("%d hosts in %.1f s: the limit is %.1f s, the program's %.1f s; egress %.2f copies", all.Changed, took.Seconds(), limit.Seconds(), own.Seconds(), all.Egress)
	// On a quiet machine 1.25 of the limit is held (README); on a busy one a regression still shows.
	if most := limit*7/4 + own + 5*time.Second; took > most || all.Changed != 16 || all.Egress > 1.3 {
		t.Errorf("%s is more than %s, or not all 16, or %.2f copies", took, most, all.Egress)
	}
	for name, h := range hosts {
		if !h.Sent {
			t.Errorf("%s had a program already", name)
		}
	}
	p.sameEverywhere(p.path, p.sum, p.receivers()...)
	for _, h := range p.receivers() {
		if got := p.strays(h); len(got) > 0 {
			t.Errorf("host %d still runs %q", h, got)
		}
	}
	p.clear(p.path)
	p.troubled(limit)
}

// troubled pushes while three of the hosts can't take it.
func (p *pusher) troubled(limit time.Duration) {
	t := p.T
	const down, full, hangs = 14, 15, 16
	if err := p.host(down).LinkDown(); err != nil {
		t.Fatal(err)
	}
	p.run(full, "sh", "-c", "fallocate -l 900M "+lab.Scratch+"/ballast")
	for _, pid := range p.host(hangs).Pids() {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	retry := lab.Scratch + "/retry"
	proc := p.push(p.receivers(), "--retry-file", retry, "--login-timeout", "8s")
	code := p.wait(proc, 2*time.Minute)
	hosts, all := p.told(proc)
	slowest := 0.0
	for _, h := range hosts {
		if h.State == "changed" {
			slowest = max(slowest, h.Seconds)
		}
	}
	t.Logf("13 hosts in %.1f s, all verdicts in %.1f s", slowest, proc.Out.When(`"message_type":"result"`).Sub(proc.Started).Seconds())
	if code != 7 || all.Code != 7 || all.Changed != 13 {
		t.Errorf("exit %d, %+v\n%s", code, all, proc.Err)
	}
	if most := limit*7/4 + 5*time.Second; slowest > most.Seconds() {
		t.Errorf("%.1f s is more than %s", slowest, most)
	}
	for h, want := range map[int]string{down: "unreachable 6", full: "failed 7", hangs: "unreachable 6"} {
		m := hosts[p.host(h).Name()]
		if got := fmt.Sprint(m.State, " ", m.Code); got != want {
			t.Errorf("host %d: %s: %s", h, got, m.Message)
		}
		t.Logf("host %d: %s: %s", h, m.State, m.Message)
	}
	b, err := os.ReadFile(p.host(0).Path(retry))
	if got := strings.Count(string(b), "\nnode"); err != nil || got != 3 {
		t.Errorf("the retry file: %v\n%s", err, b)
	}
	// It says who is to be tried again, once the trouble is over.
	for _, pid := range p.host(hangs).Pids() {
		_ = syscall.Kill(pid, syscall.SIGCONT) // those of a login may end meanwhile
	}
	p.run(full, "rm", lab.Scratch+"/ballast")
	if err := p.host(down).LinkUp(); err != nil {
		t.Fatal(err)
	}
	again := p.start(0, p.bin, "push", p.path, "--hosts-file", retry, "--ssh", p.ssh(), "-o", lab.Scratch+"/")
	if code := p.wait(again, time.Minute); code != 0 || !strings.HasPrefix(again.Out.String(), "changed node[15-17] "+p.path+" ") {
		t.Errorf("again: exit %d\n%s%s", code, again.Out, again.Err)
	}
	p.sameEverywhere(p.path, p.sum, p.receivers()...)
}

// TestE2EPushInterrupted: whenever it is interrupted, no process and no part of a program stays anywhere, and the same command resumes.
func TestE2EPushInterrupted(t *testing.T) {
	p := newPusher(t, 4, 20, 32*mib)
	inHome := func(h int, pattern string) bool {
		found, err := filepath.Glob(p.host(h).Path(remoteHome + "/.cache/p2pcp/bin/" + pattern))
		return err == nil && len(found) > 0
	}
	runs := func(h int, what string) bool { return strings.Contains(strings.Join(p.strays(h), "\n"), what) }
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		code   int
		at     func(h int) bool
	}{
		{"sending the program", syscall.SIGINT, 130, func(h int) bool { return inHome(h, ".new-*") }},
		{"killed while sending the program", syscall.SIGKILL, -1, func(h int) bool { return inHome(h, ".new-*") }},
		{"getting", syscall.SIGINT, 130, func(h int) bool {
			_, err := os.Stat(p.host(h).Path(lab.Scratch + "/.model.bin.p2pcp/content"))
			return err == nil
		}},
		{"killed while getting", syscall.SIGKILL, -1, func(h int) bool { return runs(h, "get - --pushed") }},
		{"the command runs", syscall.SIGTERM, 143, func(h int) bool { return runs(h, "sleep 1000") }},
	} {
		proc := p.push(p.receivers(), "--run", "sleep 1000")
		p.until(c.name, time.Minute, func() bool {
			select {
			case <-proc.Done():
				t.Fatalf("%s: it ended\n%s%s", c.name, proc.Out, proc.Err)
			default:
			}
			for _, h := range p.receivers() {
				if !c.at(h) {
					return false
				}
			}
			return true
		})
		begun := time.Now()
		proc.Signal(c.signal)
		if code := p.wait(proc, 10*time.Second); code != c.code {
			t.Errorf("%s: exit %d\n%s", c.name, code, proc.Err)
		}
		for _, h := range p.receivers() {
			p.until(fmt.Sprintf("%s: host %d is quiet: %q", c.name, h, p.strays(h)), 10*time.Second, func() bool { return len(p.strays(h)) == 0 })
			if inHome(h, ".*") {
				t.Errorf("%s: host %d has a part of the program", c.name, h)
			}
		}
		t.Logf("%s: all is quiet after %s", c.name, time.Since(begun).Round(10*time.Millisecond))
	}
	proc := p.push(p.receivers())
	if code := p.wait(proc, time.Minute); code != 0 {
		t.Errorf("exit %d\n%s", code, proc.Err)
	}
	p.sameEverywhere(p.path, p.sum, p.receivers()...)
}
