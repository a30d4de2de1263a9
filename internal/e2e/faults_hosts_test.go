package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/lab"
)

// What the faults of hosts and links are tried on: long enough that 2 s show, slow enough that several labs fit on two cores.
const (
	faultRate = 50 // Mbit/s
	faultSize = 64 * mib
	faultTime = 20 * time.Second // that a host or a link is away
)

// faulty is a lab with an undisturbed transfer behind it.
type faulty struct {
	*rig
	path, sum string
	plain     time.Duration // undisturbed
}

// newFaulty makes a lab and measures in it what undisturbed means.
func newFaulty(t *testing.T, hosts int) *faulty {
	t.Helper()
	f := &faulty{rig: newRig(t, hosts, faultRate)}
	f.path, f.sum = f.file("model.bin", faultSize)
	u := f.try(f.path, f.sum, f.receivers())
	f.plain = u.slowest(time.Minute, f.receivers()...)
	u.over()
	t.Logf("undisturbed: %s", f.plain)
	return f
}

// fault runs a subtest on a transfer that begins.
func (f *faulty) fault(t *testing.T, name string, do func(t *testing.T, u *trial), seedArgs ...string) {
	t.Run(name, func(t *testing.T) {
		u := f.with(t).try(f.path, f.sum, f.receivers(), seedArgs...)
		do(t, u)
	})
}

// lacked is how many bytes a host's journal says it lacks.
func (r *rig) lacked(host int) uint64 { return r.lackedOf(host, "model.bin") }

// lackedOf is lacked for another name below Scratch.
func (r *rig) lackedOf(host int, name string) uint64 {
	r.Helper()
	header, held := r.journal(host, name)
	if held == nil {
		r.Fatalf("host %d left no journal", host)
	}
	return uint64(held.Len()-held.Count()) * uint64(header.BlockSize)
}

// frugal checks that a host that was begun anew fetched what it lacked, and little more: what is under way when it dies, or comes from two.
func (t *trial) frugal(host int, lacked uint64) {
	t.Helper()
	if got := t.result(t.gets[host]).Fetched; got > lacked+lacked/20+mib {
		t.Errorf("host %d fetched %d bytes, %d were lacking", host, got, lacked)
	}
}

// TestE2EFaultReceiver: one receiver is stopped and the link of another is down, both for 20 s, and a third is killed.
func TestE2EFaultReceiver(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, 9)
	u := f.try(f.path, f.sum, f.receivers())
	u.untilReceived(1, faultSize/2)
	hit := time.Now()
	u.gets[1].Signal(syscall.SIGSTOP)
	u.must(u.host(2).LinkDown())
	u.kill(3)
	lacked := u.lacked(3)
	took := u.slowest(time.Minute, 4, 5, 6, 7, 8)
	time.Sleep(faultTime - time.Since(hit))
	u.gets[1].Signal(syscall.SIGCONT)
	u.must(u.host(2).LinkUp())
	for h, name := range map[int]string{1: "a receiver is stopped (SIGSTOP) for 20 s", 2: "a receiver's link is down for 20 s"} {
		own := u.slowest(2*time.Minute, h)
		inTime(t, name, f.plain, took, 0, "the others; it had everything after %.1f s, and fetched %.2f copies", own.Seconds(), copies(u.result(u.gets[h]).Fetched, faultSize))
		if limit := f.plain + faultTime + 5*allowance(f.plain); own > limit {
			t.Errorf("%s: it had everything after %s, limit %s", name, own, limit)
		}
	}
	again := time.Since(u.begun)
	u.fetch(3)
	rest := u.slowest(2*time.Minute, 3) - again
	u.frugal(3, lacked)
	inTime(t, "a receiver is killed", f.plain, took, 0, "the others; begun anew it had the rest after %.1f s, and fetched the %.2f copies that it lacked",
		rest.Seconds(), copies(u.result(u.gets[3]).Fetched, faultSize))
	u.over()
}

