package blocks

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// TestListDifferences: all of them are named, in order, each with its kind, and everything is hashed.
func TestListDifferences(t *testing.T) {
	target := filepath.Join(t.TempDir(), "target")
	m := &Manifest{Name: "x", Entries: []Entry{{Kind: Dir}}}
	const n = 3 * maxNamed
	var want []string
	for _, dir := range []string{"", "/gone", "/kept"} {
		if dir != "/gone" {
			if err := os.Mkdir(target+dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if dir != "" {
			m.Entries = append(m.Entries, Entry{Kind: Dir, Path: dir[1:]})
		}
		if dir == "/gone" {
			want = append(want, "missing gone")
		}
		for i := range n {
			name := fmt.Sprintf("%s/%03d", dir, i)
			m.Entries = append(m.Entries, Entry{Kind: File, Path: name[1:], Size: 1, Root: Sum([]byte("a"))})
			if dir == "/gone" {
				want = append(want, "missing "+name[1:])
				continue
			}
			content := "a"
			switch i % 4 {
			case 1:
				content = "b" // found by hashing alone: its time is the Entry's
				want = append(want, "differs "+name[1:])
			case 2:
				content = "aa"
				want = append(want, "differs "+name[1:])
			}
			if err := os.WriteFile(target+name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			fi, err := os.Stat(target + name)
			if err != nil {
				t.Fatal(err)
			}
			m.Entries[len(m.Entries)-1].ModTime = fi.ModTime().UnixNano()
			if i%4 == 3 {
				if err := os.MkdirAll(target+name+"x/below", 0o700); err != nil {
					t.Fatal(err)
				}
				want = append(want, "extra "+name[1:]+"x")
			}
		}
	}
	m.Sort()
	var hashed atomic.Bool
	list, err := ListDifferences(t.Context(), m, target, func(uint64) { hashed.Store(true) })
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	last := ""
	for _, d := range list {
		got[d.Kind.String()+" "+d.Path] = true
		if ComparePaths(last, d.Path) > 0 {
			t.Errorf("%q comes after %q", d.Path, last)
		}
		last = d.Path
	}
	if len(list) != len(want) {
		t.Errorf("%d differences, want %d", len(list), len(want))
	}
	for _, w := range want {
		if !got[w] {
			t.Errorf("%s is not told", w)
		}
	}
	if !hashed.Load() {
		t.Error("no progress")
	}
}

// TestListDifferencesOfNothing: the target itself is missing, is another kind, or is as it should be.
func TestListDifferencesOfNothing(t *testing.T) {
	dir := t.TempDir()
	m := &Manifest{Name: "x", Entries: []Entry{{Kind: File, Size: 1, Root: Sum([]byte("a"))}}}
	tell := func(target string) string {
		list, err := ListDifferences(t.Context(), m, target, nil)
		return fmt.Sprint(list, err)
	}
	if got := tell(dir + "/none"); got != "[{missing }] <nil>" {
		t.Error(got)
	}
	if got := tell(dir + "/no/way"); got != "[{missing }] <nil>" {
		t.Error(got)
	}
	if got := tell(dir); got != "[{differs }] <nil>" {
		t.Error(got)
	}
	if err := os.WriteFile(dir+"/a", []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := tell(dir + "/a"); got != "[] <nil>" {
		t.Error(got)
	}
}
