package cmd

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Exactly one line on stdout, the ticket; the line to copy and the table go to stderr.
func TestSeedOutput(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 100_000)
	ticket, b := l.seed("a.bin")
	b.says(t, "p2pcp: on each host: p2pcp get p2pcp1...\n")
	l.gets(exitOK, l.changed("d/a.bin", content), "-o", "d/", ticket)
	l.check(b.cmd.Process.Signal(syscall.SIGUSR1))
	b.says(t, "p2pcp: progress command=seed hosts=1/1 failed=0 lost=0")
	l.check(b.cmd.Process.Signal(syscall.SIGINT))
	rest, err := io.ReadAll(b.lines)
	if err != nil || len(rest) > 0 {
		t.Errorf("after the ticket: %q %v", rest, err)
	}
	if code, took := b.exits(t, 0); code != exitInterrupt || took > 3*time.Second {
		t.Errorf("exit %d after %s", code, took)
	}
	for _, want := range []string{"a.bin 97.7 KiB  1/1 hosts done  up ", "  seed sent 1.00 copies\n", " (1) changed, slowest "} {
		if !strings.Contains(b.stderr(t), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.stderr(t))
		}
	}

	out, errs, code := l.run("seed", "-q", "a.bin", "--for", "100ms", "--listen", "127.0.0.1")
	if code != exitOK || errs != "" || strings.Count(out, "\n") != 1 {
		t.Errorf("-q: exit %d %q %q", code, out, errs)
	}
	parseTicket(t, strings.TrimSpace(out))
	out, _, code = l.run("seed", "--json", "a.bin", "--for", "100ms", "--listen", "127.0.0.1")
	var types []string
	for _, m := range jsonLines(t, out) {
		types = append(types, m["message_type"].(string))
	}
	if got := strings.Join(types, " "); code != exitOK || got != "start status ticket status summary report" {
		t.Errorf("--json: exit %d, %s", code, got)
	}
}

// What is sent: several paths, another name, exclusions; what can't be sent is named.
func TestSeedPaths(t *testing.T) {
	l := newSandbox(t)
	for _, name := range []string{"p1", "dir/keep", "dir/no.o", "dir/sub/x", "dir/sub/deep.o"} {
		l.write(name, name)
	}
	l.check(unix.Mkfifo(l.path("dir/fifo"), 0o600))
	sock, err := net.Listen("unix", l.path("dir/s"))
	if err == nil {
		defer sock.Close()
	}
	ticket, b := l.seed("p1", "dir", "--name", "my name", "--exclude", "*.o")
	b.says(t, "dir/fifo is skipped: it is a named pipe")
	if err == nil {
		b.says(t, "dir/s is skipped: it is a socket")
	}
	l.ok("get", ticket, "-o", "d/", "--listen", "127.0.0.1")
	if got := l.names("d/my name") + "," + l.names("d/my name/dir") + "," + l.names("d/my name/dir/sub"); got != "dir p1,keep sub,x" {
		t.Errorf("arrived: %s", got)
	}

	for _, c := range []struct {
		code int
		path string
		says string
	}{
		{exitLocal, "none", "none"},
		{exitUsage, "dir/fifo", "nothing to send"},
	} {
		out, errs, code := l.run("seed", c.path)
		if code != c.code || out != "" || !strings.Contains(errs, c.says) {
			t.Errorf("seed %s: exit %d %q %s", c.path, code, out, errs)
		}
	}
	if os.Geteuid() != 0 {
		l.check(os.Chmod(l.path("dir/keep"), 0))
		if out, errs, code := l.run("seed", "-q", "dir"); code != exitLocal || out != "" || !strings.Contains(errs, "dir/keep") {
			t.Errorf("unreadable: exit %d %q %s", code, out, errs)
		}
	}
}

