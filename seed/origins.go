package seed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"p2pcp/blocks"
)

// defaultName is what several paths, or the root of the file system, are called.
const defaultName = "files"

// origins knows where the originals lie.
type origins struct {
	name string            // of the target
	one  string            // absolute path of the only one, or ""
	many map[string]string // absolute path by first component, if there are several
}

// newOrigins resolves the paths of a command line: a symlink there means what it points to, under its own name.
func newOrigins(paths []string, name string) (origins, error) {
	o := origins{name: name}
	if len(paths) == 0 {
		return o, fmt.Errorf("%w: no path is given", ErrEmpty)
	}
	if len(paths) > 1 {
		o.many = make(map[string]string, len(paths))
	}
	given := make(map[string]string, len(paths))
	for _, p := range paths {
		base, abs, err := resolve(p)
		if err != nil {
			return o, err
		}
		if o.many == nil {
			o.one = abs
			if o.name == "" {
				o.name = base
			}
			break
		}
		if other, ok := given[base]; ok {
			return o, fmt.Errorf("%q and %q %w %q", other, p, ErrSameName, base)
		}
		given[base], o.many[base] = p, abs
	}
	if o.name == "" {
		o.name = defaultName
	}
	if why := blocks.CheckName(o.name); why != nil {
		return o, fmt.Errorf("%q %w: %w; give another name with --name", o.name, ErrRefused, why)
	}
	return o, nil
}

// resolve returns the name that a path was given under, and where it really is.
func resolve(p string) (base, abs string, err error) {
	if p == "" {
		return "", "", fmt.Errorf("%w %q: the path is empty", ErrUnreadable, p)
	}
	named, err := filepath.Abs(p)
	if err != nil {
		return "", "", fmt.Errorf("%w %q: %w", ErrUnreadable, p, err)
	}
	abs, err = filepath.EvalSymlinks(named)
	if errors.Is(err, fs.ErrNotExist) {
		if link, linkErr := os.Readlink(named); linkErr == nil {
			return "", "", fmt.Errorf("%w %q, where %q leads", ErrMissing, link, p)
		}
		return "", "", fmt.Errorf("%w %q", ErrMissing, p)
	}
	if err != nil {
		return "", "", fmt.Errorf("%w %q: %w", ErrUnreadable, p, cause(err))
	}
	if base = filepath.Base(named); base == "/" {
		base = defaultName
	}
	return base, abs, nil
}

// path is where the Entry at rel lies.
func (o origins) path(rel string) string {
	if o.many == nil {
		if rel == "" {
			return o.one
		}
		return strings.TrimSuffix(o.one, "/") + "/" + rel
	}
	first, rest, deeper := strings.Cut(rel, "/")
	if !deeper {
		return o.many[first]
	}
	return o.many[first] + "/" + rest
}

// walk walks all originals. Several go into a directory of their own making: its mode is fixed and its time is the latest of
// theirs, because the same content has to give the same ID again. A path that is sent alone is never excluded itself.
func (o origins) walk(ctx context.Context, w *walk) error {
	if o.many == nil {
		if err := w.visit(ctx, place{dir: unix.AT_FDCWD, name: o.one, path: o.one}); err != nil {
			return err
		}
	} else {
		w.found = append(w.found, found{kind: blocks.Dir, mode: 0o755})
	}
	for _, first := range slices.Sorted(maps.Keys(o.many)) {
		if w.excluded(first) {
			w.left++
			continue
		}
		at, abs := len(w.found), o.many[first]
		if err := w.visit(ctx, place{dir: unix.AT_FDCWD, name: abs, path: abs, rel: first}); err != nil {
			return err
		}
		if at < len(w.found) {
			w.found[0].mtime = max(w.found[0].mtime, w.found[at].mtime)
		}
	}
	return w.finish()
}
