package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/seed"
)

// Where the content goes, and the one line on stdout.
func TestGetPlaces(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 300_000)
	ticket, _ := l.seed("a.bin")
	l.check(os.Mkdir(l.path("there"), 0o755))
	l.check(os.Mkdir(l.path("cwd"), 0o755))
	for _, c := range []struct{ to, at string }{
		{"new/deep/", "new/deep/a.bin"},
		{"there/exact", "there/exact"},
		{"there", "there/a.bin"},
		{"there/", "there/a.bin"},
	} {
		want := l.changed(c.at, content)
		if c.to == "there/" {
			want = "un" + want
		}
		l.gets(exitOK, want, "-o", c.to, ticket)
		l.holds(c.at, content)
	}
	// Without -o it goes here, under its own name. "-" and @FILE take the ticket; stdin is read for nothing else.
	l.write("ticket", ticket+"\n")
	for i, word := range []string{"-", "@../ticket", "p2pcp:" + strings.ToUpper(ticket)} {
		c := l.command("get", word, "--listen", "127.0.0.1")
		c.Dir, c.Stdin = l.path("cwd"), strings.NewReader(ticket+"\nmore")
		out, err := c.Output()
		want := "changed " + l.path("cwd/a.bin")
		if i > 0 {
			want = "un" + want
		}
		if err != nil || !strings.HasPrefix(string(out), want+" ") {
			t.Fatalf("get %s: %v %q, want %q", word, err, out, want)
		}
	}
	if got := l.names("there") + "," + l.names("cwd"); got != "a.bin exact,a.bin" {
		t.Errorf("left behind: %s", got)
	}
}

// The line comes before lingering, and what lingers is ended by a signal with 0: the content is in place.
func TestGetPrintsBeforeLingering(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 100_000)
	ticket, _ := l.seed("a.bin")
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		b := l.start("get", ticket, "--listen", "127.0.0.1", "-o", s.String()+"/", "--linger", "1h")
		if got, want := b.line(t)+"\n", l.changed(s.String()+"/a.bin", content); got != want {
			t.Errorf("stdout %q, want %q", got, want)
		}
		l.check(b.cmd.Process.Signal(syscall.SIGUSR1))
		b.says(t, "p2pcp: progress command=get stage=linger name=a.bin done=100%")
		if code, took := b.exits(t, s); code != exitOK || took > 3*time.Second {
			t.Errorf("%s while lingering: exit %d after %s", s, code, took)
		}
		if n := strings.Count(b.stderr(t), "stopping"); n != 1 {
			t.Errorf("%d lines say that it is stopping", n)
		}
	}
}

// --linger and its end.
func TestGetLingers(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 100_000)
	ticket, _ := l.seed("a.bin")
	for _, c := range []struct {
		linger      string
		least, most time.Duration
	}{{"0", 0, 5 * time.Second}, {"auto", 0, 5 * time.Second}, {"2s", 2 * time.Second, 9 * time.Second}} {
		begun := time.Now()
		l.gets(exitOK, l.changed(c.linger+"/a.bin", content), "-o", c.linger+"/", "--linger", c.linger, ticket)
		if took := time.Since(begun); took < c.least || took > c.most {
			t.Errorf("--linger %s took %s", c.linger, took)
		}
	}
}

// -d returns once the content is in place; stop ends what goes on.
func TestGetDetached(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 100_000)
	ticket, _ := l.seed("a.bin")
	for _, want := range []string{l.changed("d/a.bin", content), l.unchanged("d/a.bin", content)} {
		l.gets(exitOK, want, "-o", "d/", "-d", ticket)
		if out := l.ok("stop"); !strings.HasPrefix(out, "stopped get ") || strings.Count(out, "\n") != 1 {
			t.Errorf("stop says %q", out)
		}
	}
	if got := l.names("tmp"); got != fmt.Sprintf("p2pcp-%d", os.Geteuid()) || l.names("tmp/"+got) != "" {
		t.Errorf("tmp holds %s", got)
	}
	// What the command would have returned, it returns.
	l.poke("d/a.bin", 10)
	if errs := l.gets(exitExists, "", "-o", "d/", "-d", "--checksum", ticket); !strings.Contains(errs, "exists and differs\n") {
		t.Errorf("stderr %s", errs)
	}
}

