// Package e2e holds the tests on real hosts: network namespaces with their own sshd, shaped links and the real binary.
//
// They need root, Linux and P2PCP_BIN (the binary to test); `make e2e` gives them all three. Without P2PCP_E2E=1 they are
// skipped, with it they fail where they can't run.
package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

const (
	mib  = 1 << 20
	rate = 200 // Mbit/s each way, of every host
)

// rig is a lab and what a test needs around it.
type rig struct {
	*testing.T
	lab *lab.Lab
	n   int // hosts
	bin string
	// before is what stands before p2pcp's arguments where bin is another program, that runs it.
	before []string
	ctx    context.Context
}

// newRig makes a lab of n hosts; host 0 is the seed's. Everything ends with the test.
func newRig(t *testing.T, n int, mbit int) *rig {
	t.Helper()
	return newRigOf(t, lab.Config{Hosts: n, Rate: lab.Rate(mbit) * lab.Mbit})
}

// newRigOf is newRig of any lab.
func newRigOf(t *testing.T, cfg lab.Config) *rig {
	t.Helper()
	if os.Getenv("P2PCP_E2E") != "1" {
		t.Skip("P2PCP_E2E is not set: run make e2e as root")
	}
	bin := os.Getenv("P2PCP_BIN")
	if bin == "" {
		t.Fatal("P2PCP_BIN names no binary")
	}
	l, err := lab.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return &rig{T: t, lab: l, n: cfg.Hosts, bin: bin, ctx: ctx}
}

// with is the rig for a subtest: what it starts ends with it.
func (r *rig) with(t *testing.T) *rig {
	c := *r
	c.T = t
	return &c
}

// host is host i, 0 the seed's.
func (r *rig) host(i int) *lab.Host { return r.lab.Host(i + 1) }

// start runs a command on a host in the background; it is killed with the test.
func (r *rig) start(host int, name string, args ...string) *lab.Proc {
	r.Helper()
	p, err := r.host(host).Start(r.ctx, name, args...)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { p.Signal(syscall.SIGKILL); <-p.Done() })
	return p
}

// wait waits for the end and returns the exit code.
func (r *rig) wait(p *lab.Proc, within time.Duration) int {
	r.Helper()
	select {
	case <-p.Done():
		return p.Code()
	case <-time.After(within):
		p.Signal(syscall.SIGQUIT)
		<-p.Done()
		r.Fatalf("%v: still running after %s\nstdout: %s\nstderr: %s", p, within, p.Out, p.Err)
		return -1
	}
}

// good waits for the ends of processes, which must be good.
func (r *rig) good(within time.Duration, all ...*lab.Proc) {
	r.Helper()
	for _, p := range all {
		if code := r.wait(p, within); code != 0 {
			r.Errorf("%s: exit %d: %s%s", p.Host.Name(), code, p.Out, p.Err)
		}
	}
}

// run runs a command on a host to its end, which must be good.
func (r *rig) run(host int, name string, args ...string) string {
	r.Helper()
	p := r.start(host, name, args...)
	if code := r.wait(p, 2*time.Minute); code != 0 {
		r.Fatalf("host %d: %s %v: exit %d\nstdout: %s\nstderr: %s", host, name, args, code, p.Out, p.Err)
	}
	return p.Out.String()
}

// until polls cond, which a test can't be told of, until it holds.
func (r *rig) until(what string, within time.Duration, cond func() bool) {
	r.Helper()
	for deadline := time.Now().Add(within); !cond(); {
		if time.Now().After(deadline) {
			r.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// seed starts a seed on host 0 and returns it with its ticket.
func (r *rig) seed(path string, args ...string) (*lab.Proc, string) {
	r.Helper()
	p := r.start(0, r.bin, slices.Concat(r.before, []string{"seed", path}, args)...)
	r.until("a ticket", 30*time.Second, func() bool {
		select {
		case <-p.Done():
			r.Fatalf("seed ended: exit %d\n%s", p.Code(), p.Err)
		default:
		}
		return strings.HasSuffix(p.Out.String(), "\n")
	})
	return p, strings.TrimSpace(p.Out.String())
}

// get starts a get of the ticket on a host.
func (r *rig) get(host int, ticket string, args ...string) *lab.Proc {
	return r.start(host, r.bin, slices.Concat(r.before, []string{"get", ticket, "-o", lab.Scratch + "/"}, args)...)
}

// getAll starts a get on every receiver.
func (r *rig) getAll(ticket string, args ...string) (all []*lab.Proc) {
	for _, h := range r.receivers() {
		all = append(all, r.get(h, ticket, args...))
	}
	return all
}

// file makes a file of random bytes on host 0, the same for the same arguments, and returns its path and sum.
func (r *rig) file(name string, size int) (path, sum string) {
	r.Helper()
	path = filepath.Join(lab.Scratch, name)
	r.run(0, "sh", "-c", noiseScript(size, name, path))
	return path, r.sum(0, path)
}

// noiseScript writes random bytes to path, the same for the same word and size.
func noiseScript(size int, word, path string) string {
	return fmt.Sprintf("head -c %d /dev/zero | openssl enc -aes-128-ctr -pass pass:%s -nosalt -pbkdf2 2>/dev/null >%s", size, word, path)
}

// sum is a file's hash by another program than ours.
func (r *rig) sum(host int, path string) string {
	r.Helper()
	return strings.Fields(r.run(host, "sha256sum", path))[0]
}

// sent runs f and tells how many bytes each host's interface sent meanwhile.
func (r *rig) sent(f func()) []uint64 {
	r.Helper()
	read := func() []uint64 {
		out := make([]uint64, r.n)
		for i := range out {
			n, err := r.host(i).Sent()
			if err != nil {
				r.Fatal(err)
			}
			out[i] = n
		}
		return out
	}
	before := read()
	f()
	after := read()
	for i := range after {
		after[i] -= before[i]
	}
	return after
}

// sameEverywhere checks that every host's copy has the sum.
func (r *rig) sameEverywhere(path, sum string, hosts ...int) {
	r.Helper()
	for _, h := range hosts {
		if got := r.sum(h, path); got != sum {
			r.Errorf("host %d: %s is not what was sent", h, path)
		}
	}
}

// receivers are the hosts but the seed's.
func (r *rig) receivers() []int {
	var out []int
	for i := 1; i < r.n; i++ {
		out = append(out, i)
	}
	return out
}

// clear removes a file everywhere but on the seed.
func (r *rig) clear(path string) {
	for _, h := range r.receivers() {
		r.run(h, "rm", "-rf", path)
	}
}

// copies is n bytes in copies of size.
func copies(n uint64, size int) float64 { return float64(n) / float64(size) }