// TestE2EFaultSeedGone: the seed dies, is stopped, or is cut off, once one copy is out. One that was stopped finds what it was told
// meanwhile; what was told to one whose link is down is lost with those who said it.
func TestE2EFaultSeedGone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		hit, back func(u *trial)
		learns    bool
	}{
		{"the seed is killed once one copy is out", func(u *trial) { u.seed.Signal(syscall.SIGKILL) }, nil, false},
		{"the seed is stopped (SIGSTOP) for 20 s once one copy is out", func(u *trial) { u.seed.Signal(syscall.SIGSTOP) }, func(u *trial) { u.seed.Signal(syscall.SIGCONT) }, true},
		{"the seed's link is down for 20 s once one copy is out", func(u *trial) { u.must(u.host(0).LinkDown()) }, func(u *trial) { u.must(u.host(0).LinkUp()) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t, 9)
			u := f.try(f.path, f.sum, f.receivers())
			u.untilCopyOut("model.bin", f.receivers()...)
			hit := time.Now()
			c.hit(u)
			took := u.slowest(time.Minute, f.receivers()...)
			said := ""
			if c.back != nil {
				time.Sleep(faultTime - time.Since(hit))
				c.back(u)
			}
			if c.learns {
				begin := time.Now()
				for out := ""; !strings.Contains(out, "8/8 hosts done"); time.Sleep(100 * time.Millisecond) {
					out = u.run(0, u.bin, "status", u.ticket)
					if time.Since(begin) > 10*time.Second {
						t.Errorf("the seed doesn't know of all:\n%s", out)
						break
					}
				}
				said = fmt.Sprintf("; once it was back the seed knew of all after %.1f s", time.Since(begin).Seconds())
			}
			inTime(t, c.name, f.plain, took, 0, "all receivers%s", said)
			u.over()
		})
	}
}

// TestE2EFaultSeedStopped: receivers come while the seed is stopped: they wait for it.
func TestE2EFaultSeedStopped(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, 4)
	u := f.try(f.path, f.sum, nil)
	u.seed.Signal(syscall.SIGSTOP)
	for _, h := range f.receivers() {
		u.fetch(h)
	}
	time.Sleep(faultTime)
	u.seed.Signal(syscall.SIGCONT)
	inTime(t, "receivers begin while the seed is stopped (SIGSTOP), for 20 s", f.plain, u.slowest(2*time.Minute, f.receivers()...), faultTime, "all receivers, 20 s of it waiting")
	u.over()
}

// TestE2EFaultHalf: half of the receivers are killed, stopped, or cut off one by one, at once.
func TestE2EFaultHalf(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, 9)
	hit, left := []int{1, 2, 3, 4}, []int{5, 6, 7, 8}
	f.fault(t, "killed", func(t *testing.T, u *trial) {
		u.untilReceived(1, faultSize/2)
		lacked := map[int]uint64{}
		for _, h := range hit {
			u.gets[h].Signal(syscall.SIGKILL)
		}
		for _, h := range hit {
			<-u.gets[h].Done()
			lacked[h] = u.lacked(h)
		}
		took := u.slowest(time.Minute, left...)
		again := time.Now()
		for _, h := range hit {
			u.fetch(h)
		}
		rest := u.slowest(2*time.Minute, hit...) - again.Sub(u.begun)
		for _, h := range hit {
			u.frugal(h, lacked[h])
		}
		inTime(t, "half the receivers are killed at once", f.plain, took, 0, "the others; the killed ones, begun anew, had the rest after %.1f s", rest.Seconds())
		u.over()
	})
	for _, c := range []struct {
		name       string
		away, back func(u *trial, h int)
	}{
		{
			"half the receivers are stopped (SIGSTOP) for 20 s",
			func(u *trial, h int) { u.gets[h].Signal(syscall.SIGSTOP) }, func(u *trial, h int) { u.gets[h].Signal(syscall.SIGCONT) },
		},
		{
			"the links of half the receivers are down for 20 s",
			func(u *trial, h int) { u.must(u.host(h).LinkDown()) }, func(u *trial, h int) { u.must(u.host(h).LinkUp()) },
		},
	} {
		f.fault(t, c.name, func(t *testing.T, u *trial) {
			u.untilReceived(1, faultSize/2)
			begin := time.Now()
			for _, h := range hit {
				c.away(u, h)
			}
			took := u.slowest(time.Minute, left...)
			time.Sleep(faultTime - time.Since(begin))
			for _, h := range hit {
				c.back(u, h)
			}
			own := u.slowest(2*time.Minute, hit...)
			inTime(t, c.name, f.plain, took, 0, "the others; those had everything after %.1f s", own.Seconds())
			if limit := f.plain + faultTime + 5*allowance(f.plain); own > limit {
				t.Errorf("those had everything after %s, limit %s", own, limit)
			}
			u.over()
		})
	}
}

