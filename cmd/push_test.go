package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/lipgloss"

	"p2pcp/internal/fleet"
)

// fakeSSH is an ssh whose hosts are directories; those called down... are down, the logins of deaf... hang.
const fakeSSH = `#!/bin/sh
while [ "$1" != -- ]; do shift; done
host=$2
shift 2
case $host in
down*) echo "ssh: connect to host $host port 22: No route to host" >&2; exit 255 ;;
deaf*) exec sleep 1000 ;;
esac
mkdir -p "$HOSTS/$host" && cd "$HOSTS/$host" || exit 255
echo "Welcome to $host"
HOME=$HOSTS/$host exec sh -c "$*"
`

// pushes prepares the sandbox and returns the flags that every push there needs.
func (l *sandbox) pushes() []string {
	l.t.Helper()
	l.write("ssh", fakeSSH)
	l.check(os.Chmod(l.path("ssh"), 0o755))
	return []string{"--ssh", "env HOSTS='" + l.path("hosts") + "' " + l.path("ssh"), "--listen", "127.0.0.1"}
}

func (l *sandbox) push(args ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	return l.run(append(append([]string{"push"}, args...), l.pushes()...)...)
}

func TestLoginHint(t *testing.T) {
	h := fleet.Host{Name: "n1"}
	for _, c := range []struct {
		state         fleet.State
		message, want string
	}{
		{fleet.Unreachable, "root@n1: Permission denied (publickey).", "'ssh n1 true' must work"},
		{fleet.Unreachable, "Host key verification failed.", "'ssh n1' once"},
		{fleet.Unreachable, "No route to host", ""},
		{fleet.Failed, "Permission denied", ""},
	} {
		got := loginHint([]fleet.Status{{Host: h, State: c.state, Message: c.message}})
		if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q", c.message, got)
		}
	}
}

// TestPush: hosts that get it, one that is down, and the same again by the retry file.
func TestPush(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 300_000)
	out, errs, code := l.push(l.path("a.bin"), "n[1-3],down1", "-o", "d/", "--retry-file", l.path("retry"))
	var want []string
	for i := 1; i <= 3; i++ {
		at := fmt.Sprintf("hosts/n%d/d/a.bin", i)
		want = append(want, strings.Replace(strings.TrimSpace(l.changed(at, content)), "changed ", fmt.Sprintf("changed n%d ", i), 1))
		l.holds(at, content)
	}
	want = append(want, "unreachable down1: ssh: connect to host down1 port 22: No route to host", "")
	if code != exitNobody || out != strings.Join(want, "\n") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	for _, text := range []string{"pushed a.bin to 3 of 4 hosts", "error: 1 of 4 hosts failed", "warning: down1 is unreachable: ssh: connect"} {
		if !strings.Contains(errs, text) {
			t.Errorf("no %q in\n%s", text, errs)
		}
	}
	if strings.Contains(out+errs, "p2pcp1") {
		t.Error("a ticket was printed")
	}
	l.write("ssh", strings.Replace(fakeSSH, "down*)", "never)", 1))
	out, errs, code = l.run("push", l.path("a.bin"), "--hosts-file", l.path("retry"), "-o", "d/", "--retry-file", l.path("retry"),
		"--ssh", "env HOSTS="+l.path("hosts")+" "+l.path("ssh"), "--listen", "127.0.0.1")
	if code != 0 || !strings.HasPrefix(out, "changed down1 ") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if b, err := os.ReadFile(l.path("retry")); err != nil || strings.Contains(string(b), "\ndown1") {
		t.Errorf("%s, %v", b, err)
	}
}

// TestPushRuns: --run sees what it needs, and its failure is 3.
func TestPushRuns(t *testing.T) {
	l := newSandbox(t)
	l.file("a.bin", 1, 1000)
	for round, changed := range []string{"1", "0"} {
		out, errs, code := l.push(l.path("a.bin"), "n1", "-o", "d/", "--json", "--run",
			`echo "$P2PCP_PATH $P2PCP_CHANGED $P2PCP_ROOT" | cut -c 1-200; test $P2PCP_CHANGED = 1`)
		if want := []int{0, exitGoal}[round]; code != want {
			t.Errorf("exit %d, want %d\n%s", code, want, errs)
		}
		var host pushHost
		for line := range strings.Lines(out) {
			var m pushHost
			l.check(json.Unmarshal([]byte(line), &m))
			if m.Type == "host" {
				host = m
			}
		}
		words := strings.Fields(host.Output)
		if len(words) != 3 || words[0] != l.path("hosts/n1/d/a.bin") || words[1] != changed || words[2] != host.Root || len(words[2]) != 64 {
			t.Errorf("%+v", host)
		}
	}
}

