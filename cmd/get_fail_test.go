package cmd

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/blocks"
)

// A signal in each stage: one line, what arrived is kept, gone within 2 s (here with some room for a busy machine).
func TestGetInterrupted(t *testing.T) {
	l := newSandbox(t)
	l.file("a.bin", 1, 8_000_000)
	deep := strings.Repeat(strings.Repeat("n", 200)+"/", 10)
	for i := range 300 {
		l.write(fmt.Sprintf("many/%s%d", deep, i), fmt.Sprint(i)) // a Manifest of 600 KB
	}
	ticket, _ := l.seed("a.bin")
	many, _ := l.seed("many")
	gone, b := l.seed("a.bin", "--name", "gone")
	b.exits(t, syscall.SIGTERM)
	for _, c := range []struct {
		stage, ticket, limit, left string
	}{
		{"joining", gone, "1M", ""},
		{"manifest", many, "20K", ""},
		{"transfer", ticket, "500K", ".a.bin.p2pcp"},
	} {
		for _, s := range []struct {
			syscall.Signal
			code int
		}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
			dir := c.stage + fmt.Sprint(s.code)
			l.check(os.Mkdir(l.path(dir), 0o755))
			b := l.start("get", c.ticket, "--listen", "127.0.0.1", "-o", dir+"/", "--limit", c.limit)
			b.says(t, "command=get")
			within(t, 20*time.Second, "it is at "+c.stage, func() bool {
				l.check(b.cmd.Process.Signal(syscall.SIGUSR1))
				<-time.After(50 * time.Millisecond)
				return strings.Contains(b.stderr(t), "progress command=get stage="+c.stage)
			})
			code, took := b.exits(t, s.Signal)
			if code != s.code || took > 3*time.Second {
				t.Errorf("%s at %s: exit %d after %s", s, c.stage, code, took)
			}
			said := b.stderr(t)
			const line = "p2pcp: stopping: what arrived is kept, the same command resumes\n"
			if strings.Count(said, line) != 1 || !strings.HasSuffix(said, line) {
				t.Errorf("%s at %s says\n%s", s, c.stage, said)
			}
			if got := l.names(dir); got != c.left {
				t.Errorf("%s at %s leaves %q", s, c.stage, got)
			}
		}
	}
}

// A signal while another get has the target, and the second signal.
func TestGetInterruptedAtTheLock(t *testing.T) {
	l := newSandbox(t)
	l.file("a.bin", 1, 8_000_000)
	ticket, seed := l.seed("a.bin", "--limit", "500K")
	first := l.start("get", ticket, "--listen", "127.0.0.1", "-o", "d/")
	within(t, 10*time.Second, "the first has begun", func() bool { _, err := os.Stat(l.path("d/.a.bin.p2pcp/content")); return err == nil })
	second := l.start("get", ticket, "--listen", "127.0.0.1", "-o", "d/")
	second.says(t, "waiting for it")
	if code, took := second.exits(t, syscall.SIGTERM); code != exitTerminated || took > 3*time.Second {
		t.Errorf("second: exit %d after %s", code, took)
	}
	// The seed doesn't answer: the first signal takes its time, the second doesn't. Both find it at once, in whatever order.
	l.check(seed.cmd.Process.Signal(syscall.SIGSTOP))
	defer func() { _ = seed.cmd.Process.Signal(syscall.SIGCONT) }()
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGINT, syscall.SIGTERM} {
		l.check(first.cmd.Process.Signal(s))
	}
	code, took := first.exits(t, syscall.SIGCONT)
	if (code != exitInterrupt && code != exitTerminated) || strings.Contains(first.stderr(t), "stopped command") {
		t.Errorf("first: exit %d after %s\n%s", code, took, first.stderr(t))
	}
}

// The documented code and a message of two lines for what can go wrong with a ticket and with finding somebody.
func TestGetFindsNobody(t *testing.T) {
	l := newSandbox(t)
	l.file("a.bin", 1, 1000)
	port := freePort(t)
	ticket, seed := l.seed("a.bin", "--listen", "127.0.0.1:"+port)
	flipped := []byte(ticket)
	flipped[30] ^= 1
	for _, c := range []struct {
		code int
		word string
		says string
	}{
		{exitUsage, ticket[:len(ticket)-5], "cut short"},
		{exitUsage, ticket[:10], "cut short"},
		{exitUsage, string(flipped), "damaged"},
		{exitUsage, "hello", "not a p2pcp ticket"},
		{exitUsage, "", "empty"},
		{exitUsage, "a.bin", "write @a.bin"},
		{exitLocal, "@none", "no such file"},
	} {
		if errs := l.fails(c.code, c.word); !strings.Contains(errs, c.says) {
			t.Errorf("%q: %s", c.word, errs)
		}
	}
	// Another swarm answers at the address: silence, from which refusal is inferred.
	seed.exits(t, syscall.SIGTERM)
	l.file("b.bin", 2, 1000)
	l.seed("b.bin", "--listen", "127.0.0.1:"+port)
	begun := time.Now()
	if errs := l.fails(exitAuth, ticket); !strings.Contains(errs, "ticket") {
		t.Errorf("stderr %s", errs)
	}
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("refused after %s", took)
	}
}

