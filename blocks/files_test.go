package blocks

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A flush takes every file that was written to since the last one, once so much has gathered, whichever files it went to; one at a
// time, and none for a while after a long one.
func TestFlushesAreDue(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"a", "b", "idle"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := newOpenFiles(root, os.O_RDWR)
	defer o.close()
	write := func(name string, n int) {
		t.Helper()
		if err := o.writeAt(name, make([]byte, n), 0); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Now()
	due := func(want ...string) {
		t.Helper()
		var got []string
		for _, file := range o.due(at) {
			if file.uses != 1 {
				t.Errorf("%s is lent %d times", file.name, file.uses)
			}
			got = append(got, file.name)
			o.put(file)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%v are due, want %v", got, want)
		}
	}
	if _, err := o.take("idle"); err != nil {
		t.Fatal(err)
	}
	write("a", 1)
	write("b", flushEvery-2)
	due()
	write("b", 1)
	due("a", "b")
	write("a", flushEvery)
	due() // one is under way
	o.flushing = false
	o.again = at.Add(time.Second)
	due()
	at = at.Add(time.Second)
	due("a")
	o.flushing = false
	due()

	write("b", flushEvery)
	o.again = time.Time{}
	o.flush()
	if o.flushing || o.again.IsZero() || o.fresh != 0 || o.byName["b"].uses != 0 {
		t.Errorf("after a flush: %+v", o)
	}
}