// TestPushInterrupted: a signal ends the gets too, and a login that hangs.
func TestPushInterrupted(t *testing.T) {
	l := newSandbox(t)
	l.file("a.bin", 1, 8_000_000)
	b := l.start(append([]string{"push", l.path("a.bin"), "n[1-2],deaf1", "-o", "d/", "--limit", "500K"}, l.pushes()...)...)
	within(t, 20*time.Second, "both have begun", func() bool {
		for _, host := range []string{"n1", "n2"} {
			if _, err := os.Stat(l.path("hosts/" + host + "/d/.a.bin.p2pcp/content")); err != nil {
				return false
			}
		}
		return true
	})
	code, took := b.exits(t, syscall.SIGINT)
	if code != exitInterrupt || took > 8*time.Second {
		t.Errorf("exit %d after %s\n%s", code, took, b.stderr(t))
	}
	for _, host := range []string{"n1", "n2"} {
		// Without a Block there is nothing to keep.
		if got := l.names("hosts/" + host + "/d"); got != ".a.bin.p2pcp" && got != "" {
			t.Errorf("%s holds %s", host, got)
		}
	}
}

// TestPushDryRun asks no host.
func TestPushDryRun(t *testing.T) {
	l := newSandbox(t)
	l.file("a.bin", 1, 3000)
	out, errs, code := l.push(l.path("a.bin"), "n[1-3],down1", "-x", "n2", "-n", "-o", "/d/", "--run", "true")
	if want := "would push a.bin (2.9 KiB) to /d/ of 3 hosts: down1,n[1,3]\nwould then run there: true\n"; code != 0 || out != want {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if _, err := os.Stat(l.path("hosts")); err == nil {
		t.Error("somebody was asked")
	}
}

// TestPushUsage: what is a path and what a host is never guessed.
func TestPushUsage(t *testing.T) {
	l := newSandbox(t)
	l.write("f", "x")
	l.write("g", "x")
	l.write("bad", "n[1-")
	for _, c := range []struct{ args, says string }{
		{"", "needs a PATH"},
		{"f", "needs hosts"},
		{"f n1", "needs -o DEST"},
		{"f g n1 -o d", `"g" stands where a host does`},
		{"f dir/x -o d", `"dir/x" stands where a host does`},
		{"-o d f g --", "needs hosts"},
		{"-w n1 -o d", "needs a PATH"},
		{"f n[1-3 -o d", "has no ]"},
		{"f -- -oProxyCommand=x", "needs -o DEST"},
		{"-o d f -- -oProxyCommand=x", "is no name of a host"},
		{"f n1 -x n1 -o d", "no host is left"},
		{"f --hosts-file bad -o d", "--hosts-file bad: line 1"},
		{"f n1 -o d --fanout 0", "--fanout is at least 1"},
		{"f n1 -o d --run x -d", "exclude each other"},
		{"f n1 -o d --run-timeout 1s", "needs --run"},
		{"f n1 -o d --limit x", "--limit"},
		{"- n1 -o d", "can't read a stream"},
	} {
		_, errs, code := l.run(append([]string{"push"}, strings.Fields(c.args)...)...)
		if code != exitUsage || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit %d: %s", c.args, code, errs)
		}
	}
	for _, c := range []struct{ args, plan string }{
		{"f n1 n2 n1 -o d", "f: [n1 n2]"},
		{"f g -o d -w n[1-2] -w root@n3:22", "files: [n1 n2 root@n3:22]"},
		{"-o d f g -- n1", "files: [n1]"},
		{"-o d f -- g", "f: [g]"},
		{"f [fd00::1]:22 -o d", "f: [[fd00::1]:22]"},
		{"f -o d ssh://root@n1:2222", "f: [root@n1:2222]"},
	} {
		out := l.ok(append([]string{"push", "-n", "-q", "--json"}, strings.Fields(c.args)...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		var m pushPlan
		l.check(json.Unmarshal([]byte(lines[len(lines)-1]), &m))
		if got := fmt.Sprintf("%s: %v", m.Name, m.Hosts); got != c.plan {
			t.Errorf("%s: %s, want %s", c.args, got, c.plan)
		}
	}
}

func TestVerdictLines(t *testing.T) {
	var all []fleet.Status
	for i := range 5 {
		all = append(all, fleet.Status{Host: fleet.Host{Name: fmt.Sprintf("n%d", i)}, State: fleet.Changed, Path: "/d/a b", Root: "0123456789"})
	}
	all = append(all,
		fleet.Status{Host: fleet.Host{Name: "x"}, State: fleet.Failed, Code: 7, Message: "no space\x1b[31m"},
		fleet.Status{Host: fleet.Host{Name: "y"}, State: fleet.Unreachable, Code: 6, Message: "No route"},
		fleet.Status{Host: fleet.Host{Name: "n5"}, State: fleet.Unchanged, Path: "/d/a b", Root: "0123456789", Message: "attempt 1"},
	)
	want := []string{
		"changed n[0-4] /d/a b 01234567",
		"unchanged n5 /d/a b 01234567",
		"unreachable y: No route",
		`failed x exit 7 (this host: space, permission, file system, port taken, source changed): no space\x1b[31m`,
	}
	if got := verdictLines(all); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestFoldedHostsExpand: what we print as a list of hosts is one.
func TestFoldedHostsExpand(t *testing.T) {
	hosts, err := fleet.Expand("n[1-20],n[08-12],gpu[1-3]x.y,root@n7:22,10.0.0.[1-3]")
	if err != nil {
		t.Fatal(err)
	}
	again, err := fleet.Expand(foldHosts(hosts))
	slices.Sort(hosts)
	slices.Sort(again)
	if err != nil || !slices.Equal(hosts, again) {
		t.Errorf("%q\n%q, %v", hosts, again, err)
	}
}

// TestFleetBarFits at every width.
func TestFleetBarFits(t *testing.T) {
	h := fleetHeader{Command: "push", Name: "a-rather-long-name-of-a-file.tar.zst", Bar: &fleetTotals{Done: 3 << 40, Total: 5 << 40, Rate: 99e9, Left: 59*time.Minute + 59*time.Second}}
	for width := 10; width < 140; width++ {
		if got := lipgloss.Width(fleetBar(h, width)); got > width {
			t.Errorf("%d columns for %d", got, width)
		}
	}
	h.Name = "big.tar"
	if got := fleetBar(h, 80); got != "push big.tar  60% |############--------| 3.0/5.0 TiB  92.2 GiB/s  last in 59m59s" {
		t.Error(got)
	}
}

// TestPushDisplay: who is slow is to be seen beside many failures and many that wait.
func TestPushDisplay(t *testing.T) {
	now := time.Now()
	var all []fleet.Status
	for i := range 500 {
		s := fleet.Status{Host: fleet.Host{Name: fmt.Sprintf("n%03d", i)}, Began: now.Add(-40 * time.Second), Left: -1}
		switch {
		case i < 437:
			s.State, s.Ended = fleet.Changed, now
		case i < 440:
			s.State, s.Stage, s.Total, s.Done, s.Rate, s.Left = fleet.Getting, stageTransfer, 100, uint64(i-430), 10, 65*time.Second
		case i < 450:
			s.State, s.Code, s.Message = fleet.Unreachable, 6, "No route to host"
		case i == 450:
			s.State, s.Tries, s.Message = fleet.Waiting, 1, "Connection closed"
		default:
			s.Began = time.Time{}
		}
		all = append(all, s)
	}
	rows := make([]fleetRow, len(all))
	for i := range all {
		rows[i] = pushRow(&all[i], now)
	}
	h := fleetHeader{Command: "push", Name: "model", Size: 100, Expect: 500, Rate: 1 << 30, RateOf: "up", Sent: 1.02, Rarest: -1}
	h.Bar = totals(all, rows, h.Size)
	const want = `
push model  89% |##########################----| 42.7/47.9 KiB  30 B/s      last in 1m5s
437/500 hosts done  53 under way  10 failed  up 1.0 GiB/s  seed sent 1.02 copies
HOST  STATE    DONE  RATE    TIME  NOTE
----------------------------------------------------
n450  again    0%    0 B/s   40s   Connection closed
n437  getting  7%    10 B/s  40s   eta 1m5s
n438  getting  8%    10 B/s  40s   eta 1m5s
n439  getting  9%    10 B/s  40s   eta 1m5s
n[000-436] (437) changed, slowest 40.0s
n[451-499] (49) waiting
n[440-449] (10) unreachable, slowest 40.0s
`
	if got := "\n" + strings.Join(fleetLines(h, rows, fleetStyle{width: 90, lines: 12}), "\n") + "\n"; got != want {
		t.Error(got)
	}
}
