package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The registry lists this user's detached processes: a directory of files, one a process, each locked (flock) by the process it
// describes. A lock that is held proves that the process lives and the number is still its own; a file without one is left over
// from a killed process and is removed by whoever sees it.

// maxEntry is the most that is read of one file, in bytes.
const maxEntry = 16 << 10

// registryEntry describes a detached process.
type registryEntry struct {
	PID    int       `json:"pid"`
	What   string    `json:"what"`   // seed or get
	ID     string    `json:"id"`     // of the swarm, 64 hex digits
	Target string    `json:"target"` // what is seeded, or where it was put
	Start  time.Time `json:"start"`
}

// name is the entry's file: ID8-PID.
func (e registryEntry) name() string { return e.ID[:min(8, len(e.ID))] + "-" + strconv.Itoa(e.PID) }

// stateDirs are the places of the registry, the preferred first. The one under the temporary directory outlives the login that
// started the process, which XDG_RUNTIME_DIR doesn't; the other serves where somebody else has taken that name.
func stateDirs(env lookup) []string {
	dirs := []string{filepath.Join(os.TempDir(), "p2pcp-"+strconv.Itoa(os.Geteuid()))}
	if xdg, ok := env("XDG_RUNTIME_DIR"); ok && filepath.IsAbs(xdg) {
		dirs = append(dirs, filepath.Join(xdg, "p2pcp"))
	}
	return dirs
}

// checkOurs refuses a directory that another user could have made or can change.
func checkOurs(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is not a private directory of ours", quoteName(dir))
	}
	return nil
}

// registration is this process's own entry.
type registration struct {
	file *os.File
	path string
}

// register lists this process until remove. The caller goes on without if it fails: only 'p2pcp stop' misses it.
func (a *app) register(what, id, target string) (*registration, error) {
	e := registryEntry{PID: os.Getpid(), What: what, ID: id, Target: target, Start: time.Now().Round(time.Second)}
	var errs []error
	for _, dir := range stateDirs(a.env) {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			errs = append(errs, err)
			continue
		}
		if err := checkOurs(dir); err != nil {
			errs = append(errs, err)
			continue
		}
		r, err := writeEntry(dir, e)
		if err == nil {
			return r, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("list this process for 'p2pcp stop': %w", errors.Join(errs...))
}

// writeEntry locks the file before it gets its name, so that nobody takes it for a left-over.
func writeEntry(dir string, e registryEntry) (*registration, error) {
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return nil, err
	}
	r := &registration{file: f, path: f.Name()}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		r.remove()
		return nil, fmt.Errorf("lock entry: %w", err)
	}
	if _, err := f.WriteString(jsonLine(e) + "\n"); err != nil {
		r.remove()
		return nil, err
	}
	final := filepath.Join(dir, e.name())
	if err := os.Rename(f.Name(), final); err != nil {
		r.remove()
		return nil, err
	}
	r.path = final
	return r, nil
}

// remove takes the entry away. A nil registration has none.
func (r *registration) remove() {
	if r != nil {
		_ = os.Remove(r.path)
		_ = r.file.Close()
	}
}

// listDetached returns the living entries, the oldest first, and clears left-overs away.
func (a *app) listDetached() ([]registryEntry, error) {
	var all []registryEntry
	for _, dir := range stateDirs(a.env) {
		err := checkOurs(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, exitf(exitLocal, "remove it, or set another TMPDIR", "%w", err)
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("list detached processes: %w", err)
		}
		for _, f := range files {
			if strings.HasPrefix(f.Name(), ".") {
				continue
			}
			if e, alive := readEntry(filepath.Join(dir, f.Name())); alive {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b registryEntry) int { return a.Start.Compare(b.Start) })
	return all, nil
}

// readEntry reads one file; one whose process is gone is removed. Anything odd counts as gone but is left alone.
func readEntry(path string) (registryEntry, bool) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return registryEntry{}, false
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		_ = os.Remove(path)
		return registryEntry{}, false
	}
	var e registryEntry
	b, err := io.ReadAll(io.LimitReader(f, maxEntry))
	if err != nil || json.Unmarshal(b, &e) != nil || e.PID <= 1 || e.name() != filepath.Base(path) {
		return registryEntry{}, false
	}
	return e, true
}