// What ends a seed, and how.
func TestSeedEnds(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 1000)
	ticket, b := l.seed("a.bin", "--expect", "2", "--for", "1h")
	l.gets(exitOK, l.changed("d/a.bin", content), "-o", "d/", ticket)
	l.gets(exitOK, l.unchanged("d/a.bin", content), "-o", "d/", ticket) // the same host and target
	b.says(t, "hosts=0/2")
	l.gets(exitOK, l.changed("e/a.bin", content), "-o", "e/", ticket)
	if code, took := b.exits(t, 0); code != exitOK || took > 5*time.Second {
		t.Errorf("--expect met: exit %d after %s\n%s", code, took, b.stderr(t))
	}
	ticket, b = l.seed("a.bin", "--expect", "2", "--for", "3s")
	l.gets(exitOK, l.changed("f/a.bin", content), "-o", "f/", ticket)
	if code, _ := b.exits(t, 0); code != exitGoal || !strings.Contains(b.stderr(t), "1 of 2 hosts completed") {
		t.Errorf("--expect not met: exit %d\n%s", code, b.stderr(t))
	}
	begun := time.Now()
	ticket, b = l.seed("a.bin", "--until-idle", "2s")
	<-time.After(time.Second)
	l.gets(exitOK, l.changed("g/a.bin", content), "-o", "g/", "--linger", "0", ticket)
	if code, _ := b.exits(t, 0); code != exitOK || time.Since(begun) < 3*time.Second {
		t.Errorf("--until-idle: exit %d after %s", code, time.Since(begun))
	}
}

// A ticket file keeps ticket, key and port over restarts with the same content.
func TestSeedTicketFile(t *testing.T) {
	l := newSandbox(t)
	l.file("a.bin", 1, 1000)
	l.file("b.bin", 2, 1000)
	port := freePort(t)
	first, b := l.seed("a.bin", "--ticket-file", "tf", "--listen", "127.0.0.1:"+port)
	info, err := os.Stat(l.path("tf"))
	l.check(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %s", info.Mode())
	}

	// It isn't given up for another port.
	out, errs, code := l.run("seed", "-q", "a.bin", "--ticket-file", "tf", "--listen", "127.0.0.1")
	if code != exitLocal || out != "" || !strings.Contains(errs, "port "+port+" is taken") || strings.Count(errs, "\n") != 2 {
		t.Errorf("port taken: exit %d %q %s", code, out, errs)
	}
	text, err := os.ReadFile(l.path("tf"))
	l.check(err)
	l.write("tf2", string(text))
	l.check(os.Chmod(l.path("tf2"), 0o600))
	if other, _, code := l.run("seed", "b.bin", "--ticket-file", "tf2", "--listen", "127.0.0.1", "--for", "100ms"); code != exitOK || strings.Contains(fmt.Sprint(parseTicket(t, strings.TrimSpace(other)).Addrs), port) {
		t.Errorf("the port of other content is taken: exit %d %s", code, other)
	}
	out, errs, code = l.run("seed", "a.bin", "--listen", "127.0.0.1:"+port)
	if code != exitLocal || out != "" || !strings.Contains(errs, "port "+port+" is taken") || strings.Count(errs, "\n") != 2 {
		t.Errorf("a port that is named is taken, before the hashing: exit %d %q %s", code, out, errs)
	}
	b.exits(t, syscall.SIGTERM)
	second, b := l.seed("a.bin", "--ticket-file", "tf")
	if second != first {
		t.Errorf("restarted: %s, before %s", second, first)
	}
	l.ok("get", "@tf", "-o", "d/", "--listen", "127.0.0.1")
	b.exits(t, syscall.SIGTERM)

	third, b := l.seed("b.bin", "--ticket-file", "tf")
	if parseTicket(t, third).ID == parseTicket(t, first).ID {
		t.Error("another content has the same ID")
	}
	b.says(t, "tf was for other content: it is replaced")
	b.exits(t, syscall.SIGTERM)
	text, err = os.ReadFile(l.path("tf"))
	if err != nil || !strings.HasPrefix(string(text), third+"\n") {
		t.Errorf("file holds %s %v", text, err)
	}

	l.write("bad", "hello\n")
	for name, want := range map[string]int{"bad": exitUsage, "none/tf": exitLocal} {
		if out, errs, code := l.run("seed", "-q", "a.bin", "--ticket-file", name); code != want || out != "" || strings.Count(errs, "\n") != 2 {
			t.Errorf("--ticket-file %s: exit %d %q %s", name, code, out, errs)
		}
	}
	l.holds("bad", []byte("hello\n"))
}

