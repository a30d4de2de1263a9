package gossip

import (
	"os"
	"runtime"
	"testing"
)

// TestMain keeps to one processor: in a synctest bubble all timers share one context of the race detector, which crashes when
// two threads run expired timers at a time (golang/go#78156, Go 1.26).
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}
