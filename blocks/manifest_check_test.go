package blocks

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestEmptyRootIsTheRootOfNothing(t *testing.T) {
	if emptyRoot != Sum(nil) {
		t.Errorf("%x is not %x", emptyRoot, Sum(nil))
	}
}

// Each case breaks one rule of a good Manifest (for 16 KiB blocks) and says which path must be named.
func TestCheckRefuses(t *testing.T) {
	const (
		big = 1 // numbers in mixedManifest
		emp = 2
		lnk = 3
		sub = 4
		nl  = 5
		exc = 6
	)
	insert := func(m *Manifest, e Entry) {
		m.Entries = append(m.Entries, e)
		m.Sort()
	}
	for _, c := range []struct {
		name, path string
		change     func(m *Manifest)
	}{
		{"no entries", "-", func(m *Manifest) { m.Entries = nil }},
		{"no target", "big", func(m *Manifest) { m.Entries = m.Entries[1:] }},
		{"target is a link", "", func(m *Manifest) { m.Entries[0] = Entry{Kind: Symlink, Link: "big"} }},
		{"target is a file", "", func(m *Manifest) { m.Entries[0] = Entry{Kind: File, Root: emptyRoot} }},
		{"name of the whole", "..", func(m *Manifest) { m.Name = ".." }},
		{"no name", "", func(m *Manifest) { m.Name = "" }},
		{"two targets", "", func(m *Manifest) { m.Entries = slices.Insert(m.Entries, 1, Entry{Kind: Dir}) }},
		{"dotdot", "../x", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "../x"}) }},
		{"dot", "sub/.", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "sub/."}) }},
		{"absolute", "/x", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "/x"}) }},
		{"slash at the end", "sub/", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "sub/"}) }},
		{"two slashes", "sub//x", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "sub//x"}) }},
		{"backslash", `sub\x`, func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: `sub\x`}) }},
		{"NUL", "x\x00", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "x\x00"}) }},
		{"no UTF-8", "x\xff", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "x\xff"}) }},
		{"twice", "sub", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "sub"}) }},
		{"twice as file", "empty", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "empty"}) }},
		{"order", "big", func(m *Manifest) {
			m.Entries[big], m.Entries[emp] = m.Entries[emp], m.Entries[big]
		}},
		{"bytewise order", "sub/new\nline", func(m *Manifest) {
			m.Entries[nl], m.Entries[exc] = m.Entries[exc], m.Entries[nl]
		}},
		{"no parent", "nowhere/x", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "nowhere/x"}) }},
		{"no grandparent", "sub/y/x", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "sub/y/x"}) }},
		{"parent is a prefix only", "subx/y", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "subx/y"}) }},
		{"parent is a file", "big/x", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "big/x"}) }},
		{"parent is a link", "link/x", func(m *Manifest) { insert(m, Entry{Kind: Dir, Path: "link/x"}) }},
		{"setuid", "big", func(m *Manifest) { m.Entries[big].Mode = 0o4755 }},
		{"mode of a directory", "sub", func(m *Manifest) { m.Entries[sub].Mode = 0o1777 }},
		{"mode of a link", "link", func(m *Manifest) { m.Entries[lnk].Mode = 0o1000 }},
		{"kind 0", "sub!", func(m *Manifest) { m.Entries[exc].Kind = 0 }},
		{"kind 4", "sub!", func(m *Manifest) { m.Entries[exc].Kind = 4 }},
		{"link out", "link", func(m *Manifest) { m.Entries[lnk].Link = "../x" }},
		{"absolute link", "link", func(m *Manifest) { m.Entries[lnk].Link = "/x" }},
		{"link to nothing", "link", func(m *Manifest) { m.Entries[lnk].Link = "" }},
		{"size", "big", func(m *Manifest) { m.Entries[big].Size = MaxBlocks*MinBlockSize + 1 }},
		{"overflowing size", "big", func(m *Manifest) { m.Entries[big].Size = math.MaxUint64 }},
		{"empty file, other root", "empty", func(m *Manifest) { m.Entries[emp].Root = Root{1} }},
		{"empty root, other size", "empty", func(m *Manifest) { m.Entries[emp].Size = 1 }},
		{"zeros of a small file", "sub!", func(m *Manifest) { m.Entries[exc].Zeros = []Span{{0, 1}} }},
		{"zeros of one block", "sub!", func(m *Manifest) {
			m.Entries[exc].Size, m.Entries[exc].Zeros = MinBlockSize, []Span{{0, 1}}
		}},
		{"empty zeros", "big", func(m *Manifest) { m.Entries[big].Zeros = []Span{{1, 0}} }},
		{"adjacent zeros", "big", func(m *Manifest) { m.Entries[big].Zeros = []Span{{1, 2}, {3, 1}} }},
		{"overlapping zeros", "big", func(m *Manifest) { m.Entries[big].Zeros = []Span{{1, 3}, {2, 4}} }},
		{"decreasing zeros", "big", func(m *Manifest) { m.Entries[big].Zeros = []Span{{4, 1}, {0, 1}} }},
		{"zeros outside", "big", func(m *Manifest) { m.Entries[big].Zeros = []Span{{5, 3}} }},
		{"zeros wrap around", "big", func(m *Manifest) { m.Entries[big].Zeros = []Span{{1, math.MaxUint32}} }},
		{"equal files, sizes differ", "sub!", func(m *Manifest) { m.Entries[exc].Root = m.Entries[nl].Root }},
		{"equal files, zeros differ", "copy", func(m *Manifest) {
			e := m.Entries[big]
			e.Path, e.Zeros = "copy", []Span{{1, 2}}
			insert(m, e)
		}},
	} {
		m := mixedManifest()
		if err := m.Check(MinBlockSize, true); err != nil {
			t.Fatal(err)
		}
		c.change(m)
		err := m.Check(MinBlockSize, true)
		if !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.path != "-" && !strings.Contains(err.Error(), ": "+strconv.Quote(c.path)+": ") {
			t.Errorf("%s: %v doesn't name %q", c.name, err, c.path)
		}
	}
}

