package cmd

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"
)

// sparse makes a file of size bytes that holds pieces of 1 MiB at places of the largest Blocks, 1 MiB, and holes between.
func (l *sandbox) sparse(name string, size int64, pieces int) {
	l.t.Helper()
	f, err := os.Create(l.path(name))
	l.check(err)
	defer f.Close()
	l.check(f.Truncate(size))
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range pieces {
		slot := size / int64(pieces) // one in each part, so that none meet
		_, err := f.WriteAt(noise(byte(n), 1<<20), (int64(n)*slot+rnd.Int64N(slot-1<<20))>>20<<20)
		l.check(err)
	}
}

// sameSparse compares two files, a step at a time.
func (l *sandbox) sameSparse(a, b string) {
	l.t.Helper()
	f, err := os.Open(l.path(a))
	l.check(err)
	defer f.Close()
	g, err := os.Open(l.path(b))
	l.check(err)
	defer g.Close()
	p, q := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := 0; ; at++ {
		n, errA := io.ReadFull(f, p)
		m, errB := io.ReadFull(g, q)
		if n != m || errA != errB || !bytes.Equal(p[:n], q[:m]) {
			l.t.Fatalf("MiB %d differs", at)
		}
		if errA != nil {
			return
		}
	}
}

// onDisk is what a file, or a directory with all below, takes on the disk, in bytes.
func (l *sandbox) onDisk(name string) (sum int64) {
	st, err := os.Lstat(l.path(name))
	if err != nil {
		return 0 // not there yet, or no longer
	}
	sum = st.Sys().(*syscall.Stat_t).Blocks * 512
	if st.IsDir() {
		entries, _ := os.ReadDir(l.path(name))
		for _, e := range entries {
			sum += l.onDisk(name + "/" + e.Name())
		}
	}
	return sum
}

// TestSparseFile: of 512 MiB with 24 MiB in it nothing else is sent or written; and what was there when get was killed
// isn't sent again.
func TestSparseFile(t *testing.T) {
	const size, pieces = 512 << 20, 24
	l := newSandbox(t)
	l.sparse("src", size, pieces)
	if l.onDisk("src") > 2*pieces<<20 {
		t.Skip("this file system has no holes")
	}
	ticket, _ := l.seed("src")
	l.check(os.Mkdir(l.path("d"), 0o700))
	get := l.start("get", "--listen", "127.0.0.1", "--limit", "8M", "-o", "d/", ticket)
	within(t, 20*time.Second, "a third is there", func() bool { return l.onDisk("d") >= pieces<<20/3 })
	get.exits(t, syscall.SIGKILL)
	had := l.onDisk("d")
	r := l.getJSON("-o", "d/", ticket)
	// What was on its way when it was killed comes again, and the Manifest, whose Blocks a process keeps in memory.
	if most := pieces<<20 - had + 8<<20; r.Bytes != size || int64(r.Fetched) > most {
		t.Errorf("%d bytes, %d of them fetched after %d were there, want at most %d", r.Bytes, r.Fetched, had, most)
	}
	if n := l.onDisk("d/src"); n > (pieces+1)<<20 {
		t.Errorf("takes %d bytes on the disk", n)
	}
	l.sameSparse("src", "d/src")
	l.ok("verify", ticket, "d/src")
}
