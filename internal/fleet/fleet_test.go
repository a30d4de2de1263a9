package fleet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fakeFleet makes a Fleet of fake hosts.
func fakeFleet(t *testing.T, hosts string, change func(*Config)) (*Fleet, string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv(fakeDir, dir)
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte(fakeProgram), 0o700); err != nil {
		t.Fatal(err)
	}
	all, err := ParseHosts(hosts)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Hosts: all, SSH: []string{self}, Fanout: 64, Login: time.Minute, Protocol: 1, Push: 1,
		Programs: &Programs{Self: program, System: "linux", Arch: "amd64"},
		Orders: func(_ context.Context, changed bool) ([]byte, error) {
			return fmt.Appendf(nil, `{"ticket":"secret","changed":%t}`, changed), nil
		},
	}
	if change != nil {
		change(&cfg)
	}
	return New(cfg), dir
}

// verdicts are the ends of all hosts, a line each.
func verdicts(f *Fleet) string {
	var b strings.Builder
	for _, s := range f.Statuses() {
		fmt.Fprintf(&b, "%s: %s %d after %d: %s\n", s.Host, s.State, s.Code, s.Tries, s.Message)
	}
	return b.String()
}

// count is how many lines one of a host's files has.
func count(t *testing.T, dir, file string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(b), "\n")
}

// TestVerdicts: every way in which a host may end has its verdict, code and last words.
func TestVerdicts(t *testing.T) {
	var told []string
	last := false
	f, dir := fakeFleet(t, "good,same,down,denied,busy,nologin,full,dies,flaky,mute,odd,alien,nowhere,liar,greedy,silent", func(c *Config) {
		c.Decided = func(s Status) {
			if last || !s.State.Over() {
				t.Errorf("%s is told late or early", s.Host)
			}
			told = append(told, s.Host.Name)
		}
		c.AllDecided = func() { last = true }
	})
	f.Run(t.Context())
	want := `good: changed 0 after 1: 
same: changed 0 after 1: 
down: unreachable 6 after 1: ssh: connect to host down port 22: No route to host
denied: unreachable 6 after 1: root@denied: Permission denied (publickey).
busy: changed 0 after 3: 
nologin: unreachable 6 after 1: This account is currently not available.
full: failed 7 after 1: no space left; free some
dies: lost 6 after 3: client_loop: send disconnect: Broken pipe (attempt 3)
flaky: changed 0 after 3: 
mute: failed 1 after 1: it ended without a result
odd: failed 1 after 1: odd
alien: failed 1 after 1: no p2pcp for this host (Linux sparc64): name a directory with the releases' binaries with --bin-dir
nowhere: failed 7 after 1: no directory there takes the program and lets it run (tried the cache, /var/tmp, /tmp and /dev/shm)
liar: failed 1 after 1: all is well
greedy: failed 1 after 1: it asks for the program again and again
silent: changed 0 after 2: 
`
	if got := verdicts(f); got != want {
		t.Errorf("%s", got)
	}
	if !last || len(told) != len(f.Statuses()) {
		t.Errorf("told of %d hosts, the end %t", len(told), last)
	}
	for _, s := range f.Statuses() {
		if s.Host.Name == "good" && (s.Path != "/x/y" || s.Root != "0011223344" || s.Fetched != 100 || s.Done != 100 || s.Ended.IsZero()) {
			t.Errorf("%+v", s)
		}
	}
	// They linger until all are through, and end in good order.
	for _, name := range []string{"good", "same", "flaky"} {
		if count(t, dir, name+".ended") != 1 {
			t.Errorf("%s didn't end by itself", name)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "flaky.orders"))
	if err != nil || strings.Count(string(b), `"changed":false`) != 1 || strings.Count(string(b), `"changed":true`) != 2 {
		t.Errorf("%s, %v", b, err)
	}
}

func TestLoginThatHangs(t *testing.T) {
	f, _ := fakeFleet(t, "hang-1,hang-2", func(c *Config) { c.Login, c.Fanout = 50*time.Millisecond, 1 })
	f.Run(t.Context())
	want := "hang-1: unreachable 6 after 1: no shell answered (gave up after 50ms)\nhang-2: unreachable 6 after 1: no shell answered (gave up after 50ms)\n"
	if got := verdicts(f); got != want {
		t.Error(got)
	}
}

