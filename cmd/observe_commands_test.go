package cmd

import (
	"bytes"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/seed"
)

// content is a directory with names that need care.
func (l *sandbox) content() {
	l.write("src/one", "1")
	l.write("src/sub/two words", "22")
	l.write("src/odd\nname", "333")
	l.write("src/empty", "")
	l.write("src/large", strings.Repeat("large ", 50000))
	if err := os.Symlink("one", filepath.Join(l.dir, "src/link")); err != nil {
		l.t.Fatal(err)
	}
}

// status runs status --json.
func (l *sandbox) status(args ...string) (m statusMessage) {
	l.t.Helper()
	if err := json.Unmarshal([]byte(l.ok(append([]string{"status", "--json"}, args...)...)), &m); err != nil {
		l.t.Fatal(err)
	}
	return m
}

// until asks for the status until it is as wanted.
func (l *sandbox) until(what string, good func(statusMessage) bool, args ...string) statusMessage {
	l.t.Helper()
	var m statusMessage
	for begin := time.Now(); time.Since(begin) < 20*time.Second; {
		if m = l.status(args...); good(m) {
			return m
		}
	}
	l.t.Fatalf("never %s: %+v", what, m)
	return m
}

// big writes a file of n different blocks of 64 KiB.
func (l *sandbox) big(n int) {
	var b bytes.Buffer
	for i := range n {
		b.WriteString(strings.Repeat(string(rune('A'+i)), 64<<10))
	}
	l.write("big", b.String())
}

// TestStatusOfTransfers shows two that last as long as the test.
func TestStatusOfTransfers(t *testing.T) {
	l := newSandbox(t)
	l.big(48)
	ticket, _ := l.seed("--limit", "32K", "big")
	m := l.until("seeding", func(m statusMessage) bool { return m.RarestCopies != nil }, ticket)
	if m.Name != "big" || m.Bytes != 3<<20 || m.Known != 0 || len(m.Seeds) != 1 || m.Egress == nil || *m.Egress != 0 || *m.RarestCopies != 1 {
		t.Errorf("alone: %+v", m)
	}
	l.start("get", ticket, "--listen", "127.0.0.1", "-o", "a")
	l.start("get", ticket, "--listen", "127.0.0.1", "-o", "b")
	m = l.until("under way", func(m statusMessage) bool {
		return m.Known == 2 && m.Hosts[0].Done > 0 && m.Hosts[1].Done > 0 && m.Hosts[0].Target != "" && m.Hosts[1].Target != ""
	}, ticket)
	targets := map[string]bool{}
	for _, h := range m.Hosts { // by their ports: either may have been there first
		if targets[h.Target] = true; h.State != "getting" || h.Done >= 1 || h.Address == "" || h.Note != h.Target {
			t.Errorf("under way: %+v", h)
		}
	}
	if !targets[filepath.Join(l.dir, "a")] || !targets[filepath.Join(l.dir, "b")] {
		t.Errorf("under way to %v", targets)
	}
	if m.Done != 0 || *m.Egress <= 0 || *m.Egress >= 1 {
		t.Errorf("under way: %+v", m)
	}
	if out := l.ok("status", ticket); !strings.HasPrefix(out, "big 3.0 MiB  0/2 hosts done  2 under way  total ") || !strings.Contains(out, "\nHOST ") || strings.Contains(out, "\x1b") {
		t.Errorf("got %s", out)
	}
	if out := l.ok("status", "--plain", ticket); strings.Count(out, "\tgetting\t0.") != 2 || strings.Count(out, "\tseeding\t") != 1 {
		t.Errorf("got %s", out)
	}
}

// TestStatusOfASwarm follows one that is complete, with its seed and without.
func TestStatusOfASwarm(t *testing.T) {
	l := newSandbox(t)
	l.big(16)
	ticket, source := l.seed("big")
	for _, to := range []string{"a", "b"} {
		g := l.start("get", ticket, "--listen", "127.0.0.1", "-o", to, "--linger", "5m")
		if line := g.line(t); !strings.HasPrefix(line, "changed ") {
			t.Errorf("got %s", line)
		}
	}
	m := l.until("complete", func(m statusMessage) bool { return m.Done == 2 && m.RarestCopies != nil && *m.RarestCopies == 3 }, ticket)
	if *m.Egress < 0.9 || *m.Egress > 2.1 || m.Hosts[0].State != "changed" || m.Hosts[0].Seconds <= 0 || m.DownRate != 0 {
		t.Errorf("complete: %+v", m)
	}
	var fresh seed.Ticket
	var err error
	for range 20 { // a slow machine may need longer than a crawl waits
		if fresh, err = seed.ParseTicket(strings.TrimSpace(l.ok("status", "--ticket", ticket))); len(fresh.Addrs) == 3 {
			break
		}
	}
	old, _ := seed.ParseTicket(ticket)
	if err != nil || len(fresh.Addrs) != 3 || fresh.Addrs[0] != old.Addrs[0] || fresh.ID != old.ID || !bytes.Equal(fresh.Key, old.Key) {
		t.Errorf("fresh ticket %+v, %v", fresh, err)
	}
	l.withoutSeed(ticket, source, m, fresh)
}

