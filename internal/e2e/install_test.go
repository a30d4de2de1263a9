package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"p2pcp/internal/lab"
)

// installed is where the program goes.
const installed = "/usr/local/bin"

// fleetBlock is a block of commands of docs/INSTALL.md that is to be run here.
var fleetBlock = regexp.MustCompile("(?ms)^```sh fleet\n(.*?)^```$")

// TestE2EInstall: each way of docs/INSTALL.md to install on a fleet leaves the program, which runs, on hosts that had none. /usr/local/bin
// is each host's own, /scratch elsewhere, and dpkg only reads its package: the rest of the hosts' files is this machine's.
func TestE2EInstall(t *testing.T) {
	t.Parallel()
	p := newPusher(t, 3, rate, mib)
	page, err := os.ReadFile("../../docs/INSTALL.md")
	if err != nil {
		t.Fatal(err)
	}
	contrib, err := filepath.Abs("../../contrib")
	if err != nil {
		t.Fatal(err)
	}
	blocks := fleetBlock.FindAllSubmatch(page, -1)
	if len(blocks) < 5 {
		t.Fatalf("only %d blocks", len(blocks))
	}
	hosts := p.names(p.receivers())
	lines := strings.NewReplacer("node[001-500]", hosts, "/scratch", lab.Scratch+"/scratch",
		"contrib/", contrib+"/", "dpkg -i", "dpkg --info", "-o /tmp/", "-o "+lab.Scratch+"/scratch/")
	p.prepareInstall(hosts)
	for i := range p.n {
		p.run(i, "mount", "-t", "tmpfs", "install", installed)
	}
	for _, b := range blocks {
		script := lines.Replace(string(b[1]))
		t.Run(strings.Fields(script)[0], func(t *testing.T) {
			r := p.with(t)
			for _, h := range r.receivers() {
				r.run(h, "sh", "-c", "rm -rf scratch "+installed+"/*; mkdir scratch")
			}
			out := r.run(0, "env", "PATH="+lab.Scratch+"/ways:"+os.Getenv("PATH"), "ANSIBLE_HOST_KEY_CHECKING=false", "ANSIBLE_LOCAL_TEMP="+lab.Scratch+"/.a",
				"ANSIBLE_REMOTE_TEMP="+lab.Scratch+"/.r", "ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3", "LC_ALL=C.UTF-8", "bash", "-euc", script)
			t.Logf("%s%s", script, out)
			for _, h := range r.receivers() {
				if strings.Contains(script, ".deb") {
					r.run(h, "dpkg", "--info", "scratch/p2pcp_1.0.0-1_amd64.deb")
					continue
				}
				if v := r.run(h, installed+"/p2pcp", "version"); !strings.HasPrefix(v, "p2pcp ") {
					t.Errorf("host %d: %q", h, v)
				}
				if strings.Contains(script, "ticket.yml") && r.sum(h, "scratch/model.bin") != p.sum {
					t.Errorf("host %d: the role fetched something else", h)
				}
			}
		})
	}
}

// prepareInstall lays the program, a package and an inventory where the commands look for them, and an ssh that knows the lab's keys.
func (p *pusher) prepareInstall(hosts string) {
	p.Helper()
	p.run(0, "bash", "-euc", `mkdir ways deb deb/DEBIAN; cp "$1" p2pcp; cp p2pcp ways/; tr , '\n' <<<"$2" >hosts
		for c in ssh scp; do printf '#!/bin/sh\nexec /usr/bin/%s -F %s "$@"\n' $c "$3" >ways/$c; done
		chmod +x ways/*
		printf 'Package: p2pcp\nVersion: 1.0.0-1\nArchitecture: amd64\nMaintainer: t <t@t>\nDescription: t\n' >deb/DEBIAN/control
		dpkg-deb -b deb p2pcp_1.0.0-1_amd64.deb`, "-", p.bin, hosts, p.lab.SSHConfig())
}
