package cmd

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
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

// Once the seed is gone, whoever lingers has the content: --join names it.
func TestGetJoins(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 1_000_000)
	ticket, seed := l.seed("a.bin")
	port := freePort(t)
	member := l.start("get", ticket, "--listen", "127.0.0.1:"+port, "-o", "m/", "--linger", "1h", "--fsync")
	member.line(t)
	seed.exits(t, syscall.SIGKILL)
	if errs := l.fails(exitNobody, "-o", "d/", "--wait", "1s", ticket); !strings.Contains(errs, "no peer reached: ") {
		t.Error(errs)
	}
	l.gets(exitOK, l.changed("d/a.bin", content), "-o", "d/", "--join", "localhost:"+port, ticket)
}
