package swarm

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// hugePages has so many bytes of the heap made of huge pages, where the kernel does that for who asks.
func hugePages(bytes int) {
	_ = unix.Madvise(make([]byte, bytes), unix.MADV_HUGEPAGE)
	runtime.GC() // what is allocated from now on lies there
}
