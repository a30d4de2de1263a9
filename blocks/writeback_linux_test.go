package blocks

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBeginWriteback(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 3<<20)); err != nil {
		t.Fatal(err)
	}
	if err := beginWriteback(f); err != nil {
		t.Errorf("it doesn't begin: %v", err)
	}
	f.Close()
	if beginWriteback(f) == nil {
		t.Error("a closed file is written back")
	}
}
