package blocks

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of PROTOCOL 1.2, in bytes.
const (
	maxName = 255
	maxPath = 4096
	maxLink = 4096
)

// CheckName tells why a string can't be the Manifest's name or a component of a path (PROTOCOL 1.3); nil if it can. The
// error doesn't repeat the name and wraps nothing.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("empty name")
	case len(name) > maxName:
		return fmt.Errorf("name of %d bytes, at most %d", len(name), maxName)
	case name == "." || name == "..":
		return fmt.Errorf("%q is no name", name)
	case strings.ContainsAny(name, "\x00/\\"):
		return errors.New("NUL, slash or backslash in a name")
	case !utf8.ValidString(name):
		return errors.New("name is not UTF-8")
	}
	return nil
}

// checkPath tells why a path other than the target's own can't be an Entry's.
func checkPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("path of %d bytes, at most %d", len(path), maxPath)
	}
	for name := range strings.SplitSeq(path, "/") {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	return nil
}

// CheckLink tells why a symlink at path (relative to the target) must not point at link (PROTOCOL 1.3); nil if it may. It may climb only at its beginning, and not above the target:
// the directories it climbs through are real ones, so it can't leave. A ".." behind a name could, where that name is itself a
// link to a deeper place: d/e/l -> ../.. and d/x -> e/l/../secret are both inside when read as text, and lead outside.
func CheckLink(path, link string) error {
	switch {
	case link == "":
		return errors.New("symlink to nothing")
	case len(link) > maxLink:
		return fmt.Errorf("symlink to %d bytes, at most %d", len(link), maxLink)
	case strings.Contains(link, "\x00"):
		return errors.New("NUL in a symlink")
	case link[0] == '/':
		return fmt.Errorf("symlink to an absolute path, %q", link)
	}
	depth, descends := strings.Count(path, "/"), false // depth of the link's directory, below the target
	for name := range strings.SplitSeq(link, "/") {
		switch {
		case name == "" || name == ".":
		case name != "..":
			descends = true
		case descends:
			return fmt.Errorf("symlink with .. behind a name, to %q", link)
		case depth == 0:
			return fmt.Errorf("symlink out of the target, to %q", link)
		default:
			depth--
		}
	}
	return nil
}

// refuse is the error about one path.
func refuse(path, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrManifest, strconv.Quote(path), fmt.Sprintf(format, args...))
}

// refuseManifest is the error about the whole.
func refuseManifest(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrManifest, fmt.Sprintf(format, args...))
}
