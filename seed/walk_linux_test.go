package seed

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// asNobody runs f on a thread that is no longer root as far as files are concerned. The thread ends with it.
func asNobody(t *testing.T, dir string, f func() error) error {
	t.Helper()
	if os.Geteuid() != 0 {
		return f()
	}
	result := make(chan error)
	skip := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		const nobody = 65534
		if err := unix.Setfsuid(nobody); err != nil {
			close(skip)
			return
		}
		if _, err := os.ReadDir(dir); err != nil {
			close(skip)
			return
		}
		result <- f()
	}()
	select {
	case err := <-result:
		return err
	case <-skip:
		t.Skip("no directory that another user can see")
		return nil
	}
}

func TestUnreadableIsAnErrorBeforeAnythingIsHashed(t *testing.T) {
	for _, kind := range []string{"file", "directory"} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "a"), noise(1, 10))
		locked := filepath.Join(dir, "sub", "locked\n")
		if kind == "file" {
			put(t, locked, nil)
		} else {
			put(t, filepath.Join(locked, "x"), nil)
		}
		must(t, os.Chmod(locked, 0))
		for parent := dir; parent != os.TempDir() && parent != "/"; parent = filepath.Dir(parent) {
			must(t, os.Chmod(parent, 0o755))
		}
		err := asNobody(t, dir, func() error {
			_, err := Build(t.Context(), []string{dir}, Options{midHash: func(path string) { t.Errorf("%s was hashed", path) }})
			return err
		})
		must(t, os.Chmod(locked, 0o700))
		if !errors.Is(err, ErrUnreadable) || !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), `locked\n": permission denied`) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
