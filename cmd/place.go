package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"p2pcp/blocks"
)

// place is where the content goes.
type place struct {
	target string // its final path, absolute and clean
	make   bool   // --to ends with a slash: the directory around the target is made where it is missing
}

// findPlace reads --to: DIR/ means inside; else the path is exact, but for one file and an existing directory.
func findPlace(to string, c *blocks.Content) (place, error) {
	slash := strings.HasSuffix(to, "/")
	inside := slash
	if !inside && !c.Header().Dir {
		st, err := os.Stat(to)
		inside = err == nil && st.IsDir()
	}
	abs, err := filepath.Abs(to)
	if err != nil {
		return place{}, fmt.Errorf("find the path of %s: %w", quoteArg(to), err)
	}
	if inside {
		abs = filepath.Join(abs, c.Manifest().Name)
	}
	if abs == "/" {
		return place{}, usagef("write -o / for a place inside", "the content can't replace /")
	}
	return place{abs, slash}, nil
}

// prepare makes sure that the directory around the target is there.
func (p place) prepare() error {
	if p.make {
		if err := os.MkdirAll(filepath.Dir(p.target), 0o777); err != nil {
			return exitf(exitLocal, "choose another place with -o", "make the directory for it: %w", err)
		}
	}
	return p.check()
}

// check is prepare without making anything: a directory that would be made counts as there.
func (p place) check() error {
	dir := filepath.Dir(p.target)
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && p.make:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return exitf(exitLocal, "make the directory first, or write -o DIR/", "there is no directory %s", quoteName(dir))
	case err != nil:
		return exitf(exitLocal, "choose another place with -o", "look at the directory for it: %w", err)
	case !st.IsDir():
		return exitf(exitLocal, "choose another place with -o", "%s is no directory", quoteName(dir))
	}
	return nil
}
