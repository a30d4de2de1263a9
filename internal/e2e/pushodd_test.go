package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// TestE2EPushOdd: hosts that are not as one would like them.
func TestE2EPushOdd(t *testing.T) {
	t.Parallel()
	p := newPusher(t, 7, 50, 16*mib)
	const noexec, full, fish, banner, alien, dies, refuses = 1, 2, 3, 4, 5, 6, 7
	for h, script := range map[int]string{
		noexec: "mount -t tmpfs -o noexec,mode=700 home " + remoteHome + " && mount -t tmpfs tmp /var/tmp",
		full:   "mount -t tmpfs tmp /var/tmp && head -c 100M /dev/zero >" + remoteHome + "/ballast || true",
		fish:   "sed 's|^root:.*|root:x:0:0:root:/root:/usr/bin/fish|' /etc/passwd >" + remoteHome + "/passwd && mount --bind " + remoteHome + "/passwd /etc/passwd",
		banner: "echo 'echo Welcome; echo -n @p2pcp-; echo to stderr >&2' >" + remoteHome + "/.bashrc",
		alien:  "printf '#!/bin/sh\\necho sparc64\\n' >" + remoteHome + "/uname && chmod 755 " + remoteHome + "/uname && mount --bind " + remoteHome + "/uname /usr/bin/uname",
		// A login shell that says no.
		refuses: "sed 's|^root:.*|root:x:0:0:root:/root:/usr/sbin/nologin|' /etc/passwd >" + remoteHome + "/passwd && mount --bind " + remoteHome + "/passwd /etc/passwd",
	} {
		p.run(h, "sh", "-c", script)
	}
	proc := p.push(p.receivers())
	p.until("a get runs on the host whose ssh is to die", 30*time.Second, func() bool {
		_, err := os.Stat(p.host(dies).Path(lab.Scratch + "/.model.bin.p2pcp/content"))
		return err == nil
	})
	for _, pid := range p.host(dies).Pids() {
		if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.HasPrefix(string(b), "sshd: root") {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	code := p.wait(proc, time.Minute)
	hosts, all := p.told(proc)
	if code != 6 || all.Changed != 5 {
		t.Errorf("exit %d, %+v\n%s", code, all, proc.Err)
	}
	for h, want := range map[int]string{
		noexec: "changed 0: ", full: "changed 0: ", fish: "changed 0: ", banner: "changed 0: ", dies: "changed 0: ",
		alien: "failed 1: no p2pcp for this host (sparc64 sparc64)", refuses: "unreachable 6: This account is currently not available.",
	} {
		m := hosts[p.host(h).Name()]
		if got := fmt.Sprintf("%s %d: %s", m.State, m.Code, m.Message); !strings.HasPrefix(got, want) {
			t.Errorf("host %d: %s", h, got)
		}
		if h == dies && m.Logins != 2 {
			t.Errorf("the host whose ssh died had %d logins", m.Logins)
		}
	}
	for _, h := range []int{noexec, full} {
		if got := p.run(h, "ls", "/var/tmp/p2pcp-bin-0"); !strings.HasPrefix(got, "p2pcp-") || strings.Count(got, "\n") != 1 {
			t.Errorf("host %d: /var/tmp/p2pcp-bin-0 holds %s", h, got)
		}
	}
	p.sameEverywhere(p.path, p.sum, noexec, full, fish, banner, dies)
}
