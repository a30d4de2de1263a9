package e2e

import (
	"syscall"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// TestE2EZones: where hosts say which zone they are in, the file crosses between zones once. Two are on the seed's side, three beyond.
func TestE2EZones(t *testing.T) {
	const size = 32 * mib
	r := newRigOf(t, lab.Config{Hosts: 6, Far: 3, Rate: rate * lab.Mbit})
	path, sum := r.file("model.bin", size)
	_, ticket := r.seed(path, "--zone", "near")
	t.Run("once", func(t *testing.T) {
		r := r.with(t)
		defer r.clear(path)
		away, back := r.crossing(size, ticket, func([]*lab.Proc) {})
		if away > 1.15 || back > 0.1 {
			t.Errorf("%.2f copies crossed, %.2f back", away, back)
		}
		r.sameEverywhere(path, sum, r.receivers()...)
	})
	t.Run("killed", func(t *testing.T) {
		r := r.with(t)
		defer r.clear(path)
		away, _ := r.crossing(size, ticket, func(gets []*lab.Proc) {
			r.untilReceived(4, size/2)
			gets[3].Signal(syscall.SIGKILL)
		})
		if away > 1.15 { // what the killed one had fetched alone crosses again
			t.Errorf("%.2f copies crossed", away)
		}
		r.sameEverywhere(path, sum, 1, 2, 3, 5)
	})
}

// crossing lets all receivers get the file in their zones, does something meanwhile, and tells how many copies crossed. Who was
// killed isn't waited for.
func (r *rig) crossing(size int, ticket string, meanwhile func(gets []*lab.Proc)) (away, back float64) {
	r.Helper()
	a0, b0, err := r.lab.Crossed()
	if err != nil {
		r.Fatal(err)
	}
	var gets []*lab.Proc
	for _, h := range r.receivers() {
		zone := "near"
		if h >= 3 {
			zone = "far"
		}
		gets = append(gets, r.get(h, ticket, "--zone", zone, "--linger", "1s"))
	}
	meanwhile(gets)
	for k, p := range gets {
		if code := r.wait(p, time.Minute); code != 0 && code != -1 {
			r.Errorf("host %d: exit %d: %s", k+1, code, p.Err)
		}
	}
	a1, b1, err := r.lab.Crossed()
	if err != nil {
		r.Fatal(err)
	}
	away, back = copies(a1-a0, size), copies(b1-b0, size)
	r.Logf("%.3f copies crossed, %.3f back", away, back)
	return away, back
}

// untilReceived waits until a host has received so many bytes more.
func (r *rig) untilReceived(host int, n uint64) {
	r.Helper()
	begin, err := r.host(host).Received()
	if err != nil {
		r.Fatal(err)
	}
	r.until("half of it", time.Minute, func() bool {
		now, err := r.host(host).Received()
		return err == nil && now-begin > n
	})
}
