package cmd

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A file that changes while it is seeded: nobody gets wrong bytes, who can't finish learns it soon, and the seed names it.
func TestSeedOfChangedFile(t *testing.T) {
	l := newSandbox(t)
	big := l.file("tree/big", 1, 4<<20)
	small := l.file("tree/small", 2, 100)
	ticket, b := l.seed("tree")
	big[2_000_000]++
	l.write("tree/big", string(big))
	begun := time.Now()
	errs := l.fails(exitNobody, "-o", "d/", ticket)
	if took := time.Since(begun); took > 8*time.Second || !strings.Contains(errs, "withdrawn") {
		t.Errorf("after %s: %s", took, errs)
	}
	if l.names("d") != ".tree.p2pcp" {
		t.Errorf("left %s", l.names("d"))
	}
	l.lacksOneBlock("d/.tree.p2pcp/content/big", noise(1, 4<<20), 2_000_000)
	b.says(t, `warning: source changed: "`+l.path("tree/big")+`": what is intact is still served`)
	// Who has the changed file from elsewhere still gets what is intact.
	l.write("e/tree/big", string(noise(1, 4<<20)))
	l.ok("get", ticket, "-o", "e/", "-f", "--listen", "127.0.0.1")
	l.holds("e/tree/big", noise(1, 4<<20))
	l.holds("e/tree/small", small)
	if code, _ := b.exits(t, syscall.SIGTERM); code != exitLocal || strings.Count(b.stderr(t), "warning: source changed") != 1 {
		t.Errorf("exit %d\n%s", code, b.stderr(t))
	}
	if !strings.Contains(b.stderr(t), "p2pcp: error: "+l.path("tree/big")+" changed while it was seeded") {
		t.Errorf("stderr %s", b.stderr(t))
	}
}

// lacksOneBlock checks that a partial file holds all of content but one block of 64 KiB, the one around at.
func (l *sandbox) lacksOneBlock(name string, content []byte, at int) {
	l.t.Helper()
	const size = 64 << 10
	got, err := os.ReadFile(l.path(name))
	l.check(err)
	if len(got) != len(content) {
		l.t.Fatalf("%d bytes of %d", len(got), len(content))
	}
	for k := 0; k < len(content); k += size {
		if right := bytes.Equal(got[k:k+size], content[k:k+size]); right != (k/size != at/size) {
			l.t.Errorf("block at %d arrived right: %t", k, right)
		}
	}
}

// A file that only grows or is touched is named, and all that was hashed of it is served.
func TestSeedOfGrowingFile(t *testing.T) {
	l := newSandbox(t)
	content := l.file("log", 1, 300_000)
	ticket, b := l.seed("log")
	l.write("log", string(content)+"more")
	l.gets(exitOK, l.changed("d/log", content), "-o", "d/", "--linger", "0", ticket)
	b.says(t, `warning: source changed: "`+l.path("log")+`": what is intact is still served`)
	if code, _ := b.exits(t, syscall.SIGTERM); code != exitLocal {
		t.Errorf("exit %d\n%s", code, b.stderr(t))
	}
}
