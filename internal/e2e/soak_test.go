package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// soak is a run of random operations on twelve hosts. Content 0's seed, the witness, is never killed: its memory, descriptors
// and goroutines are compared before and after.
type soak struct {
	*rig
	tickets []string
	sums    []string    // of each content
	seeds   []*lab.Proc // of each content
	gets    map[pair]*soakGet
	dirty   map[pair]bool // bytes of the finished copy were changed behind p2pcp's back
	touched map[pair]bool // the host was to get it at least once
	done    map[string]int
}

// pair is a content on a host.
type pair struct{ host, content int }

type soakGet struct {
	*lab.Proc
	hurt bool // it was killed or interrupted
}

// vitals are what must not grow.
type vitals struct {
	RSS   int `json:"rss_kib"`
	Files int `json:"files"`
}

// TestE2ESoak runs P2PCP_SOAK_OPS random operations (seed number P2PCP_SOAK_SEED) and, once all is healed, gets everything
// everywhere: each copy right, nothing left running, open or lying about.
func TestE2ESoak(t *testing.T) {
	n, number := soakNumber(t, "P2PCP_SOAK_OPS"), soakNumber(t, "P2PCP_SOAK_SEED")
	r := newRig(t, soakHosts, 100)
	r.ctx = t.Context()
	s := &soak{
		rig: r, gets: map[pair]*soakGet{}, dirty: map[pair]bool{}, touched: map[pair]bool{}, done: map[string]int{},
		seeds: make([]*lab.Proc, soakContents), tickets: make([]string, soakContents), sums: make([]string, soakContents),
	}
	for k := range soakContents {
		s.makeContent(k)
		s.startSeed(k)
	}
	var before vitals
	plan := soakPlan(number, int(n))
	for i, op := range plan {
		s.do(op)
		s.reap(false)
		if t.Failed() {
			t.Fatalf("P2PCP_SOAK_SEED=%d: after operation %d: %s", number, i, op)
		}
		if i == min(50, len(plan)/3) {
			before = s.witness()
		}
		time.Sleep(op.pause)
	}
	s.heal()
	s.finish()
	after := s.witness()
	line, _ := json.Marshal(map[string]any{"seed": number, "operations": n, "did": s.done, "witness_before": before, "witness_after": after})
	t.Logf("SOAK %s", line)
	if after.RSS > 2*before.RSS+16<<10 {
		t.Errorf("the seed's memory grew from %d to %d KiB", before.RSS, after.RSS)
	}
	s.stop(before)
}

// soakNumber reads a number that make soak gives.
func soakNumber(t *testing.T, name string) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		t.Skip(name + " is not set: run make soak as root")
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func contentName(k int) string { return fmt.Sprintf("content%d", k) }

// makeContent makes content k on its seed's host: a large file, a file with a hole, a directory of small files and a large one, a small file.
func (s *soak) makeContent(k int) {
	s.Helper()
	noise := func(size int, path string) string { return noiseScript(size, path, path) }
	path := "src/" + contentName(k)
	script := "mkdir -p src; "
	switch k {
	case 0:
		script += noise(32*mib, path)
	case 1:
		script += noise(16*mib, path) + "; truncate -s 24M " + path
	case 2:
		script += "mkdir " + path + "; i=0; while [ $i -lt 200 ]; do echo $i >" + path + "/$i; i=$((i+1)); done; " + noise(6*mib, path+"/large")
	case 3:
		script += noise(90_000, path)
	}
	s.run(k, "sh", "-c", "cd "+lab.Scratch+" && "+script)
	s.sums[k] = s.digest(k, lab.Scratch+"/"+path)
}

// digest is the hash of a file, or of a directory's names and bytes, by other programs than ours; "" if it isn't there.
func (s *soak) digest(host int, path string) string {
	s.Helper()
	return s.run(host, "sh", "-c", `test -e "$0" || exit 0; cd "$0" 2>/dev/null || exec sha256sum <"$0"; find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum`, path)
}

func (s *soak) startSeed(k int) {
	s.Helper()
	p := s.start(k, s.bin, "seed", lab.Scratch+"/src/"+contentName(k), "--ticket-file", lab.Scratch+"/src/ticket")
	s.until("the ticket", 30*time.Second, func() bool {
		select {
		case <-p.Done():
			s.Fatalf("seed %d ended: exit %d\n%s", k, p.Code(), p.Err)
		default:
		}
		return strings.HasSuffix(p.Out.String(), "\n")
	})
	ticket := strings.TrimSpace(p.Out.String())
	if s.tickets[k] != "" && s.tickets[k] != ticket {
		s.Errorf("seed %d came back with another ticket", k)
	}
	s.seeds[k], s.tickets[k] = p, ticket
}

