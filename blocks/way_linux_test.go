package blocks

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mustBe fails unless the way to a path is the same as the system's.
func mustBe(t *testing.T, path string) {
	t.Helper()
	at, err := wayTo(path, false)
	want, wantErr := os.Stat(path)
	if wantErr == nil && !want.IsDir() {
		wantErr = unix.ENOTDIR
	}
	if err != nil || wantErr != nil {
		var a, b *fs.PathError
		if errors.As(err, &a) && errors.As(wantErr, &b) && errors.Is(a.Err, b.Err) || wantErr == unix.ENOTDIR && errors.Is(err, unix.ENOTDIR) {
			return
		}
		t.Errorf("%s: %v, the system says %v", path, err, wantErr)
		return
	}
	defer at.Close()
	if fi, err := at.Stat(); err != nil || !os.SameFile(fi, want) {
		t.Errorf("%s leads elsewhere: %v", path, err)
	}
}

func TestWayIsTheSystems(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"a/b/c", "x"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{
		"rel": "a/b", "up": "a/b/../../x", "abs": filepath.Join(dir, "x"), "chain": "rel/c", "loop": "loop", "dangling": "none", "dot": ".",
		"a/back": "..", "tofile": "file", "root": "/", "slashes": "a//b/./",
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	long := "l0"
	if err := os.Symlink("x", filepath.Join(dir, long)); err != nil {
		t.Fatal(err)
	}
	for range 45 {
		if err := os.Symlink(long, filepath.Join(dir, long+"0")); err != nil {
			t.Fatal(err)
		}
		long += "0"
	}
	for _, p := range strings.Fields(". a a/b/c none none/x file file/x rel up abs chain loop dangling dot a/back/a/back/x tofile root root/proc slashes rel/../b l0 l0000 " + long) {
		mustBe(t, dir+"/"+p)
	}
}

func TestMakeDestination(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"p/q/r", "p/q/r", "p/q/s", "link/new/er"} {
		if err := MakeDestination(filepath.Join(dir, p)); err != nil {
			t.Errorf("%s: %v", p, err)
		}
		if fi, err := os.Stat(filepath.Join(dir, p)); err != nil || !fi.IsDir() {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// Another user's symlink to what isn't that user's is where the way ends; nothing is made behind it. To that user's own it is followed.
func TestForeignLink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("to give a symlink away needs root")
	}
	dir := t.TempDir()
	for _, d := range []string{"real", "theirs"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "theirs/link")
	if err := os.Symlink("../real", link); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(link, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if err := MakeDestination(link + "/new"); !errors.Is(err, ErrForeignLink) {
		t.Errorf("made: %v", err)
	}
	if _, err := openDestination(link); !errors.Is(err, ErrForeignLink) {
		t.Errorf("opened: %v", err)
	}
	l, err := LockTarget(t.Context(), StoreConfig{Target: link + "/target"})
	if !errors.Is(err, ErrForeignLink) {
		t.Errorf("locked: %v", err)
		l.Release()
	}
	mustBeClean(t, filepath.Join(dir, "real"))
	if err := os.Chown(filepath.Join(dir, "real"), 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if err := MakeDestination(link + "/new"); err != nil {
		t.Error(err)
	}
	mustBeClean(t, filepath.Join(dir, "real"), "new")
}
