package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestE2EPushMany: a small file to many hosts with slow links, and what it takes on the host that pushes. P2PCP_E2E_MANY says how many
// (make push-many: 200).
func TestE2EPushMany(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("P2PCP_E2E_MANY"))
	if err != nil {
		n = 24
	}
	begun := time.Now()
	p := newPusher(t, n, 10, mib)
	for _, h := range p.receivers() {
		// A few have it not installed.
		if h%50 != 10 {
			p.run(h, "sh", "-c", "mkdir -p "+remoteHome+"/bin && ln -s "+p.bin+" "+remoteHome+"/bin/p2pcp")
		}
	}
	if err := p.host(n).LinkDown(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d hosts made in %.1f s", n+1, time.Since(begun).Seconds())
	proc := p.push(p.receivers())
	descriptors, sockets, clients := 0, 0, 0
	for ended := false; !ended; {
		select {
		case <-proc.Done():
			ended = true
		case <-time.After(time.Second):
			fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", proc.Pid())) // it may have ended
			if len(fds) > descriptors {
				descriptors, sockets = len(fds), 0
				for _, fd := range fds {
					if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", proc.Pid(), fd.Name())); strings.HasPrefix(to, "socket:") {
						sockets++
					}
				}
			}
			clients = max(clients, len(p.strays(0))-1)
		}
	}
	hosts, all := p.told(proc)
	for name, h := range hosts {
		if h.State != "changed" {
			t.Logf("%s: %s after %.1f s and %d logins: %s", name, h.State, h.Seconds, h.Logins, h.Message)
		}
	}
	t.Logf("%d of %d hosts in %.1f s; the push and each ssh had %d MiB at most, the push %d descriptors (%d sockets), %d ssh at once; CPU of all %.1f s; egress %.2f copies",
		all.Changed, n, proc.Ended().Sub(proc.Started).Seconds(), proc.Peak()>>20, descriptors, sockets, clients, proc.CPU(), all.Egress)
	if all.Changed != n-1 || all.Code != 6 || proc.Code() != 6 {
		t.Errorf("exit %d, %+v\n%s", proc.Code(), all, proc.Err)
	}
	// Three pipes and the process itself a host, and of the swarm at most a session and one of gossip; nothing else may grow with
	// their number.
	if most := 6*n + 100; descriptors > most || proc.Peak() > 400*mib {
		t.Errorf("%d descriptors, %d bytes", descriptors, proc.Peak())
	}
	p.sameEverywhere(p.path, p.sum, p.receivers()[:n-1]...)
	for h := 1; h < n; h += n / 8 { // to look takes long where so many processes are
		if got := p.strays(h); len(got) > 0 {
			t.Errorf("host %d still runs %s", h, strings.Join(got, "; "))
		}
	}
}