func TestCheckAccepts(t *testing.T) {
	for name, change := range map[string]func(m *Manifest){
		"as it is": func(*Manifest) {},
		"an equal file": func(m *Manifest) {
			e := m.Entries[1]
			e.Path, e.Zeros = "copy", slices.Clone(e.Zeros)
			m.Entries = append(m.Entries, e)
			m.Sort()
		},
		"a second empty file": func(m *Manifest) {
			m.Entries = append(m.Entries, Entry{Kind: File, Path: "empty2", Root: emptyRoot})
			m.Sort()
		},
		"a directory between": func(m *Manifest) {
			for _, p := range []string{"a", "a/b", "a/b/c", "a/b-", "a!", "sub/z", "sub/z/z"} {
				m.Entries = append(m.Entries, Entry{Kind: Dir, Path: p})
			}
			m.Sort()
		},
		"only the target": func(m *Manifest) { m.Entries = m.Entries[:1] },
	} {
		m := mixedManifest()
		change(m)
		if err := m.Check(MinBlockSize, true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckTheOnlyFile(t *testing.T) {
	file := Entry{Kind: File, Size: 5, Root: Root{1}}
	for _, c := range []struct {
		name    string
		entries []Entry
		dir, ok bool
	}{
		{"file", []Entry{file}, false, true},
		{"file as a directory", []Entry{file}, true, false},
		{"directory as a file", []Entry{{Kind: Dir}}, false, false},
		{"two files", []Entry{file, {Kind: File, Path: "x", Size: 5, Root: Root{1}}}, false, false},
		{"a file of the path x", []Entry{{Kind: File, Path: "x", Size: 5, Root: Root{1}}}, false, false},
		{"a symlink", []Entry{{Kind: Symlink, Link: "x"}}, false, false},
		{"nothing", nil, false, false},
	} {
		err := (&Manifest{Name: "n", Entries: c.entries}).Check(MinBlockSize, c.dir)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name == "two files" && !strings.Contains(err.Error(), `"x": an entry beside`) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCheckBlockSize(t *testing.T) {
	for size, ok := range map[uint32]bool{
		0: false, 1: false, MinBlockSize / 2: false, MinBlockSize: true, MinBlockSize + 1: false,
		3 << 14: false, 64 << 10: true, MaxBlockSize: true, MaxBlockSize * 2: false, 1 << 31: false,
	} {
		m := &Manifest{Name: "n", Entries: []Entry{{Kind: Dir}}}
		if err := m.Check(size, true); (err == nil) != ok {
			t.Errorf("%d: %v", size, err)
		}
	}
}

func TestCheckBoundsZeroRanges(t *testing.T) {
	for n, ok := range map[int]bool{maxZeroRanges: true, maxZeroRanges + 1: false} {
		e := Entry{Kind: File, Size: uint64(2*n) * MinBlockSize, Root: Root{1}, Zeros: make([]Span, n)}
		for i := range e.Zeros {
			e.Zeros[i] = Span{First: uint32(2 * i), Count: 1}
		}
		err := (&Manifest{Name: "n", Entries: []Entry{e}}).Check(MinBlockSize, false)
		if (err == nil) != ok {
			t.Errorf("%d zero ranges: %v", n, err)
		}
	}
}

// The sum of sizes is bounded without ever overflowing.
func TestCheckBoundsTheSum(t *testing.T) {
	const most = MaxBlocks * MaxBlockSize // of one file: 2^46
	m := &Manifest{Name: "n", Entries: []Entry{{Kind: Dir}}}
	for i := range MaxBytes / most {
		m.Entries = append(m.Entries, Entry{Kind: File, Path: strconv.Itoa(10_000 + i), Size: most, Root: Root{1}})
	}
	if err := m.Check(MaxBlockSize, true); err != nil || m.Bytes() != MaxBytes {
		t.Fatalf("%d bytes: %v", m.Bytes(), err)
	}
	m.Entries = append(m.Entries, Entry{Kind: File, Path: "more", Size: 1, Root: Root{2}})
	if err := m.Check(MaxBlockSize, true); !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), `"more"`) {
		t.Errorf("%d bytes: %v", m.Bytes(), err)
	}
}

// Against a dumb second implementation of the parent rule: a map of directories.
func TestParentsAgreeWithAMap(t *testing.T) {
	paths := []string{
		"a", "a/b", "a/b/c", "a/b/c/d", "a!", "a!/b", "a0", "a0/x/y", "b", "b/c", "b/c/a", "c/a", "a/b!", "a/b!/c", "ab", "ab/c",
	}
	for mask := range 1 << len(paths) {
		if mask%37 != 0 { // a sample
			continue
		}
		m := &Manifest{Name: "n", Entries: []Entry{{Kind: Dir}}}
		dirs := map[string]bool{"": true}
		for i, p := range paths {
			if mask>>i&1 == 1 {
				kind := Dir
				if i%5 == 4 {
					kind = Symlink
				}
				m.Entries = append(m.Entries, Entry{Kind: kind, Path: p, Link: "x"})
				dirs[p] = kind == Dir
			}
		}
		m.Sort()
		want := true
		for _, e := range m.Entries[1:] {
			parent := ""
			if i := strings.LastIndex(e.Path, "/"); i >= 0 {
				parent = e.Path[:i]
			}
			want = want && dirs[parent]
		}
		if err := m.Check(MinBlockSize, true); (err == nil) != want {
			t.Fatalf("%+v: %v", m.Entries, err)
		}
	}
}