// -d returns with the ticket, which is valid.
func TestSeedDetached(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 1000)
	ticket := strings.TrimSpace(l.ok("seed", "-d", "a.bin", "--listen", "127.0.0.1"))
	l.gets(exitOK, l.changed("d/a.bin", content), "-o", "d/", ticket)
	if out := l.ok("stop", parseTicket(t, ticket).ID.Short()); !strings.HasPrefix(out, "stopped seed ") || !strings.HasSuffix(out, " a.bin\n") {
		t.Errorf("stop says %q", out)
	}
	l.file("b.bin", 2, 1000)
	l.ok("seed", "-d", "a.bin", "b.bin", "--listen", "127.0.0.1")
	if out := l.ok("stop"); !strings.HasSuffix(out, " a.bin (+1)\n") {
		t.Errorf("stop says %q", out)
	}
	if _, errs, code := l.run("seed", "-d", "none"); code != exitLocal || !strings.Contains(errs, "none") {
		t.Errorf("exit %d %s", code, errs)
	}
}

// --advertise stands in the ticket instead of what the interfaces say.
func TestSeedAdvertise(t *testing.T) {
	l := newSandbox(t)
	l.file("a.bin", 1, 1000)
	ticket, _ := l.seed("a.bin", "--advertise", "127.0.0.1:9", "--advertise", "[::1]:7777")
	if got := fmt.Sprint(parseTicket(t, ticket).Addrs); got != "[127.0.0.1:9 [::1]:7777]" {
		t.Errorf("addresses %s", got)
	}
	own, b := l.seed("a.bin", "--name", "all", "--listen", "")
	addrs := parseTicket(t, own).Addrs
	if len(addrs) == 0 || len(addrs) > maxAddrs {
		t.Errorf("addresses %v", addrs)
	}
	for _, a := range addrs {
		if a.Addr().IsUnspecified() || a.Port() != addrs[0].Port() {
			t.Errorf("address %s", a)
		}
	}
	b.exits(t, syscall.SIGTERM)
}

// A receiver that is killed is lost, one that ended by itself has failed; both keep how far they were.
func TestSeedLearnsOfEveryHost(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 4_000_000)
	ticket, b := l.seed("a.bin")
	l.gets(exitOK, l.changed("d/a.bin", content), "-o", "d/", ticket)
	l.check(os.Mkdir(l.path("u"), 0o755))
	l.write("u/a.bin", string(content))
	l.gets(exitOK, l.unchanged("u/a.bin", content), "-o", "u/", ticket)
	begin := func(dir string) *background {
		g := l.start("get", ticket, "--listen", "127.0.0.1", "-o", dir+"/", "--limit", "500K")
		within(t, 20*time.Second, "it has begun", func() bool { _, err := os.Stat(l.path(dir + "/.a.bin.p2pcp/content")); return err == nil })
		return g
	}
	killed, stopped := begin("k"), begin("s")
	<-time.After(time.Second)
	killed.exits(t, syscall.SIGKILL)
	stopped.exits(t, syscall.SIGTERM)
	within(t, 25*time.Second, "the killed one is lost", func() bool {
		l.check(b.cmd.Process.Signal(syscall.SIGUSR1))
		<-time.After(200 * time.Millisecond)
		return strings.Contains(b.stderr(t), "hosts=2/4 failed=1 lost=1")
	})
	for _, h := range l.status(ticket).Hosts {
		if over := h.State == "failed" || h.State == "lost"; over && (h.Done <= 0 || h.Done >= 1) {
			t.Errorf("status has forgotten how far it was: %+v", h)
		}
	}
	b.exits(t, syscall.SIGTERM)
	for _, want := range []string{" (1) changed, slowest ", " (1) unchanged, slowest ", "exit 143 interrupted", "exit 6"} {
		if !strings.Contains(b.stderr(t), want) {
			t.Errorf("the table lacks %q", want)
		}
	}
	for line := range strings.Lines(b.stderr(t)) {
		if (strings.Contains(line, " failed ") || strings.Contains(line, " lost ")) && strings.Contains(line, " 0% ") {
			t.Errorf("how far it was is forgotten: %s", line)
		}
	}
}