// What is there already: by size and time, by hash, never fetched.
func TestGetUnchanged(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 3_000_000)
	ticket, _ := l.seed("a.bin")
	l.gets(exitOK, l.changed("d/a.bin", content), "-o", "d/", ticket)
	l.check(os.Chtimes(l.path("d/a.bin"), time.Time{}, time.Unix(1e9, 0)))
	if r := l.getJSON("-o", "d/", ticket); r.Changed || r.Fetched > 1000 {
		t.Errorf("another time: %+v", r)
	}
	l.write("d/a.bin", string(content)) // another time again
	if r := l.getJSON("-o", "d/", "--checksum", ticket); r.Changed || r.Fetched > 1000 {
		t.Errorf("--checksum: %+v", r)
	}

	// Equal size and time is taken as equal; what differs all the same is named while lingering.
	st, err := os.Stat(l.path("a.bin"))
	l.check(err)
	l.check(os.Chtimes(l.path("d/a.bin"), time.Time{}, st.ModTime()))
	l.poke("d/a.bin", 2_000_000)
	errs := l.gets(exitOK, l.unchanged("d/a.bin", content), "-o", "d/", "--linger", "2s", ticket)
	if n := strings.Count(errs, "warning: "+l.path("d/a.bin")+" has the right size and time and another content; 'get --checksum"); n != 1 {
		t.Errorf("named %d times: %s", n, errs)
	}
	errs = l.fails(exitExists, "-o", "d/", "--checksum", ticket)
	if !strings.Contains(errs, l.path("d/a.bin")+" exists and differs\n") || !strings.Contains(errs, "--force") {
		t.Errorf("stderr %s", errs)
	}
	if r := l.getJSON("-o", "d/", "--checksum", "--force", ticket); !r.Changed || r.Fetched < 64<<10 || r.Fetched > 3*64<<10 {
		t.Errorf("one block differs: %+v", r)
	}
	l.holds("d/a.bin", content)
}

// A packed file that differs is named, and not its neighbors.
func TestGetUnchangedNamesPackedFile(t *testing.T) {
	l := newSandbox(t)
	for i := range 5 {
		l.file(fmt.Sprintf("tree/f%d", i), byte(i), 1000)
	}
	ticket, _ := l.seed("tree")
	l.ok("get", ticket, "-o", "d/", "--listen", "127.0.0.1")
	l.poke("d/tree/f3", 500)
	out, errs, code := l.get("-o", "d/", "--linger", "2s", ticket)
	if code != exitOK || !strings.HasPrefix(out, "unchanged ") || strings.Count(errs, "warning: ") != 1 || !strings.Contains(errs, l.path("d/tree/f3")+" has") {
		t.Errorf("exit %d, stdout %q, stderr %s", code, out, errs)
	}
}

// What differs is replaced only with --force, what isn't sent is removed only with --delete; just what differs is fetched.
func TestGetReplaces(t *testing.T) {
	l := newSandbox(t)
	big := l.file("tree/big", 1, 3_000_000)
	l.file("tree/sub/small", 2, 5000)
	ticket, _ := l.seed("tree")
	l.ok("get", ticket, "-o", "d/", "--listen", "127.0.0.1")
	want := listing(t, l.path("tree"))

	l.write("d/tree/sub/small", "another")
	if errs := l.fails(exitExists, "-o", "d/", ticket); !strings.Contains(errs, `differs in "sub/small"`) {
		t.Errorf("stderr %s", errs)
	}
	if r := l.getJSON("-o", "d/", "-f", ticket); !r.Changed || r.Fetched > 10_000 {
		t.Errorf("one small file differs: %+v", r)
	}
	l.check(os.Remove(l.path("d/tree/big")))
	l.file("d/tree/sub/small", 3, 5000)
	if errs := l.fails(exitExists, "-o", "d/", ticket); !strings.Contains(errs, `differs in 2 paths, such as "big"`) {
		t.Errorf("stderr %s", errs)
	}
	// An equal file under another name is found by its hash.
	l.write("d/tree/other", string(big))
	for _, flags := range [][]string{nil, {"-f"}, {"--delete"}} {
		l.fails(exitExists, append([]string{"-o", "d/", ticket}, flags...)...)
	}
	if r := l.getJSON("-o", "d/", "-f", "--delete", ticket); !r.Changed || r.Fetched > 10_000 {
		t.Errorf("an equal file lies elsewhere: %+v", r)
	}

	// Only extra paths: no --force is needed.
	l.write("d/tree/x/y", "1")
	if errs := l.fails(exitExists, "-o", "d/", "-f", ticket); !strings.Contains(errs, `has a path that isn't sent, such as "x"`) || !strings.Contains(errs, "--delete") {
		t.Errorf("stderr %s", errs)
	}
	l.write("d/tree/z", "1")
	if errs := l.fails(exitExists, "-o", "d/", ticket); !strings.Contains(errs, "has 2 paths that aren't sent") {
		t.Errorf("stderr %s", errs)
	}
	if r := l.getJSON("-o", "d/", "--delete", ticket); !r.Changed || r.Fetched > 10_000 {
		t.Errorf("only extra paths: %+v", r)
	}
	if got := listing(t, l.path("d/tree")); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if l.names("d") != "tree" {
		t.Errorf("left behind: %s", l.names("d"))
	}

	// A file in a directory's place, and the other way round.
	l.write("file", "x")
	l.fails(exitExists, "-o", "file", ticket)
	l.ok("get", ticket, "-o", "file", "-f", "--listen", "127.0.0.1")
	if got := listing(t, l.path("file")); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// The second of two gets to one target waits, and then finds it there.
func TestGetTwiceAtOnce(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 2_000_000)
	ticket, _ := l.seed("a.bin")
	first := l.start("get", ticket, "--listen", "127.0.0.1", "-o", "d/", "--limit", "1M", "--linger", "0")
	within(t, 10*time.Second, "the first has begun", func() bool { _, err := os.Stat(l.path("d/.a.bin.p2pcp/content")); return err == nil })
	errs := l.gets(exitOK, l.unchanged("d/a.bin", content), "-o", "d/", "--linger", "0", ticket)
	if !strings.Contains(errs, "p2pcp: another p2pcp is writing "+l.path("d/a.bin")) {
		t.Errorf("stderr %s", errs)
	}
	if got := first.line(t) + "\n"; got != l.changed("d/a.bin", content) {
		t.Errorf("first says %q", got)
	}
}

