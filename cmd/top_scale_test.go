package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"p2pcp/swarm"
)

// TestTopOfHundreds prints how long a look at P2PCP_TOP_N receivers takes that all fetch at once, in this process, from a real seed. It
// is a measurement, and fails only where hosts are missing.
func TestTopOfHundreds(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("P2PCP_TOP_N"))
	if err != nil {
		t.Skip("P2PCP_TOP_N says how many")
	}
	l := newSandbox(t)
	l.big(48)
	ticket, _ := l.seed("--limit", "20K", "big")
	l.write("copies/x", "")
	var all sync.WaitGroup
	var apps []*app
	for i := range n {
		a, _, _ := newTestApp(t)
		a.quiet = true
		apps = append(apps, a)
		f := &getFlags{
			to: l.path(fmt.Sprintf("copies/%d", i)), wait: time.Minute, stall: time.Hour, linger: swarm.Linger{Mode: swarm.LingerNone},
			listen: fmt.Sprintf("127.9.%d.%d", i/250, 1+i%250),
		}
		all.Go(func() { _ = runGet(a, f, ticket) })
	}
	defer all.Wait()
	defer func() {
		for _, a := range apps {
			a.cancel(nil)
		}
	}()
	begin := time.Now()
	for l.status(ticket).Known < n && time.Since(begin) < 90*time.Second { // they all begin at once on few cores
	}
	t.Logf("all have begun after %.1f s", time.Since(begin).Seconds())
	begin = time.Now()
	m := l.status(ticket)
	t.Logf("status of %d hosts, %d silent: %.2f s", m.Known, m.Silent, time.Since(begin).Seconds())
	top := l.start("top", "--json", "--progress-interval", "1s", ticket)
	last := time.Now()
	for k := range 10 {
		line := top.line(t)
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		t.Logf("top: after %.2f s, %d hosts, %d silent, %d bytes of JSON", time.Since(last).Seconds(), m.Known, m.Silent, len(line))
		if last = time.Now(); k > 2 && m.Known < n {
			t.Errorf("%d hosts of %d", m.Known, n)
		}
	}
	proc, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", top.cmd.Process.Pid)) // ru_maxrss counts what was before exec
	_, peak, _ := strings.Cut(string(proc), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "\n")
	top.end(syscall.SIGTERM)
	u := top.cmd.ProcessState
	t.Logf("top: %.2f s of CPU, %s at most", (u.UserTime() + u.SystemTime()).Seconds(), strings.TrimSpace(peak))
}