// TestShellThatAnswersTooLate: a shell's first words may still lie in the pipe when its login has been given up and ssh killed. The host
// was unreachable, not lost.
func TestShellThatAnswersTooLate(t *testing.T) {
	for _, late := range []bool{false, true} {
		f, _ := fakeFleet(t, "host", nil)
		a := &attempt{fleet: f, host: f.hosts[0], watch: time.NewTimer(time.Hour)}
		a.expired.Store(late)
		a.take(t.Context(), ask{wish: welcome})
		a.expired.Store(true)
		v, again := f.judge(t.Context(), a.host, ending{expired: true, hello: a.hello.Load(), code: -1})
		want := map[bool]State{false: Lost, true: Unreachable}[late]
		if v.state != want || v.code != codeNobody || again {
			t.Errorf("late %t: %+v, again %t", late, v, again)
		}
	}
}

func TestCommand(t *testing.T) {
	f, _ := fakeFleet(t, "ran,ranbad,ranlong", func(c *Config) { c.Command = true })
	f.Run(t.Context())
	want := `ran: changed 0 after 1: 
ranbad: failed 3 after 1: the copy is in place, --run ended with exit 4: the last
ranlong: failed 3 after 1: the copy is in place, --run wasn't done after 60 s
`
	if got := verdicts(f); got != want {
		t.Error(got)
	}
	if out := f.Statuses()[0].Output; out != "fine\n" {
		t.Errorf("%q", out)
	}
}

// TestFanout: no more logins are under way than allowed; who is through holds no place.
func TestFanout(t *testing.T) {
	const fanout = 3
	f, dir := fakeFleet(t, "good-[1-12]", func(c *Config) { c.Fanout = fanout })
	f.Run(t.Context())
	b, err := os.ReadFile(filepath.Join(dir, "all"))
	if err != nil {
		t.Fatal(err)
	}
	under, most := 0, 0
	for line := range strings.Lines(string(b)) {
		if under++; line == "-\n" {
			under -= 2
		}
		most = max(most, under)
	}
	if under != 0 || most > fanout || strings.Count(verdicts(f), "changed 0 after 1") != 12 {
		t.Errorf("%d at once\n%s", most, verdicts(f))
	}
}

// TestStopped: at the end of the context everybody is told to end, and nothing is left; who hangs is killed.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f, dir := fakeFleet(t, "waits-1,waits-2,hang-1,hang-2,down", func(c *Config) { c.Fanout = 4 })
	go func() {
		for len(ctx.Done()) == 0 && ctx.Err() == nil {
			if count(t, dir, "waits-1.waits")+count(t, dir, "waits-2.waits")+count(t, dir, "down.logins") == 3 {
				cancel()
			}
			<-time.After(5 * time.Millisecond)
		}
	}()
	f.Run(ctx)
	want := "waits-1: stopped 130 after 1: stopped\nwaits-2: stopped 130 after 1: stopped\nhang-1: stopped 130 after 1: stopped\nhang-2: stopped 130 after 1: stopped\n"
	if got := verdicts(f); !strings.HasPrefix(got, want) {
		t.Error(got)
	}
	if count(t, dir, "waits-1.ended")+count(t, dir, "waits-2.ended") != 2 {
		t.Error("they were not let end by themselves")
	}
}

// TestOrdersThatFail: without a ticket there is nothing to do.
func TestOrdersThatFail(t *testing.T) {
	f, _ := fakeFleet(t, "good", func(c *Config) {
		c.Orders = func(context.Context, bool) ([]byte, error) { return nil, fmt.Errorf("no ticket") }
	})
	f.Run(t.Context())
	if got := verdicts(f); got != "good: failed 1 after 1: no ticket\n" {
		t.Error(got)
	}
}

func TestCommandLine(t *testing.T) {
	f := New(Config{SSH: []string{"ssh", "-F", "cfg"}, Login: 10 * time.Second})
	got := f.command(Host{"u", "fd00::1", 22})
	if got[0] != "ssh" || got[2] != "cfg" || !slices.Contains(got, "BatchMode=yes") || !slices.Contains(got, "ConnectTimeout=8") {
		t.Errorf("%q", got)
	}
	if end := got[len(got)-5:]; !slices.Equal(end, []string{"-p", "22", "--", "u@fd00::1", login}) {
		t.Errorf("%q", end)
	}
	if strings.ContainsAny(login, "'\"$`\\;&|<>(){}*?!#~=") {
		t.Errorf("the login shell has to understand %q", login)
	}
}
