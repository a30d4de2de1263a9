package blocks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFoldedPairs(t *testing.T) {
	for _, c := range []struct {
		paths string
		want  int
	}{
		{"|a|b|c", 0},
		{"|A|a", 1},
		{"|a|a/X|b|b/x", 0},
		{"|a|a/X|a/x", 1},
		{"|A|A/x|a|a/x", 1}, // the directories; what is in them follows
		{"|K|k|\u212a", 2},  // the sign for kelvin
		{"|ſ|s|S", 2},
		{"|Straße|STRASSE", 0}, // not by simple folding
		{"|é|É", 1},
		{"|İ|i", 0},
		{"|é|e\u0301", 1}, // composed, and not
		{"|É|e\u0301", 1},
		{"|é/x|e\u0301/x", 0}, // in two directories, which are themselves a pair where they are Entries
		{"|\uac00|\u1100\u1161", 1},
		{"|ﬁ|fi", 0}, // compatibility is no equality
	} {
		var entries []Entry
		for p := range strings.SplitSeq(c.paths, "|") {
			entries = append(entries, Entry{Path: p})
		}
		if got := foldedPairs(entries, maxProbes); len(got) != c.want {
			t.Errorf("%q: %v, want %d", c.paths, got, c.want)
		}
	}
	var many []Entry
	for i := range 500 {
		many = append(many, Entry{Path: fmt.Sprint("A", i)}, Entry{Path: fmt.Sprint("a", i)})
	}
	if got := foldedPairs(many, maxProbes); len(got) != maxProbes {
		t.Errorf("%d pairs", len(got))
	}
}

// TestFoldsTogether needs no file system that folds case: a name and itself are one on every one.
func TestFoldsTogether(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if same, err := foldsTogether(root, "a", "a"); err != nil || !same {
		t.Errorf("one name: %v, %v", same, err)
	}
	if same, err := foldsTogether(root, "a", "b"); err != nil || same {
		t.Errorf("two names: %v, %v", same, err)
	}
	mustBeClean(t, dir)
}

// TestNamesThatDifferInCase, or in how characters are composed, are two files, or refused before anything is fetched.
func TestNamesThatDifferInCase(t *testing.T) {
	for _, pair := range [][2]string{{"A", "a"}, {"é", "e\u0301"}} {
		t.Run(pair[0], func(t *testing.T) { twoFilesOrRefused(t, pair[0], pair[1]) })
	}
}

func twoFilesOrRefused(t *testing.T, a, b string) {
	from := sampleOf(t, map[string][]byte{"d/" + a: noise(10, 1), "d/" + b: noise(10, 2)}, nil, nil)
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	folds, err := foldsTogether(root, a, b)
	if err != nil {
		t.Fatal(err)
	}
	if !folds {
		target := filepath.Join(dir, "target")
		startGet(t, from, StoreConfig{Target: target}).finish()
		from.mustEqual(t, target, 0)
		return
	}
	l, err := lockIn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if _, err := l.Open(t.Context(), from.receiver(t)); !errors.Is(err, ErrManifest) {
		t.Errorf("got %v", err)
	}
}
