package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// TestE2EPushWays: users, ports, IPv6, a jump host, a key that isn't known, and one whose login shell is tcsh where that is installed.
func TestE2EPushWays(t *testing.T) {
	t.Parallel()
	p := newPusher(t, 7, 50, 4*mib)
	const user, port, six, behind, jump, unknown, tcsh = 1, 2, 3, 4, 5, 6, 7
	p.start(port, "/usr/sbin/sshd", "-D", "-e", "-f", lab.Shared+"/ssh/sshd", "-p", "2222")
	p.until("a second sshd", 10*time.Second, func() bool { listens, err := p.host(port).Listens(2222); return err == nil && listens })
	script := "p=$(command -v tcsh) && sed \"s|^root:.*|root:x:0:0:root:/root:$p|\" /etc/passwd >" + remoteHome + "/passwd && mount --bind " + remoteHome + "/passwd /etc/passwd; echo ${p:-none}"
	t.Logf("tcsh: %s", p.run(tcsh, "sh", "-c", script))
	cfg := lab.Scratch + "/config"
	text := fmt.Sprintf("Host behind\n\tHostName %s\n\tProxyJump jump\nHost jump\n\tHostName %s\n\tProxyCommand none\nHost %s\n\tStrictHostKeyChecking yes\nMatch all\n\tInclude %s\n",
		p.host(behind).Name(), p.host(jump).Name(), p.host(unknown).Name(), p.lab.SSHConfig())
	if err := os.WriteFile(p.host(0).Path(cfg), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	retry := lab.Scratch + "/retry"
	list := fmt.Sprintf("# all\nroot@%s  # by its user\n%s:2222\n[%s], behind\njump ssh://%s\n%s,nobody[1-3]\n", p.host(user).Name(), p.host(port).Addr(),
		p.host(six).Addr6(), p.host(unknown).Name(), p.host(tcsh).Name())
	if err := os.WriteFile(p.host(0).Path(lab.Scratch+"/list"), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("%s push %s -x 'nobody[1-3]' --ssh 'ssh -F %s' -o %s/ --json --retry-file %s --run 'echo from $SSH_CONNECTION' --hosts-file - <list", p.bin, p.path, cfg, lab.Scratch, retry)
	proc := p.start(0, "sh", "-c", line)
	code := p.wait(proc, time.Minute)
	hosts, all := p.told(proc)
	if code != 6 || all.Changed != 6 || len(hosts) != 7 {
		t.Errorf("exit %d, %+v, %v\n%s", code, all, hosts, proc.Err)
	}
	m := hosts[p.host(unknown).Name()]
	if m.State != "unreachable" || !strings.Contains(m.Message, "Host key verification failed") || !strings.Contains(m.Message, "Log in once") {
		t.Errorf("%+v", m)
	}
	for _, name := range []string{"root@" + p.host(user).Name(), p.host(port).Addr().String() + ":2222", "[" + p.host(six).Addr6().String() + "]", "behind"} {
		if got := hosts[name].State; got != "changed" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got, a := hosts["behind"].Output, p.host(jump); !strings.HasPrefix(got, "from "+a.Addr().String()+" ") && !strings.HasPrefix(got, "from "+a.Addr6().String()+" ") {
		t.Errorf("the login behind the jump host came %s", got)
	}
	if b, err := os.ReadFile(p.host(0).Path(retry)); err != nil || strings.Count(string(b), "\n"+p.host(unknown).Name()+" #") != 1 {
		t.Errorf("the retry file: %v\n%s", err, b)
	}
	p.sameEverywhere(p.path, p.sum, user, port, six, jump, tcsh)
}