// Each of the limits on time has its code.
func TestGetTimesOut(t *testing.T) {
	l := newSandbox(t)
	l.file("a.bin", 1, 4_000_000)
	ticket, seed := l.seed("a.bin", "--limit", "500K")
	errs := l.fails(exitTimeout, "-o", "t/", "--timeout", "1s", ticket)
	if !strings.Contains(errs, "--timeout 1s") || l.names("t") != ".a.bin.p2pcp" {
		t.Errorf("--timeout: %s, left %s", errs, l.names("t"))
	}
	b := l.start("get", "-q", ticket, "--listen", "127.0.0.1", "-o", "s/", "--stall-timeout", "2s")
	within(t, 10*time.Second, "it has begun", func() bool { _, err := os.Stat(l.path("s/.a.bin.p2pcp/content")); return err == nil })
	l.check(seed.cmd.Process.Signal(syscall.SIGSTOP))
	code, _ := b.exits(t, 0)
	l.check(seed.cmd.Process.Signal(syscall.SIGCONT))
	if code != exitTimeout || !strings.Contains(b.stderr(t), "no progress") {
		t.Errorf("--stall-timeout: exit %d %s", code, b.stderr(t))
	}
	// A seed that has gone leaves blocks without a holder.
	b = l.start("get", "-q", ticket, "--listen", "127.0.0.1", "-o", "s/", "--stall-timeout", "2s")
	b2 := b
	within(t, 10*time.Second, "it has begun again", func() bool { return strings.Contains(l.names("s"), ".a.bin.p2pcp") })
	<-time.After(500 * time.Millisecond)
	seed.exits(t, syscall.SIGKILL)
	if code, _ := b2.exits(t, 0); code != exitNobody || !strings.Contains(b2.stderr(t), "no holder") {
		t.Errorf("seed killed: exit %d %s", code, b2.stderr(t))
	}
	begun := time.Now()
	l.fails(exitNobody, "-o", "w/", "--wait", "1s", ticket)
	if took := time.Since(begun); took < time.Second || took > 6*time.Second {
		t.Errorf("--wait 1s took %s", took)
	}
}

// Places that can't take the content, named in two lines; the seed learns of each.
func TestGetIntoBadPlaces(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 4_000_000)
	ticket, seed := l.seed("a.bin")
	l.write("file", "x")
	for _, c := range []struct{ to, says string }{
		{"none/a.bin", "there is no directory " + l.path("none")},
		{"file/a.bin", l.path("file") + " is no directory"},
		{"file/", "can't make the directory " + l.path("file") + ": not a directory"},
	} {
		if errs := l.fails(exitLocal, "-o", c.to, ticket); !strings.Contains(errs, "p2pcp: error: "+c.says+"\n") {
			t.Errorf("-o %s: %s", c.to, errs)
		}
		// Nothing had begun: without -q just the line of the start is added.
		errs := l.gets(exitLocal, "", "-o", c.to, ticket)
		if strings.Count(errs, "\n") != 3 || !strings.HasPrefix(errs, "p2pcp: start command=get stage=joining\np2pcp: error: ") {
			t.Errorf("-o %s: %s", c.to, errs)
		}
	}
	l.holds("file", []byte("x"))
	t.Run("read-only", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("nothing is read-only to root")
		}
		l.check(os.Mkdir(l.path("ro"), 0o555))
		if errs := l.fails(exitLocal, "-o", "ro/", ticket); !strings.Contains(errs, "error: can't write in "+l.path("ro")+": permission denied\n") {
			t.Errorf("stderr %s", errs)
		}
	})
	t.Run("full", func(t *testing.T) {
		mountSmall(t, l.path("full"))
		if errs := l.fails(exitLocal, "-o", "full/", ticket); !strings.Contains(errs, "error: can't write in "+l.path("full")+": not enough space: ") || l.names("full") != "" {
			t.Errorf("stderr %s, left %s", errs, l.names("full"))
		}
	})
	l.gets(exitOK, l.changed("d/a.bin", content), "-o", "d/", ticket)
	l.poke("d/a.bin", 1)
	l.fails(exitExists, "-o", "d/", "--checksum", ticket)
	seed.exits(t, syscall.SIGTERM)
	for _, reason := range []string{"exit 7 there is no directory", "exit 4 " + l.path("d/a.bin") + " exists and differs"} {
		if !strings.Contains(seed.stderr(t), reason) {
			t.Errorf("the seed doesn't know of %q:\n%s", reason, seed.stderr(t))
		}
	}
}

