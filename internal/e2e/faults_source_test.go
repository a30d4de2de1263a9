package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// sourceFaults are what happens to the original, FILE, while it is seeded.
var sourceFaults = []struct{ name, script string }{
	{"the source changes while it is seeded", "dd if=/dev/zero of=FILE bs=1M seek=20 count=2 conv=notrunc status=none"},
	{"the source shrinks while it is seeded", "truncate -s 16M FILE"},
	{"the source is replaced while it is seeded", "head -c 32M /dev/zero >other && mv other FILE"},
	{"the source is deleted while it is seeded", "rm FILE"},
}

// TestE2EFaultSource: who can't get everything any more learns it within 8 s, nobody is banned for it, and the seed names the file. Who
// comes once others hold everything gets it from them.
func TestE2EFaultSource(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4, netRate)
	for _, c := range sourceFaults {
		t.Run(c.name, func(t *testing.T) {
			r := r.with(t)
			path, sum := r.file("model.bin", netSize)
			spoil := func() { r.run(0, "sh", "-ec", strings.ReplaceAll(c.script, "FILE", path)) }

			u := r.try(path, sum, r.receivers())
			r.untilReceived(1, netSize/4)
			begin := time.Now()
			spoil()
			for h, p := range u.gets {
				if code := r.wait(p, 30*time.Second); code != 6 || !strings.Contains(p.Err.String(), "withdrawn") {
					t.Errorf("host %d: exit %d: %s", h, code, p.Err)
				}
				mustTrust(t, p.Err.String())
				if lacked := r.lacked(h); lacked > netSize*9/10 {
					t.Errorf("host %d kept only what leaves %d bytes lacking", h, lacked)
				}
			}
			took := time.Since(begin)
			if row := u.ledger(1); row.State != "failed" || row.Code != 6 || !strings.Contains(row.Note, "withdrawn") {
				t.Errorf("the ledger says %+v", row)
			}
			u.names(path)
			survived(t, c.name, 0, 0, "all receivers ended with exit 6 %.1f s later, the partial kept, nobody banned; the seed named the file and ended with exit 7", took.Seconds())
			if took > 8*time.Second {
				t.Errorf("the last receiver ended after %s", took)
			}

			// The same once three hosts hold everything: one that comes then gets it from them.
			r.file("model.bin", netSize)
			u = r.try(path, sum, []int{1, 2})
			u.slowest(time.Minute, 1, 2)
			spoil()
			u.fetch(3)
			begin = time.Now()
			u.slowest(time.Minute, 3)
			survived(t, c.name+", once others hold it", 0, 0, "a late receiver had it from them in %.1f s", time.Since(begin).Seconds())
			for _, h := range []int{1, 2, 3} {
				r.sameEverywhere(path, sum, h)
			}
			u.quit() // it may never have been asked for anything, and know of nothing
		})
	}
}

// names ends a trial whose seed must name the file that changed.
func (t *trial) names(path string) {
	t.Helper()
	t.seed.Signal(syscall.SIGINT)
	if code := t.wait(t.seed, 5*time.Second); code != 7 || !strings.Contains(t.seed.Err.String(), path+" changed while it was seeded") {
		t.Errorf("the seed: exit %d: %s", code, t.seed.Err)
	}
	t.quit()
}
