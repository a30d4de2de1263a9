package fleet

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeProgram does as p2pcp does with what the script and we ask of it.
const fakeProgram = `#!/bin/sh
case "$*" in
"version --json") echo '{"version":"x","protocol":7,"push":3}' ;;
"get - --pushed")
	read -r orders || exit 1
	echo "$0 $orders umask $(umask)" >"$HOME/ran"
	echo '{"message_type":"result","changed":true,"path":"/x","root":"00"}'
	cat >/dev/null ;;
*) exit 1 ;;
esac
`

// shellFleet makes a Fleet whose hosts run the real script, by the login shell that stands in their names.
func shellFleet(t *testing.T, hosts string) (*Fleet, string) {
	f, dir := fakeFleet(t, hosts, func(c *Config) { c.Protocol, c.Push = 7, 3 })
	t.Setenv("FAKE_PATH", "/usr/bin:/bin")
	return f, dir
}

// TestBootstrap: the script brings the program where there is none, by every login shell that is here, and finds it again.
func TestBootstrap(t *testing.T) {
	var hosts []string
	for _, shell := range []string{"sh", "bash", "dash", "zsh", "ksh", "mksh", "yash", "fish", "tcsh", "csh"} {
		if _, err := exec.LookPath(shell); err == nil {
			hosts = append(hosts, "shell-login-"+shell)
		}
	}
	f, dir := shellFleet(t, strings.Join(hosts, ","))
	program := f.cfg.Programs
	for round, sent := range []bool{true, false} {
		f = New(f.cfg)
		f.Run(t.Context())
		for _, s := range f.Statuses() {
			if s.State != Changed || s.Sent != sent {
				t.Errorf("round %d, %s: %s: %s, sent %t", round, s.Host, s.State, s.Message, s.Sent)
			}
			p, err := program.find("Linux", "x86_64")
			if err != nil {
				t.Fatal(err)
			}
			home := filepath.Join(dir, s.Host.Name)
			at := filepath.Join(home, ".cache/p2pcp/bin", p.name())
			ran, err := os.ReadFile(filepath.Join(home, "ran"))
			if want := at + ` {"ticket":"secret","changed":false} umask 00`; err != nil || !strings.HasPrefix(string(ran), want) {
				t.Errorf("%s ran %s, %v", s.Host, ran, err)
			}
			if got := tree(t, home+"/.cache/p2pcp"); got != "bin bin/"+p.name() {
				t.Errorf("%s holds %s", s.Host, got)
			}
			if b, err := os.ReadFile(at); err != nil || string(b) != fakeProgram {
				t.Errorf("%s has another program: %v", s.Host, err)
			}
		}
	}
}

