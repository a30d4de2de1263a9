package cmd

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stranger is a user whom nothing else belongs to.
const stranger = 12345

// asStranger runs f again and again on a thread that the file system takes for the stranger's, until the test has ended or stop is
// called. It returns how often f has succeeded.
func asStranger(t *testing.T, f func() error) (stop func() int64) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("to be another user needs root")
	}
	var rounds atomic.Int64
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if _, err := unix.SetfsgidRetGid(stranger); err != nil {
			t.Error(err)
			return
		}
		if _, err := unix.SetfsuidRetUid(stranger); err != nil {
			t.Error(err)
			return
		}
		for {
			select {
			case <-done:
				return
			default:
				if f() == nil {
					rounds.Add(1)
				}
			}
		}
	})
	var once sync.Once
	stop = func() int64 {
		once.Do(func() { close(done) })
		ended.Wait()
		return rounds.Load()
	}
	t.Cleanup(func() { stop() })
	return stop
}

func exchangeNames(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

// admit lets other users find the sandbox.
func (l *sandbox) admit() {
	l.t.Helper()
	for _, dir := range []string{l.dir, filepath.Dir(l.dir)} {
		l.check(os.Chmod(dir, 0o755))
	}
}

// give makes a directory of the stranger's.
func (l *sandbox) give(names ...string) {
	l.t.Helper()
	for _, name := range names {
		l.check(os.MkdirAll(l.path(name), 0o755))
		l.check(os.Chown(l.path(name), stranger, stranger))
	}
}

// A directory on the way to the destination is swapped for a symlink and back, as fast as another user can, while root gets into
// it: what the symlink leads to is never touched, whether get succeeds or gives up.
func TestSymlinkRaceInTheParents(t *testing.T) {
	l := newSandbox(t)
	l.admit()
	content := l.file("a.bin", 1, 300_000)
	ticket, _ := l.seed("a.bin")
	l.check(os.Mkdir(l.path("outside"), 0o755))
	l.give("p", "p/d")
	l.check(os.Symlink(l.path("outside"), l.path("p/link")))
	l.check(os.Lchown(l.path("p/link"), stranger, stranger))
	stop := asStranger(t, func() error { return exchangeNames(l.path("p/d"), l.path("p/link")) })
	codes := map[int]int{}
	for round := range 40 {
		args := []string{"get", "-q", "--listen", "127.0.0.1", "--linger", "0", "--force", ticket}
		out, errs, code := l.run(append(args, "-o", []string{"p/d/", "p/d/new/", "p/d/a.bin"}[round%3])...)
		codes[code]++
		if code != exitOK && code != exitLocal || (out == "") == (code == exitOK) {
			t.Errorf("exit %d %q %s", code, out, errs)
		}
		if got := l.names("outside"); got != "" {
			t.Fatalf("outside holds %q", got)
		}
	}
	swaps := stop()
	t.Logf("%d swaps, exit codes %v", swaps, codes)
	if swaps < 40 {
		t.Errorf("only %d swaps", swaps)
	}
	for _, name := range []string{"p/d", "p/link"} { // whichever is the directory by now
		if b, err := os.ReadFile(filepath.Join(l.path(name), "a.bin")); err == nil && string(b) != string(content) {
			t.Errorf("%s holds something else", name)
		}
	}
}

// The same inside of a target that is another user's and gets replaced: its directories become symlinks to a directory of files with the
// same names while they are compared, set aside and removed. Those stay as they are.
func TestSymlinkRaceInTheTarget(t *testing.T) {
	l := newSandbox(t)
	l.admit()
	for _, name := range []string{"one", "two"} {
		l.write("src/sub/"+name, "new "+name)
		l.write("outside/"+name, "precious")
	}
	ticket, _ := l.seed("src")
	var at atomic.Pointer[string]
	first := l.path("t0/src")
	at.Store(&first)
	stop := asStranger(t, func() error {
		return exchangeNames(filepath.Join(*at.Load(), "sub"), filepath.Join(*at.Load(), "link"))
	})
	for round := range 30 {
		dir := []string{"t0", "t1"}[round%2]
		l.check(os.RemoveAll(l.path(dir)))
		l.give(dir, dir+"/src", dir+"/src/sub")
		for _, name := range []string{"one", "two", "three"} {
			l.write(dir+"/src/sub/"+name, "old")
		}
		target := l.path(dir + "/src")
		l.check(os.Symlink(l.path("outside"), filepath.Join(target, "link")))
		at.Store(&target)
		out, errs, code := l.run("get", "-q", "--listen", "127.0.0.1", "--linger", "0", "--force", "--delete", "--checksum", "-o", dir+"/", ticket)
		if code != exitOK && code != exitLocal {
			t.Errorf("exit %d %s%s", code, out, errs)
		}
		for _, name := range []string{"one", "two"} {
			l.holds("outside/"+name, []byte("precious"))
		}
		if got := l.names("outside"); got != "one two" {
			t.Fatalf("outside holds %q", got)
		}
		if code == exitOK {
			l.holds(dir+"/src/sub/one", []byte("new one"))
		}
	}
	if swaps := stop(); swaps < 40 {
		t.Errorf("only %d swaps", swaps)
	}
}

// What another user has put in the way of the partial directory is refused, or waited for, and left as it was; what is ours is closed
// to everyone, and so are the registry and its files. Special bits are never set, on directories neither.
func TestLocalUsers(t *testing.T) {
	l := newSandbox(t)
	l.admit()
	l.file("src/a", 1, 3_000_000)
	for name, mode := range map[string]uint32{"src/a": 0o4755, "src": 0o3777} {
		l.check(unix.Chmod(l.path(name), mode))
	}
	ticket, b := l.seed("src")
	slow := l.start("get", ticket, "--listen", "127.0.0.1", "-o", "slow/", "--limit", "100K")
	slow.says(t, "command=get")
	within(t, 20*time.Second, "it has begun", func() bool { _, err := os.Lstat(l.path("slow/.src.p2pcp/content")); return err == nil })
	l.mode("slow/.src.p2pcp", os.ModeDir|0o700)
	slow.end(unix.SIGTERM)
	l.ok("get", "-d", ticket, "--listen", "127.0.0.1", "-o", "done/")
	for _, dir := range l.glob("tmp/p2pcp-*") {
		l.mode(dir, os.ModeDir|0o700)
		for _, file := range l.glob(dir + "/*") {
			l.mode(file, 0o600)
		}
	}
	l.ok("stop", "--all")
	for _, name := range []string{"done/src", "done/src/a"} {
		fi, err := os.Lstat(l.path(name))
		l.check(err)
		if fi.Mode()&(os.ModeSetuid|os.ModeSetgid|os.ModeSticky) != 0 || fi.Mode().Perm()&0o755 != 0o755 {
			t.Errorf("%s: %v", name, fi.Mode())
		}
	}
	if os.Geteuid() == 0 {
		l.give("theirs", "theirs/.src.p2pcp")
		if errs := l.fails(exitLocal, ticket, "-o", "theirs/"); l.names("theirs") != ".src.p2pcp" {
			t.Errorf("left %s: %s", l.names("theirs"), errs)
		}
		l.check(os.Mkdir(l.path("outside"), 0o755))
		l.give("linked")
		l.check(os.Symlink(l.path("outside"), l.path("linked/.src.p2pcp")))
		if errs := l.fails(exitLocal, ticket, "-o", "linked/"); l.names("outside") != "" || l.names("linked") != ".src.p2pcp" {
			t.Errorf("left %q %q: %s", l.names("outside"), l.names("linked"), errs)
		}
	}
	b.exits(t, unix.SIGTERM)
}

func (l *sandbox) mode(name string, want os.FileMode) {
	l.t.Helper()
	fi, err := os.Lstat(l.path(name))
	l.check(err)
	if fi.Mode() != want {
		l.t.Errorf("%s: %v, want %v", name, fi.Mode(), want)
	}
}

// glob lists names relative to the sandbox; it fails if there are none.
func (l *sandbox) glob(pattern string) []string {
	l.t.Helper()
	found, err := filepath.Glob(l.path(pattern))
	if err != nil || len(found) == 0 {
		l.t.Fatalf("%s: %v %v", pattern, found, err)
	}
	for i := range found {
		found[i], err = filepath.Rel(l.dir, found[i])
		l.check(err)
	}
	return found
}