// Killed at half, the same command fetches only what was missing.
func TestGetResumes(t *testing.T) {
	l := newSandbox(t)
	const size = 4_000_000
	content := l.file("a.bin", 1, size)
	ticket, _ := l.seed("a.bin")
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		dir := s.String()
		b := l.start("get", ticket, "--listen", "127.0.0.1", "-o", dir+"/", "--limit", "2M")
		b.says(t, "command=get") // from here on SIGUSR1 doesn't end it
		within(t, 20*time.Second, "half is there", func() bool {
			l.check(b.cmd.Process.Signal(syscall.SIGUSR1))
			<-time.After(100 * time.Millisecond)
			lines := strings.Split(strings.TrimSpace(b.stderr(t)), "\n")
			var percent int
			_, after, _ := strings.Cut(lines[len(lines)-1], " done=")
			_, err := fmt.Sscanf(after, "%d%%", &percent)
			return err == nil && percent >= 50
		})
		b.exits(t, s)
		if l.names(dir) != ".a.bin.p2pcp" {
			t.Errorf("%s holds %s", dir, l.names(dir))
		}
		r := l.getJSON("-o", dir+"/", ticket)
		// The journal may lag behind by what arrived in its last period.
		if !r.Changed || r.Fetched > size*3/4 || r.Fetched < 64<<10 {
			t.Errorf("after %s: %+v", s, r)
		}
		l.holds(dir+"/a.bin", content)
		if l.names(dir) != "a.bin" {
			t.Errorf("left behind: %s", l.names(dir))
		}
	}
}

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
	if r := l.getJSON("-n", "-f", "--checksum", "-o", "d/", ticket); !r.DryRun || !r.Changed {
		t.Errorf("%+v", r)
	}
	b.exits(t, syscall.SIGTERM)
	if !strings.Contains(b.stderr(t), "0/0 hosts done") {
		t.Errorf("a dry run counts: %s", b.stderr(t))
	}
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
	if parsed, err := seed.ParseTicket(ticket); err != nil || parsed.Key != nil {
		t.Errorf("ticket %s: %v", ticket, err)
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

// Once the seed is gone, whoever lingers has the content: --join names it.
func TestGetJoins(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 1_000_000)
	ticket, seed := l.seed("a.bin")
	port := freePort(t)
	member := l.start("get", ticket, "--listen", "127.0.0.1:"+port, "-o", "m/", "--linger", "1h", "--fsync")
	member.line(t)
	seed.exits(t, syscall.SIGKILL)
	l.fails(exitNobody, "-o", "d/", "--wait", "1s", ticket)
	l.gets(exitOK, l.changed("d/a.bin", content), "-o", "d/", "--join", "localhost:"+port, ticket)
}
