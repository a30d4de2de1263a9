package cmd

import (
	"os"
	"runtime"
	"strings"
)

// maxTrace bounds a stack trace, in bytes.
const maxTrace = 1 << 20

// abort is what SIGQUIT and SIGABRT do: it prints where every goroutine is, and ends the process by Go's own code for that. Go would
// print the arguments too. They are words of memory, of stacks that others had before among them, and parts of keys were found there.
func abort(s os.Signal) {
	b := make([]byte, maxTrace)
	b = b[:runtime.Stack(b, true)]
	_, _ = os.Stderr.WriteString("p2pcp: " + s.String() + "\n\n" + withoutArgs(string(b)))
	os.Exit(2)
}

// withoutArgs takes the arguments out of a stack trace.
func withoutArgs(trace string) string {
	var b strings.Builder
	for line := range strings.Lines(trace) {
		call := !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "goroutine ") && !strings.HasPrefix(line, "created by ")
		if at := strings.LastIndexByte(line, '('); call && at >= 0 {
			line = line[:at] + "(...)\n"
		}
		b.WriteString(line)
	}
	return b.String()
}
