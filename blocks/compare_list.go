package blocks

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
)

// DifferenceKind is how a path differs from the Manifest.
type DifferenceKind uint8

// Kinds of Difference.
const (
	Missing DifferenceKind = 1 + iota // the Manifest has it, the target doesn't
	Differs                           // of another kind, size, content or link target
	Extra                             // the Manifest lacks it, and what is below it
)

// String returns the kind in one word.
func (k DifferenceKind) String() string {
	switch k {
	case Missing:
		return "missing"
	case Differs:
		return "differs"
	default:
		return "extra"
	}
}

// Difference is one path that isn't as the Manifest says.
type Difference struct {
	Kind DifferenceKind
	Path string // as an Entry's; "" is the target itself. An extra one's may be no valid UTF-8
}

// ListDifferences hashes the target and returns all that differs, ordered by path; what it compares, and progress, are
// CompareTarget's with checksum. Of a missing or replaced directory each path below it is listed.
func ListDifferences(ctx context.Context, m *Manifest, target string, progress func(bytes uint64)) ([]Difference, error) {
	var list []Difference
	c := comparer{
		manifest: m, checksum: true, progress: progress, name: filepath.Base(target),
		onExtra: func(name string) { list = append(list, Difference{Extra, name}) },
	}
	if _, err := c.run(ctx, filepath.Clean(target)); err != nil {
		return nil, fmt.Errorf("compare %q: %w", target, err)
	}
	if c.state == nil { // nothing is there
		c.state = make([]verdict, len(m.Entries))
	}
	for i, v := range c.state {
		switch v {
		case missing:
			list = append(list, Difference{Missing, m.Entries[i].Path})
		case differs:
			list = append(list, Difference{Differs, m.Entries[i].Path})
		}
	}
	slices.SortStableFunc(list, func(a, b Difference) int { return ComparePaths(a.Path, b.Path) })
	return list, nil
}
