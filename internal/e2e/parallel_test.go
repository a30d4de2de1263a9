package e2e

import (
	"strings"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// TestE2EParallel: eight at once cost the seed about one copy, and every receiver sends too.
func TestE2EParallel(t *testing.T) {
	r := newRig(t, 9, rate)
	const size = 64 * mib
	path, sum := r.file("model.bin", size)
	seed, ticket := r.seed(path, "--expect", "8", "--for", "2m")
	begin := time.Now()
	egress := r.sent(func() {
		var all []*lab.Proc
		for _, h := range r.receivers() {
			all = append(all, r.get(h, ticket, "--json"))
		}
		for i, p := range all {
			if code := r.wait(p, time.Minute); code != 0 {
				t.Errorf("host %d: exit %d: %s", i+1, code, p.Err)
			}
		}
	})
	t.Logf("%.2f s, seed egress %.3f copies", time.Since(begin).Seconds(), copies(egress[0], size))
	if c := copies(egress[0], size); c > 1.5 {
		t.Errorf("the seed sent %.2f copies", c)
	}
	for _, h := range r.receivers() {
		if c := copies(egress[h], size); c < 0.2 {
			t.Errorf("host %d sent only %.2f copies", h, c)
		}
	}
	r.sameEverywhere(path, sum, r.receivers()...)
	if code := r.wait(seed, 10*time.Second); code != 0 {
		t.Errorf("seed --expect: exit %d: %s", code, seed.Err)
	}
	if n := strings.Count(seed.Err.String(), "8/8 hosts done"); n == 0 {
		t.Errorf("the seed's final table doesn't count 8 hosts:\n%s", seed.Err)
	}
}
