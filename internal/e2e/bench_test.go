package e2e

import (
	"fmt"
	"io"
	"math/bits"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// copyEnv makes the test binary one side of a plain TCP copy: "recv LISTEN" or "send ADDRESS BYTES".
const copyEnv = "P2PCP_E2E_COPY"

// plainCopy is the yardstick: one connection, no protocol. The receiver prints bytes per second.
func plainCopy(spec string) error {
	f := strings.Fields(spec)
	if f[0] == "recv" {
		l, err := net.Listen("tcp", f[1])
		if err != nil {
			return err
		}
		c, err := l.Accept()
		if err != nil {
			return err
		}
		begin := time.Now()
		n, err := io.Copy(io.Discard, c)
		fmt.Printf("%.0f\n", float64(n)/time.Since(begin).Seconds())
		return err
	}
	c, err := net.Dial("tcp", f[1])
	if err != nil {
		return err
	}
	defer c.Close()
	var n int64
	if _, err := fmt.Sscan(f[2], &n); err != nil {
		return err
	}
	_, err = io.CopyN(c, zeros{}, n)
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// goodput is what one plain TCP copy from host 0 to host 1 brings, in bytes per second.
func (r *rig) goodput(n int) float64 {
	r.Helper()
	self, err := os.Executable()
	if err != nil {
		r.Fatal(err)
	}
	recv := r.start(1, "env", copyEnv+"=recv :7601", self)
	r.until("the yardstick's listener", 10*time.Second, func() bool {
		out, _ := r.host(1).Command(r.ctx, "ss", "-Hltn", "sport", "=", ":7601").Output()
		return len(out) > 0
	})
	r.run(0, "env", fmt.Sprintf("%s=send %s:7601 %d", copyEnv, r.host(1).Addr(), n), self)
	if code := r.wait(recv, time.Minute); code != 0 {
		r.Fatalf("plain copy: %s", recv.err)
	}
	var u float64
	if _, err := fmt.Sscan(recv.out.String(), &u); err != nil {
		r.Fatal(err)
	}
	return u
}

// limit is the least time in which anybody can bring size bytes to n receivers over links of u bytes a second, in blocks of 1 MiB
// (Mundinger, Weber, Weiss: (F/u)(1 + floor(log2 N)/B)).
func limit(size int, u float64, n int) float64 {
	blocks := float64(size) / mib
	return float64(size) / u * (1 + float64(bits.Len(uint(n))-1)/blocks)
}

// TestBench is `make bench`: the time for 8 receivers against the limit.
func TestBench(t *testing.T) {
	if os.Getenv("P2PCP_BENCH") != "1" {
		t.Skip("P2PCP_BENCH is not set: run make bench as root")
	}
	const size, runs = 256 * mib, 3
	r := newRig(t, 9, rate)
	u := r.goodput(128 * mib)
	best := limit(size, u, 8)
	t.Logf("plain TCP copy %.1f MB/s, limit %.2f s", u/1e6, best)
	path, sum := r.file("model.bin", size)
	var ratios, egress []float64
	for range runs {
		seed, ticket := r.seed(path)
		var last, begin time.Time
		sent := r.sent(func() {
			begin = time.Now()
			var all []*proc
			for _, h := range r.receivers() {
				all = append(all, r.get(h, ticket))
			}
			for _, p := range all {
				if code := r.wait(p, 2*time.Minute); code != 0 {
					t.Fatalf("exit %d: %s", code, p.err)
				}
				if p.out.first.After(last) {
					last = p.out.first
				}
			}
		})
		ratios = append(ratios, last.Sub(begin).Seconds()/best)
		egress = append(egress, copies(sent[0], size))
		t.Logf("makespan %.2f s, %.3f of the limit, seed egress %.3f copies", last.Sub(begin).Seconds(), ratios[len(ratios)-1], egress[len(egress)-1])
		r.sameEverywhere(path, sum, r.receivers()...)
		r.clear(path)
		r.end(seed)
	}
	slices.Sort(ratios)
	slices.Sort(egress)
	fmt.Printf("8 receivers, %d MiB, %d Mbit/s: %.3f of the limit, seed egress %.3f copies (medians of %d)\n",
		size/mib, rate, ratios[runs/2], egress[runs/2], runs)
}