// withoutSeed goes on once the seed is killed.
func (l *sandbox) withoutSeed(ticket string, source *background, m statusMessage, fresh seed.Ticket) {
	t := l.t
	source.end(syscall.SIGKILL)
	if _, errs, code := l.run("status", ticket); code != exitNobody || !strings.Contains(errs, "p2pcp: hint: ") {
		t.Errorf("exit %d: %s", code, errs)
	}
	join := m.Hosts[0].Address
	m = l.until("without the seed", func(m statusMessage) bool { return m.Done == 2 }, "--join", join, ticket)
	if m.Name != "big" || m.Egress != nil || len(m.Seeds) != 0 || m.Hosts[0].State != "linger" {
		t.Errorf("without the seed: %+v", m)
	}
	if out := l.ok("status", fresh.String()); !strings.Contains(out, " 2/2 hosts done ") || !strings.Contains(out, "no seed answers  rarest block ") {
		t.Errorf("got %s", out)
	}
	next := strings.TrimSpace(l.ok("status", "--ticket", "--join", join, ticket))
	if p, err := seed.ParseTicket(next); err != nil || len(p.Addrs) != 2 || slices.Contains(p.Addrs, fresh.Addrs[0]) {
		t.Errorf("%+v, %v", p, err)
	}
	if got := l.ok("ls", next); got != "big\n" {
		t.Errorf("got %q", got)
	}
	if got := l.ok("verify", "-q", next, "a"); !strings.HasPrefix(got, "ok a ") {
		t.Errorf("got %q", got)
	}
	if out := l.ok("ping", next); strings.Count(out, " ok ") != 4 {
		t.Errorf("got %s", out)
	}
}

func TestStatusWatchesUntilInterrupted(t *testing.T) {
	l := newSandbox(t)
	l.write("file", "abc")
	ticket, _ := l.seed("file")
	w := l.start("status", "--watch", "--json", "--progress-interval", "1s", ticket)
	for range 2 {
		var m statusMessage
		if err := json.Unmarshal([]byte(w.line(t)), &m); err != nil || m.Name != "file" {
			t.Errorf("%v, %+v", err, m)
		}
	}
	w.end(syscall.SIGINT)
	if code := w.cmd.ProcessState.ExitCode(); code != exitInterrupt {
		t.Errorf("exit %d", code)
	}
}

// closedPort is an address where nothing listens.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	return tcp.Addr().(*net.TCPAddr).AddrPort()
}

// TestObserversWithoutAnswer: nobody there is 6, a wrong key or a stranger's port 8, no address or a bad argument 2.
func TestObserversWithoutAnswer(t *testing.T) {
	l := newSandbox(t)
	l.write("file", "abc")
	ticket, _ := l.seed("file")
	good, err := seed.ParseTicket(ticket)
	if err != nil {
		t.Fatal(err)
	}
	wrong, gone, nowhere := good, good, good
	wrong.Key = seed.NewKey()
	gone.Addrs = []netip.AddrPort{closedPort(t)}
	nowhere.Addrs = nil
	for _, c := range []struct {
		name, ticket string
		code         int
	}{
		{"gone", gone.String(), exitNobody},
		{"wrong key", wrong.String(), exitAuth},
		{"no key", good.Public().String(), exitAuth},
		{"no address", nowhere.String(), exitUsage},
		{"cut", ticket[:len(ticket)-3], exitUsage},
		{"missing", "", exitUsage},
	} {
		for _, args := range [][]string{{"status"}, {"status", "--ticket"}, {"ls"}, {"ping"}, {"verify"}} {
			if c.ticket != "" {
				args = append(args, c.ticket)
			}
			if args[0] == "verify" {
				args = append(args, "file")
			}
			out, errs, code := l.run(args...)
			if code != c.code {
				t.Errorf("%s, %s: exit %d, want %d: %s", c.name, args[0], code, c.code, errs)
			}
			if !strings.Contains(errs, "p2pcp: error: ") || !strings.Contains(errs, "p2pcp: hint: ") {
				t.Errorf("%s, %s: stderr %s", c.name, args[0], errs)
			}
			if strings.Contains(errs, "EOF") {
				t.Errorf("%s, %s: stderr %s", c.name, args[0], errs)
			}
			if out != "" && args[0] != "ping" {
				t.Errorf("%s, %s: stdout %s", c.name, args[0], out)
			}
		}
	}
}

// TestObserversWithKeyFile: the key comes from the file, and a fresh ticket doesn't carry it.
func TestObserversWithKeyFile(t *testing.T) {
	l := newSandbox(t)
	l.write("file", "abc")
	l.ok("keygen", "-o", "key")
	ticket, _ := l.seed("--key-file", "key", "file")
	for _, args := range [][]string{{"status"}, {"ls"}, {"ping"}} {
		l.ok(append(args, "--key-file", "key", ticket)...)
	}
	l.ok("verify", "--key-file", "key", ticket, "file")
	fresh := strings.TrimSpace(l.ok("status", "--ticket", "--key-file", "key", ticket))
	if fresh != ticket {
		t.Errorf("got %s, want %s", fresh, ticket)
	}
}

func TestObserversUsage(t *testing.T) {
	l := newSandbox(t)
	ticket := testTicket().String()
	for _, args := range [][]string{
		{"status", ticket, "x"},
		{"status", "--watch", "--plain", ticket},
		{"status", "--ticket", "--watch", ticket},
		{"status", "--join", "host", ticket},
		{"ls", "-l", "--b3sum", ticket},
		{"ls", "--join", "host:0", ticket},
		{"verify", ticket},
		{"verify", ticket, ""},
		{"ping"},
	} {
		if _, errs, code := l.run(args...); code != exitUsage {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
}
