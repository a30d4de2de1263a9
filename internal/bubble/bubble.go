// Package bubble runs tests in virtual time.
package bubble

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// alone counts the bubbles that run, and keeps how many threads there were before them.
var alone struct {
	sync.Mutex
	bubbles, threads int
}

// Test is synctest.Test. With the race detector it has one thread: in a bubble two goroutines that poll expired timers in the same
// moment use one context of the detector, which then fails in itself, "ThreadSanitizer: CHECK failed" or SIGSEGV (Go 1.26, golang/go
// issue 78156; TestPolledTimers).
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if raced {
		enter()
		defer leave()
	}
	synctest.Test(t, f)
}

func enter() {
	alone.Lock()
	defer alone.Unlock()
	if alone.bubbles++; alone.bubbles == 1 {
		alone.threads = runtime.GOMAXPROCS(1)
	}
}

func leave() {
	alone.Lock()
	defer alone.Unlock()
	if alone.bubbles--; alone.bubbles == 0 {
		runtime.GOMAXPROCS(alone.threads)
	}
}
