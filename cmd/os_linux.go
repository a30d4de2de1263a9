package cmd

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// slack is how much later than asked a thread may wake, in ns. The Go runtime polls: its monitor every 20 us while anything runs and for
// a millisecond after everything slept, and a thread without work for 3 us, which is nearly always where Blocks trickle in over
// many sessions. With 1 ms instead of the system's 50 us 8 receivers at 200 Mbit/s need a fifth less CPU. Timers of
// a millisecond and more hardly notice.
const slack = 1_000_000

// calm sets it: for this thread and those that it will start, and, if the kernel lets us (root, CAP_SYS_NICE), for the others that
// the runtime has started already.
func calm() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, slack, 0, 0, 0)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range threads {
		if f, err := os.OpenFile("/proc/"+t.Name()+"/timerslack_ns", os.O_WRONLY, 0); err == nil {
			_, _ = f.WriteString(strconv.Itoa(slack))
			_ = f.Close()
		}
	}
}

// forbidDumps covers what the limit doesn't: a core_pattern that is a program gets a dump whatever the limit. Other processes of
// the same user can't read our memory or environment from then on; root's can.
func forbidDumps() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// redirect makes descriptor to another name of from. Linux on arm64 has no dup2.
func redirect(from, to int) error { return unix.Dup3(from, to, 0) }
