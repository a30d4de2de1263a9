package bubble

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// Timers that are polled in one moment break the race detector where two threads do it.
func TestPolledTimers(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	Test(t, func(t *testing.T) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 200 {
					var timers [200]*time.Timer
					for i := range timers {
						timers[i] = time.NewTimer(time.Millisecond)
					}
					time.Sleep(2 * time.Millisecond)
					for _, timer := range timers {
						select {
						case <-timer.C:
						default:
							t.Error("a timer hasn't fired")
							return
						}
					}
				}
			})
		}
		all.Wait()
	})
	if after := runtime.GOMAXPROCS(0); after != before {
		t.Errorf("%d threads, %d before", after, before)
	}
}
