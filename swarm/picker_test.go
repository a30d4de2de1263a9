package swarm

import (
	"math/rand/v2"
	"testing"

	"p2pcp/blocks"
)

// dumbPick lists what from may return: the members of the lowest rank that held has.
func dumbPick(p *picker, held []uint64) map[blocks.Index]bool {
	lowest, best := maxRank, map[blocks.Index]bool{}
	for n := range uint32(len(p.order)) {
		i := blocks.Index(n)
		if !p.has(i) || (held != nil && held[i/64]>>(i%64)&1 == 0) {
			continue
		}
		switch r := clampRank(p.rows[i].rank); {
		case r < lowest:
			lowest, best = r, map[blocks.Index]bool{i: true}
		case r == lowest:
			best[i] = true
		}
	}
	return best
}

func TestPickerAgreesWithADumbOne(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 1 + rng.Uint32N(400)
		p := newPicker(n, rng)
		held := make([]uint64, (n+63)/64)
		fill := rng.Uint64() // how full held is
		for w := range held {
			held[w] = rng.Uint64() & (rng.Uint64() | fill)
		}
		if r := n % 64; r != 0 {
			held[len(held)-1] &= 1<<r - 1
		}
		for range 300 {
			i := blocks.Index(rng.Uint32N(n))
			switch rng.IntN(3) {
			case 0:
				p.set(i, rng.IntN(3) > 0)
			case 1:
				p.setRank(i, uint16(rng.IntN(70)))
			default:
				p.setRank(i, p.rows[i].rank+1)
			}
			if err := checkPicker(&p); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			want := dumbPick(&p, held)
			if got, ok := p.from(held, p.common(held)); ok != (len(want) > 0) || (ok && !want[got]) {
				t.Fatalf("seed %d: picked %d, %v, want one of %v", seed, got, ok, want)
			}
			want = dumbPick(&p, nil)
			if got, ok := p.any(); ok != (len(want) > 0) || (ok && !want[got]) {
				t.Fatalf("seed %d: any picked %d, %v, want one of %v", seed, got, ok, want)
			}
		}
	}
}

func TestPickerBreaksTiesEvenly(t *testing.T) {
	const n, picks = 200, 40000
	for _, share := range []uint32{1, 10} { // one in share is held: probed, and scanned
		rng := rand.New(rand.NewPCG(5, uint64(share)))
		p := newPicker(n, rng)
		held := make([]uint64, (n+63)/64)
		for i := range blocks.Index(n) {
			p.setRank(i, 2)
			p.set(i, true)
			if uint32(i)%share == 0 {
				held[i/64] |= 1 << (i % 64)
			}
		}
		count := map[blocks.Index]int{}
		for range picks {
			i, _ := p.from(held, n/share)
			count[i]++
		}
		mean := picks * int(share) / n
		for i := range blocks.Index(n) {
			if c := count[i]; uint32(i)%share == 0 && (c < mean/2 || c > mean*2) {
				t.Errorf("one in %d: block %d picked %d times, mean %d", share, i, c, mean)
			}
		}
	}
}

// benchPicker is 100,000 Blocks over 64 peers, each holding a share of them.
func benchPicker(share float64) (picker, [][]uint64, []uint32) {
	const n, peers = 100_000, 64
	rng := rand.New(rand.NewPCG(1, 2))
	p := newPicker(n, rng)
	held := make([][]uint64, peers)
	for k := range held {
		held[k] = make([]uint64, (n+63)/64)
	}
	for i := range blocks.Index(n) {
		copies := uint16(0)
		for k := range held {
			if rng.Float64() < share {
				held[k][i/64] |= 1 << (i % 64)
				copies++
			}
		}
		p.setRank(i, copies)
		p.set(i, copies > 0)
	}
	common := make([]uint32, peers)
	for k := range held {
		common[k] = p.common(held[k])
	}
	return p, held, common
}

// BenchmarkPick is a whole turn of a Block: picked, taken out, put back, a HAVE for it and one taken back.
func BenchmarkPick(b *testing.B) {
	for _, c := range []struct {
		name  string
		share float64
	}{{"one in 1000", 0.001}, {"one in 20", 0.05}, {"half", 0.5}, {"all but a few", 0.98}} {
		b.Run(c.name, func(b *testing.B) {
			p, held, common := benchPicker(c.share)
			b.ReportAllocs()
			k := 0
			for b.Loop() {
				k = (k + 1) % len(held)
				i, ok := p.from(held[k], common[k])
				if !ok {
					b.Fatal("nothing picked")
				}
				p.set(i, false)
				p.set(i, true)
				r := p.rows[i].rank
				p.setRank(i, r+1)
				p.setRank(i, r)
			}
		})
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	p, held, common := benchPicker(0.3)
	k := 0
	if n := testing.AllocsPerRun(200, func() {
		k = (k + 1) % len(held)
		i, _ := p.from(held[k], common[k])
		p.set(i, false)
		p.set(i, true)
	}); n > 0 {
		t.Errorf("%.1f allocations a pick", n)
	}
}
