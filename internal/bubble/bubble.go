// Package bubble runs tests in virtual time.
package bubble

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Test is synctest.Test. With the race detector it has one thread: in a bubble two goroutines that poll expired timers in the same
// moment use one context of the detector, which then fails in itself, "ThreadSanitizer: CHECK failed" or SIGSEGV (Go 1.26, golang/go
// issue 78156; TestPolledTimers). Not for parallel tests: the threads are the process's.
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if Raced {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	synctest.Test(t, f)
}