// Errors of the destination are told in the user's terms, whatever step met them.
func TestPlaceErrors(t *testing.T) {
	step := func(e syscall.Errno) error {
		return fmt.Errorf("lock %q: make partial directory: %w", "/d/x", &fs.PathError{Op: "mkdirat", Path: ".x.p2pcp", Err: e})
	}
	for _, c := range []struct {
		err        error
		code       int
		says, hint string
	}{
		{cannotWrite("/d/x", step(syscall.EACCES)), exitLocal, "can't write in /d: permission denied", "make the directory writable, or choose another place with -o"},
		{cannotWrite("/d/x", step(syscall.EROFS)), exitLocal, "can't write in /d: read-only file system", "make the directory writable, or choose another place with -o"},
		{cannotWrite("/d/x", step(syscall.EIO)), exitLocal, "can't write in /d: input/output error", "choose another place with -o"},
		{cannotWrite("/d/x", step(syscall.ENOSPC)), exitLocal, "can't write in /d: no space left on device", "free some space; the same command resumes"},
		{
			cannotWrite("/d/x", fmt.Errorf("lock: %w", fmt.Errorf("%w: others can write to it", blocks.ErrNotOurs))), exitLocal,
			"can't write in /d: partial directory is not ours: others can write to it", "remove it if nobody needs it, or choose another place with -o",
		},
		{cannotWrite("/d/x", fmt.Errorf("lock: %w", context.Canceled)), exitInterrupt, "lock: context canceled", ""},
		{
			cannotRead("/d/x", fmt.Errorf("compare: %w", &fs.PathError{Op: "openat", Path: "sub/y", Err: syscall.EACCES})), exitLocal,
			"can't read /d/x/sub/y: permission denied", "make it readable, or choose another place with -o",
		},
		{
			cannotRead("/d/x", fmt.Errorf("compare: %w", &fs.PathError{Op: "openat", Path: "x", Err: syscall.EACCES})), exitLocal,
			"can't read /d/x: permission denied", "make it readable, or choose another place with -o",
		},
		{cannotRead("/d/x", fmt.Errorf("compare: %w", context.Canceled)), exitInterrupt, "compare: context canceled", ""},
	} {
		if e := classify(c.err); e.code != c.code || e.Error() != c.says || e.hint != c.hint {
			t.Errorf("%d %q, hint %q, want %d %q, hint %q", e.code, e, e.hint, c.code, c.says, c.hint)
		}
	}
}

// A seed that lives and no longer has a Block has lost it for good; the hint doesn't promise that the same command resumes.
func TestGetOfChangedSource(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 3_000_000)
	ticket, _ := l.seed("a.bin")
	content[2_000_000]++
	l.write("a.bin", string(content))
	if errs := l.fails(exitNobody, "-o", "d/", ticket); !strings.Contains(errs, "was withdrawn\np2pcp: hint: the source may have changed") {
		t.Errorf("stderr %s", errs)
	}
}

// When the last peer vanishes it is said once, and when one is back.
func TestGetLeftAlone(t *testing.T) {
	l := newSandbox(t)
	content := l.file("a.bin", 1, 6_000_000)
	ticket, b := l.seed("a.bin", "--ticket-file", "tf", "--listen", "127.0.0.1:"+freePort(t))
	get := l.start("get", ticket, "--listen", "127.0.0.1", "-o", "d/", "--limit", "1M", "--linger", "0")
	within(t, 10*time.Second, "it has begun", func() bool { _, err := os.Stat(l.path("d/.a.bin.p2pcp/content")); return err == nil })
	b.exits(t, syscall.SIGKILL)
	get.says(t, "p2pcp: warning: nobody is connected any more: trying again until --stall-timeout 2m\n")
	b = l.start("seed", "a.bin", "--ticket-file", "tf")
	if again := b.line(t); again != ticket {
		t.Fatalf("another ticket: %s", again)
	}
	if got := get.line(t) + "\n"; got != l.changed("d/a.bin", content) {
		t.Errorf("stdout %q", got)
	}
	if code, _ := get.exits(t, 0); code != exitOK {
		t.Errorf("exit %d", code)
	}
	said := get.stderr(t)
	if strings.Count(said, "nobody is connected") != 1 || strings.Count(said, "p2pcp: connected again\n") != 1 {
		t.Errorf("stderr %s", said)
	}
}

// It isn't said of a session that is replaced, nor more often than once in ten seconds.
func TestLoneliness(t *testing.T) {
	var l loneliness
	begun := time.Now()
	got := ""
	for i, sessions := range []int{1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0} {
		lost, back := l.look(begun.Add(time.Duration(i)*time.Second), sessions)
		switch {
		case lost:
			got += fmt.Sprint(i, " lost ")
		case back:
			got += fmt.Sprint(i, " back ")
		}
	}
	if want := "8 lost 10 back 18 lost 21 back "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if l.first(time.Second) || !l.first(3*time.Second) || l.first(4*time.Second) {
		t.Error("that nobody has answered yet is said once, after two seconds")
	}
}