// TestE2EFaultRolling has the cores to itself: beside three other labs, all of them kept busy by the processes that begin anew take 1 to 3 s
// more than undisturbed.
func TestE2EFaultRolling(t *testing.T) {
	f := newFaulty(t, 9)
	const file = lab.Scratch + "/ticket"
	f.fault(t, "every node in turn is killed and begun anew", func(t *testing.T, u *trial) {
		u.untilReceived(1, faultSize/8)
		for _, h := range f.receivers() {
			u.kill(h)
			lacked := u.lacked(h)
			u.fetch(h)
			defer u.frugal(h, lacked)
			if h == 4 {
				u.seed.Signal(syscall.SIGKILL)
				<-u.seed.Done()
				u.seed, _ = u.rig.seed(u.path, "--ticket-file", file)
			}
			time.Sleep(500 * time.Millisecond)
		}
		inTime(t, "every node in turn is killed and begun anew, the seed too", f.plain, u.slowest(2*time.Minute, f.receivers()...), 0, "all receivers")
		u.over()
	}, "--ticket-file", file)
}

func TestE2EFaultPartition(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, 8)
	near, far := []int{1, 2, 3}, []int{4, 5, 6, 7}
	f.fault(t, "partition", func(t *testing.T, u *trial) {
		u.untilReceived(4, faultSize/2)
		var cut []*lab.Host
		for _, h := range far {
			cut = append(cut, u.host(h))
		}
		u.must(u.lab.Cut(cut...))
		time.Sleep(faultTime)
		u.goOn(far)
		u.must(u.lab.Heal(cut...))
		healed := time.Since(u.begun)
		took := u.slowest(time.Minute, near...)
		rest := u.slowest(2*time.Minute, far...)
		inTime(t, "a partition into halves for 20 s", f.plain, took, 0, "the seed's half; the other half had everything after %.1f s; nobody was banned", rest.Seconds())
		if limit := f.plain + faultTime + allowance(f.plain); rest > limit || rest < healed {
			t.Errorf("the other half had everything after %s, healed after %s, limit %s", rest, healed, limit)
		}
		for _, h := range f.receivers() {
			if got := u.result(u.gets[h]).Fetched; got > faultSize*105/100 {
				t.Errorf("host %d fetched %.2f copies", h, copies(got, faultSize))
			}
		}
		u.over()
	})
}

// goOn checks that hosts which are cut off from the others have shared out all that any of them had.
func (t *trial) goOn(hosts []int) {
	t.Helper()
	var all *blocks.Bitfield
	held := map[int]*blocks.Bitfield{}
	for _, h := range hosts {
		_, held[h] = t.journal(h, "model.bin")
		if held[h] == nil {
			t.Fatalf("host %d has no journal", h)
		}
		if all == nil {
			all = blocks.NewBitfield(held[h].Len())
		}
		for _, s := range held[h].Spans() {
			all.SetSpan(s)
		}
	}
	for _, h := range hosts {
		if held[h].Count() != all.Count() {
			t.Errorf("host %d has %d blocks of the %d that its half has", h, held[h].Count(), all.Count())
		}
	}
}

// must ends the test where the lab can't do what is asked of it.
func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}
