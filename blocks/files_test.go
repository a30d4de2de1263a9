package blocks

import (
	"os"
	"path/filepath"
	"testing"
)

// Writeback begins for every file that was written to since the last time, once so much has gathered, whichever files it went to.
func TestWritebackBeginsEverySoManyBytes(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	o := newOpenFiles(root, os.O_RDWR)
	defer o.close()
	files := map[string]*openFile{}
	for _, name := range []string{"a", "b", "idle"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if files[name], err = o.take(name); err != nil {
			t.Fatal(err)
		}
	}
	wrote := func(name string, n int64, want ...string) {
		t.Helper()
		due := o.wrote(files[name], n)
		got := map[string]bool{}
		for _, file := range due {
			got[file.name] = true
			if file.uses != 2 {
				t.Errorf("%s is lent %d times", file.name, file.uses)
			}
			o.put(file)
		}
		if len(due) != len(want) {
			t.Errorf("%d bytes to %s: %v are due, want %v", n, name, got, want)
		}
		for _, name := range want {
			if !got[name] {
				t.Errorf("%s isn't due", name)
			}
		}
	}
	wrote("a", 1)
	wrote("b", flushEvery-2)
	wrote("b", 1, "a", "b")
	wrote("a", flushEvery-1)
	wrote("a", 1, "a")

	if err := o.writeAt("idle", make([]byte, 1<<20), 5); err != nil {
		t.Fatal(err)
	}
	wrote("a", flushEvery-1<<20, "a", "idle")
	for _, file := range files {
		o.put(file)
	}
}