// tree lists what a directory holds.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if rel := strings.TrimPrefix(path, dir+"/"); path != dir {
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// TestBootstrapFindsInstalled: what is installed is used if it speaks as we do, and otherwise passed by.
func TestBootstrapFindsInstalled(t *testing.T) {
	for version, sent := range map[string]bool{
		`"protocol":7,"push":3}`: false, `"protocol":7,"push":3,"more":1}`: false, `"protocol":7,"push":31}`: true, `"protocol":7}`: true,
		`"protocol":17,"push":3}`: true,
	} {
		f, dir := shellFleet(t, "shell-x-sh")
		bin := filepath.Join(dir, "shell-x-sh/.local/bin")
		text := strings.Replace(fakeProgram, `"protocol":7,"push":3}`, version, 1)
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(bin+"/p2pcp", []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		f.Run(t.Context())
		if s := f.Statuses()[0]; s.State != Changed || s.Sent != sent {
			t.Errorf("%s: %s %s, sent %t", version, s.State, s.Message, s.Sent)
		}
	}
}

// TestBootstrapReplacesDamaged: a program in the cache that isn't what was sent is sent again.
func TestBootstrapReplacesDamaged(t *testing.T) {
	f, dir := shellFleet(t, "shell-x-sh")
	p, err := f.cfg.Programs.find("Linux", "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "shell-x-sh/.cache/p2pcp/bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, p.name()), []byte(fakeProgram+"#"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.Run(t.Context())
	if s := f.Statuses()[0]; s.State != Changed || !s.Sent {
		t.Errorf("%s %s, sent %t", s.State, s.Message, s.Sent)
	}
}

// TestBootstrapCutOff: an end in the middle of the program leaves nothing of it.
func TestBootstrapCutOff(t *testing.T) {
	home := t.TempDir()
	p, err := readProgram("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, sent := range []int{0, 1, 1000, len(p.packed) - 1} {
		c := exec.Command("sh", "-s")
		c.Env = []string{"HOME=" + home, "TMPDIR=" + home, "PATH=/usr/bin:/bin", "XDG_CACHE_HOME=" + home + "/c"}
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		asked := make(chan struct{}, 8)
		c.Stdout = writerFunc(func(b []byte) (int, error) {
			if bytes.Contains(b, []byte("hello")) || bytes.Contains(b, []byte("want")) {
				asked <- struct{}{}
			}
			return out.Write(b)
		})
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		// Other places of this machine are nobody's to write to.
		text := strings.NewReplacer("/var/tmp/", "no/", " \"/tmp/", " \"no/", "/dev/shm/", "no/").Replace(script("M", 7, 3))
		_, _ = in.Write([]byte(text))
		<-asked
		fmt.Fprintf(in, "%s %s %s\n", p.name(), p.sum, p.crc)
		<-asked
		fmt.Fprintf(in, "%d\n", len(p.packed))
		_, _ = in.Write(p.packed[:sent])
		_ = in.Close()
		if err := c.Wait(); err == nil {
			t.Errorf("%d bytes: it ended well:\n%s", sent, out.String())
		}
		if got := tree(t, home); got != "c c/p2pcp" {
			t.Errorf("%d bytes: left %s", sent, got)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestBootstrapWithoutTools: without gzip, and with one tool or another for the hash.
func TestBootstrapWithoutTools(t *testing.T) {
	for _, tool := range []string{"sha256sum", "shasum", "openssl", "cksum"} {
		f, dir := shellFleet(t, "shell-x-sh")
		bin := filepath.Join(dir, "bin")
		if err := os.Mkdir(bin, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"sh", "uname", "id", "chmod", "mkdir", "rm", "mv", "cat", "head", "find", tool} {
			path, err := exec.LookPath(name)
			if name == tool && err != nil {
				continue // the last of them is everywhere
			}
			if err == nil {
				err = os.Symlink(path, filepath.Join(bin, name))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(filepath.Join(bin, tool)); err != nil {
			continue
		}
		t.Setenv("FAKE_PATH", bin)
		f.Run(t.Context())
		if s := f.Statuses()[0]; s.State != Changed || !s.Sent {
			t.Errorf("%s: %s %s, sent %t", tool, s.State, s.Message, s.Sent)
		}
	}
}

func TestCksum(t *testing.T) {
	for _, text := range []string{"", "hello", strings.Repeat("0123456789", 7000)} {
		c := exec.Command("cksum")
		c.Stdin = strings.NewReader(text)
		out, err := c.Output()
		if err != nil {
			t.Skip("no cksum here:", err)
		}
		if got, want := fmt.Sprint(cksum([]byte(text))), strings.Fields(string(out))[0]; got != want {
			t.Errorf("%s, cksum says %s", got, want)
		}
	}
}

func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"p2pcp_1.0_linux_arm64", "p2pcp_1.2_linux_arm64", "p2pcp_1.2_freebsd_amd64", "other_linux_riscv64", "self"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := &Programs{Self: dir + "/self", System: "linux", Arch: "amd64", Dir: dir}
	for uname, want := range map[string]string{
		"Linux x86_64": "self", "Linux aarch64": "p2pcp_1.2_linux_arm64", "FreeBSD amd64": "p2pcp_1.2_freebsd_amd64",
		"Linux riscv64": "", "Linux i686": "", "SunOS sun4v": "",
	} {
		system, machine, _ := strings.Cut(uname, " ")
		p, err := l.find(system, machine)
		switch {
		case want == "" && (err == nil || !strings.Contains(err.Error(), uname)):
			t.Errorf("%s: %v", uname, err)
		case want != "" && (err != nil || string(p.raw) != want):
			t.Errorf("%s: %v, %v", uname, p, err)
		}
	}
	if again, _ := l.find("Linux", "x86_64"); again == nil {
		t.Error("not found again")
	}
}

func TestOrdersStayOutOfArguments(t *testing.T) {
	f := New(Config{SSH: []string{"ssh"}, Orders: func(context.Context, bool) ([]byte, error) { return []byte("secret"), nil }})
	text := strings.Join(f.command(Host{Name: "a"}), " ") + script(f.marker, 1, 1)
	if strings.Contains(text, "secret") {
		t.Error("the ticket is in a command line")
	}
}