// reap looks at the gets that have ended; at all of them, when they have, if all is true.
func (s *soak) reap(all bool) {
	s.Helper()
	for _, at := range s.pairs() {
		g := s.gets[at]
		if g == nil {
			continue
		}
		if all {
			s.wait(g.Proc, 2*time.Minute)
		}
		select {
		case <-g.Done():
		default:
			continue
		}
		code := g.Code()
		s.sane(g.Proc, code)
		switch {
		case code == 0 && s.digest(at.host, lab.Scratch+"/"+contentName(at.content)) != s.sums[at.content]:
			s.Errorf("host %d says it has content %d, and has something else\n%s", at.host, at.content, g.Err)
		case code == 0:
			s.dirty[at] = false
		case !g.hurt && code != 5 && code != 6:
			s.Errorf("host %d, content %d: exit %d\n%s", at.host, at.content, code, g.Err)
		}
		delete(s.gets, at)
	}
}

// pairs are all contents on all hosts, in order.
func (s *soak) pairs() (all []pair) {
	for h := range soakHosts {
		for k := range soakContents {
			all = append(all, pair{h, k})
		}
	}
	return all
}

// sane checks that a process ended by no defect of its own.
func (s *soak) sane(p *lab.Proc, code int) {
	s.Helper()
	text := p.Err.String()
	if code == 2 || strings.Contains(text, "panic:") || strings.Contains(text, "DATA RACE") || strings.Contains(text, "fatal error:") {
		s.Errorf("%v: exit %d\n%s", p, code, text)
	}
}

// heal ends what runs, well or not.
func (s *soak) heal() {
	s.Helper()
	for _, at := range s.pairs() {
		if g := s.gets[at]; g != nil && at.host%2 == 0 {
			g.hurt = true
			g.Signal(syscall.SIGINT)
		}
	}
	s.reap(true)
}

// finish gets everything that was begun, and everything that rotted.
func (s *soak) finish() {
	s.Helper()
	for _, at := range s.pairs() {
		if s.touched[at] || s.dirty[at] {
			s.startGet(at, []string{"--linger", "auto"})
		}
	}
	for _, at := range s.pairs() {
		if g := s.gets[at]; g != nil {
			s.good(2*time.Minute, g.Proc)
		}
	}
	s.reap(true)
}

// witness reads the vitals of content 0's seed once it has few connections.
func (s *soak) witness() (v vitals) {
	s.Helper()
	pid := s.seeds[0].Pid()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	s.must(err)
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	v.RSS, err = strconv.Atoi(strings.Fields(rest)[0])
	s.must(err)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	s.must(err)
	v.Files = len(files)
	return v
}

// stop ends the seeds and looks for what is left: processes, files, and in the witness descriptors and goroutines.
func (s *soak) stop(before vitals) {
	s.Helper()
	s.until("no session left at the seed", 30*time.Second, func() bool { return s.witness().Files <= 16 })
	for k, p := range s.seeds {
		sig := os.Interrupt
		if k == 0 {
			sig = syscall.SIGQUIT // it prints its goroutines
		}
		p.Signal(sig)
		code := s.wait(p, 20*time.Second)
		if k == 0 {
			n := strings.Count(p.Err.String(), "\ngoroutine ")
			s.Logf("%d goroutines at the end; %d descriptors while it served", n, before.Files)
			if n > 60 {
				s.Errorf("%d goroutines\n%s", n, p.Err)
			}
			continue
		}
		s.sane(p, code)
	}
	for h := range soakHosts {
		if pids := s.host(h).Pids(); len(pids) > 0 {
			s.Errorf("host %d: processes %v are left", h, pids)
		}
		found, err := filepath.Glob(s.host(h).Path(lab.Scratch) + "/.*")
		s.must(err)
		found = slices.DeleteFunc(found, func(p string) bool { return filepath.Base(p) == "." || filepath.Base(p) == ".." })
		if len(found) > 0 {
			s.Errorf("host %d: %v is left", h, found)
		}
	}
}
