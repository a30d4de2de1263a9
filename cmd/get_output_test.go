package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// --dry-run says what would be done, and does nothing.
func TestGetDryRun(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 100_000)
	ticket, b := l.seed("a.bin")
	l.gets(exitOK, l.changed("d/a.bin", content), "-n", "-o", "d/", ticket)
	if _, err := os.Lstat(l.path("d")); !os.IsNotExist(err) {
		t.Error("--dry-run made the directory")
	}
	l.write("d/a.bin", string(content))
	l.gets(exitOK, l.unchanged("d/a.bin", content), "-n", "-o", "d/", ticket)
	l.poke("d/a.bin", 1)
	l.fails(exitExists, "-n", "-o", "d/", "--checksum", ticket)
	l.fails(exitLocal, "-n", "-o", "none/a.bin", ticket)
	if errs := l.gets(exitOK, l.changed("d/a.bin", content), "-n", "-f", "--checksum", "-o", "d/", ticket); !strings.HasSuffix(errs, "\n"+
		"p2pcp: would fetch 1 file, 97.7 KiB at most\np2pcp: would write \"a.bin\"\n") {
		t.Errorf("stderr %s", errs)
	}
	if r := l.getJSON("-n", "-f", "--checksum", "-o", "d/", ticket); !r.DryRun || !r.Changed {
		t.Errorf("%+v", r)
	}
	b.exits(t, syscall.SIGTERM)
	if !strings.Contains(b.stderr(t), "0/0 hosts done") {
		t.Errorf("a dry run counts: %s", b.stderr(t))
	}
}

// A dry run names what it would write and delete: ten of each, and how many more.
func TestGetDryRunNames(t *testing.T) {
	l := newSandbox(t)
	for i := range 30 {
		l.write(fmt.Sprintf("tree/f%02d", i), "1234")
	}
	l.check(os.Symlink("f00", l.path("tree/link")))
	ticket, _ := l.seed("tree")
	says := func(want string, flags ...string) {
		t.Helper()
		_, errs, code := l.get(append([]string{"-n", "-o", "d/", ticket}, flags...)...)
		if want = strings.ReplaceAll("dry run: nothing was fetched or written\n"+want, "\n", "\np2pcp: "); code != exitOK || errs != "p2pcp: "+want+"\n" {
			t.Errorf("exit %d, stderr\n%swant\np2pcp: %s", code, errs, want)
		}
	}
	says("would fetch 30 files, 120 B at most\nwould make " + l.path("d/tree"))
	l.ok("get", ticket, "-o", "d/", "--listen", "127.0.0.1", "--linger", "0")
	l.check(os.Remove(l.path("d/tree/link")))
	says("would fetch nothing\nwould write \"link\"", "-f")
	want := "would fetch 25 files, 100 B at most\n"
	for i := range 25 {
		l.write(fmt.Sprintf("d/tree/f%02d", i), "123")
		if i < 10 {
			want += fmt.Sprintf("would write \"f%02d\"\n", i)
		}
	}
	want += "would write 16 more paths\n"
	l.write("d/tree/extra/below", "")
	says(want+"would delete \"extra\" and all that is in it", "-f", "--delete")
	want += "would delete \"extra\" and all that is in it\n"
	for i := range 10 {
		l.write(fmt.Sprintf("d/tree/x%d", i), "")
		if i < 9 {
			want += fmt.Sprintf("would delete \"x%d\"\n", i)
		}
	}
	says(want+"would delete 1 more path", "-f", "--delete")
}

// --limit holds, in both spellings of a unit.
func TestGetLimit(t *testing.T) {
	l := newSandbox(t)
	l.file("a.bin", 1, 6<<20)
	ticket, _ := l.seed("a.bin")
	for _, limit := range []string{"2M", "1K:16Mbit"} {
		r := l.getJSON("-o", limit+"/", "--limit", limit, ticket)
		rate := 6 * (1 << 20) / r.Seconds
		want := float64(2 << 20)
		if limit != "2M" {
			want = 2e6
		}
		// Not faster; slower only as far as a busy machine explains.
		if rate > 1.25*want || rate < 0.5*want {
			t.Errorf("--limit %s: %.2f of it", limit, rate/want)
		}
	}
}

// Each flag may come from the environment; -q is silent; all of --json are JSON messages.
func TestGetOutput(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 100_000)
	ticket, _ := l.seed("a.bin")
	c := l.command("get", ticket)
	c.Env = append(c.Env, "P2PCP_TO=env/", "P2PCP_LINGER=0", "P2PCP_LISTEN=127.0.0.1", "P2PCP_QUIET=1")
	out, err := c.Output()
	if string(out) != l.changed("env/a.bin", content) {
		t.Errorf("%v %q", err, out)
	}
	if errs := l.gets(exitOK, l.changed("q/a.bin", content), "-q", "-o", "q/", ticket); errs != "" {
		t.Errorf("-q says %s", errs)
	}
	out2, errs, _ := l.get("--json", "-v", "-o", "j/", ticket)
	r := resultOf(t, out2)
	if r.Path != l.path("j/a.bin") || r.Bytes != 100_000 || r.Fetched < r.Bytes || len(r.Root) != 64 || !r.Changed {
		t.Errorf("%+v", r)
	}
	for line := range strings.Lines(errs) {
		if line[0] != '{' {
			t.Errorf("not JSON: %s", line)
		}
	}
	out2, errs, code := l.get("--json", "-o", "none/x", ticket)
	if code != exitLocal || strings.Contains(out2, "result") || !strings.HasPrefix(errs, `{"message_type":"exit_error","code":7,`) || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d %s%s", code, out2, errs)
	}
}

// A reader that goes away ends it cleanly; a seed learns of what was in place all the same.
func TestGetLostOutput(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 100_000)
	ticket, b := l.seed("a.bin")
	for _, stream := range []string{"stdout", "stderr"} {
		r, w, err := os.Pipe()
		l.check(err)
		r.Close()
		c := l.command("get", ticket, "-o", stream+"/", "--linger", "1h", "--listen", "127.0.0.1")
		c.Stdout, c.Stderr = nil, nil
		if stream == "stdout" {
			c.Stdout = w
		} else {
			c.Stderr = w
		}
		l.check(c.Start())
		w.Close()
		stuck := time.AfterFunc(20*time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		stuck.Stop()
		if code := c.ProcessState.ExitCode(); code != exitPipe {
			t.Errorf("lost %s: exit %d", stream, code)
		}
	}
	l.holds("stdout/a.bin", content)
	b.exits(t, syscall.SIGTERM)
	if !strings.Contains(b.stderr(t), "1/1 hosts done") {
		t.Errorf("the seed says %s", b.stderr(t))
	}
}

// Without a key in the ticket both sides need the key file.
func TestKeyFile(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 1000)
	l.ok("keygen", "-o", "key")
	l.ok("keygen", "-o", "other")
	ticket, b := l.seed("a.bin", "--key-file", "key")
	if parseTicket(t, ticket).Key != nil {
		t.Error("the ticket carries a key")
	}
	b.says(t, "p2pcp get "+ticket+" --key-file FILE\n")
	l.gets(exitOK, l.changed("d/a.bin", content), "-o", "d/", "--key-file", "key", ticket)
	l.fails(exitAuth, "-o", "e/", ticket)
	l.fails(exitAuth, "-o", "e/", "--key-file", "other", ticket)
	l.fails(exitLocal, "-o", "e/", "--key-file", "none", ticket)
	if out, errs, code := l.run("seed", "-q", "--key-file", "none", "a.bin"); code != exitLocal || out != "" || strings.Count(errs, "\n") != 2 {
		t.Errorf("seed: exit %d %s%s", code, out, errs)
	}
}

// Modes lose what the umask takes and never carry setuid, setgid or sticky; times are those of the originals.
func TestGetModesAndTimes(t *testing.T) {
	l := newSandbox(t)
	for i, mode := range []os.FileMode{0o4755, 0o2775, 0o600, 0o444, 0o777} {
		name := fmt.Sprintf("tree/d%d/f%d", i, i)
		l.write(name, fmt.Sprint(i))
		l.check(syscall.Chmod(l.path(name), uint32(mode)))
	}
	l.check(os.Symlink("../d1/f1", l.path("tree/d0/link")))
	l.check(os.Mkdir(l.path("tree/empty"), 0o755))
	l.check(syscall.Chmod(l.path("tree/d2"), 0o1777))
	l.check(syscall.Chmod(l.path("tree/d3"), 0o555))
	t.Cleanup(func() {
		for _, dir := range []string{"tree/d3", "d/tree/d3"} {
			_ = os.Chmod(l.path(dir), 0o755)
		}
	})
	for i, name := range []string{"d0/f0", "d0", "d2", "d3", "empty"} {
		at := time.Unix(1_000_000_000+int64(i), 123_456_789)
		l.check(os.Chtimes(l.path("tree/"+name), at, at))
	}
	ticket, _ := l.seed("tree")
	c := l.command("get", ticket, "-o", "d/", "--listen", "127.0.0.1")
	c.Path, c.Args = "/bin/sh", append([]string{"sh", "-c", `umask 027; exec "$0" "$@"`, c.Path}, c.Args[1:]...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for name, want := range map[string]string{
		"d0/f0": "-rwxr-x---", "d1/f1": "-rwxr-x---", "d2/f2": "-rw-------", "d3/f3": "-r--r-----", "d4/f4": "-rwxr-x---",
		"d2": "drwxr-x---", "d3": "dr-xr-x---", "d0/link": "Lrwxrwxrwx",
	} {
		was, err := os.Lstat(filepath.Join(l.path("tree"), name))
		l.check(err)
		is, err := os.Lstat(filepath.Join(l.path("d/tree"), name))
		l.check(err)
		if is.Mode().String() != want {
			t.Errorf("%s has mode %s, want %s", name, is.Mode(), want)
		}
		if !is.ModTime().Equal(was.ModTime()) {
			t.Errorf("%s has time %s, want %s", name, is.ModTime(), was.ModTime())
		}
	}
}
