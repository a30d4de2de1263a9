package blocks

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// bare returns the Tree of a file of n Blocks with made-up level 0 nodes: as large as one likes, and nothing to hash.
func bare(n int) *Tree {
	t := NewTree(Root{}, uint64(n)<<14, 1<<14)
	row := make([]CV, n)
	rng := rand.NewChaCha8([32]byte{byte(n)})
	for i := range row {
		rng.Read(row[i][:])
	}
	rows := [][]CV{row}
	for level := range t.top() {
		rows = append(rows, foldRow(rows[level], level+1 == t.top()))
	}
	t.root = Root(rows[t.top()][0])
	for level, row := range rows[:t.top()] {
		for i := range row {
			t.keep(level, uint32(i), &row[i])
		}
	}
	return t
}

// fresh is a Tree of the same file that knows only the Root.
func (t *Tree) fresh() *Tree { return NewTree(t.root, t.size, t.blockSize) }

func TestMissingLeadsToACompleteTree(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{1, 2, 3, 5, 64, 2047, 2048, 2049, 4096, 4097, 5000, 3*2048 + 1, 10_001} {
		full := bare(n)
		for _, known := range []int{0, 1, n / 3} {
			r := full.fresh()
			for range known {
				for _, p := range full.PathNodes(rng.Uint32N(uint32(n))) {
					for i := range p.Count {
						cv, _ := full.node(int(p.Level), p.First+i)
						r.keep(int(p.Level), p.First+i, &cv)
					}
				}
			}
			ranges, nodes := r.Missing(), uint32(0)
			for _, m := range ranges {
				cvs, ok := full.Nodes(m.Level, m.First, m.Count)
				if !ok {
					t.Fatalf("%d blocks: a full tree can't answer %+v", n, m)
				}
				if err := r.AddNodes(m.Level, m.First, cvs); err != nil {
					t.Fatalf("%d blocks: %+v: %v", n, m, err)
				}
				nodes += m.Count
			}
			if !r.Complete() || r.Missing() != nil || !bytes.Equal(dumpOf(t, r), dumpOf(t, full)) {
				t.Fatalf("%d blocks: not complete after %d ranges", n, len(ranges))
			}
			if limit := n + n/1024 + 2; int(nodes) > limit || len(ranges) > 2+n/MaxNodes {
				t.Errorf("%d blocks: %d nodes in %d ranges", n, nodes, len(ranges))
			}
			r.checkInvariants(t)
		}
	}
}

func TestMissingOfTheLargestFile(t *testing.T) {
	r := NewTree(Root{}, MaxBlocks<<14, 1<<14)
	ranges, next := r.Missing(), uint32(0)
	for _, m := range ranges {
		if m.Count > MaxNodes {
			t.Fatalf("%+v", m)
		}
		if m.Level == 0 {
			if m.First != next {
				t.Fatalf("a gap before %+v", m)
			}
			next += m.Count
		}
	}
	if next != MaxBlocks || ranges[0] != (NodeRange{Level: 22, Count: 4}) {
		t.Errorf("%d of %d nodes, first %+v", next, MaxBlocks, ranges[0])
	}
}

func TestNodesRefuses(t *testing.T) {
	full := bare(5000)
	part := full.fresh()
	left, _ := full.Nodes(12, 0, 2)
	if err := part.AddNodes(12, 0, left); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tree         *Tree
		level        uint8
		first, count uint32
		ok           bool
	}{
		{full, 0, 0, MaxNodes, true},
		{full, 0, 0, MaxNodes + 1, false},
		{full, 0, 4999, 1, true},
		{full, 0, 4999, 2, false},
		{full, 0, ^uint32(0), 2, false},
		{full, 0, 0, 0, false},
		{full, 13, 0, 1, true},
		{full, 14, 0, 1, false},
		{full, 255, 0, 1, false},
		{part, 12, 0, 2, true},
		{part, 11, 0, 1, false},
		{part, 0, 0, 1, false},
		{NewTree(Root{}, 0, 1<<14), 0, 0, 1, true},
	} {
		cvs, ok := c.tree.Nodes(c.level, c.first, c.count)
		if ok != c.ok || ok && uint32(len(cvs)) != c.count {
			t.Errorf("Nodes(%d, %d, %d) = %d nodes, %v", c.level, c.first, c.count, len(cvs), ok)
		}
	}
}

func TestAddNodesRefusesAndKeepsNothing(t *testing.T) {
	full := bare(21)
	all, _ := full.Nodes(0, 0, 21)
	two, _ := full.Nodes(2, 0, 6)
	wrong := slices.Clone(all)
	wrong[20][31] ^= 1
	for name, c := range map[string]struct {
		level uint8
		first uint32
		cvs   []CV
	}{
		"a flipped bit":             {0, 0, wrong},
		"two nodes exchanged":       {2, 0, append([]CV{two[1], two[0]}, two[2:]...)},
		"one node too few":          {0, 0, all[:20]},
		"one node too many":         {0, 0, append(slices.Clone(all), CV{})},
		"nothing":                   {0, 0, nil},
		"no such level":             {6, 0, all[:1]},
		"another level":             {1, 0, all[:11]},
		"below a node not verified": {0, 0, all[:4]},
		"not below one node":        {0, 2, all[2:6]},
		"a wrong top":               {5, 0, all[:1]},
		"too many":                  {0, 0, make([]CV, MaxNodes+1)},
		"an end beyond uint32":      {0, ^uint32(0), all},
	} {
		r := full.fresh()
		if err := r.AddNodes(c.level, c.first, c.cvs); !errors.Is(err, ErrBadBlock) {
			t.Errorf("%s: %v", name, err)
		}
		if len(bytes.Trim(dumpOf(t, r), "\x00")) != 0 {
			t.Errorf("%s: nodes were kept", name)
		}
	}
}

func TestAddNodesBelowVerifiedOnes(t *testing.T) {
	full := bare(21)
	r := full.fresh()
	for _, step := range []NodeRange{{5, 0, 1}, {2, 0, 6}, {0, 20, 1}, {1, 8, 2}, {0, 16, 4}, {0, 0, 4}, {0, 16, 5}, {1, 2, 2}} {
		cvs, _ := full.Nodes(step.Level, step.First, step.Count)
		if err := r.AddNodes(step.Level, step.First, cvs); err != nil {
			t.Fatalf("%+v: %v", step, err)
		}
		got, ok := r.Nodes(step.Level, step.First, step.Count)
		if !ok || !slices.Equal(got, cvs) {
			t.Fatalf("%+v wasn't kept", step)
		}
		r.checkInvariants(t)
	}
	if _, ok := r.Nodes(0, 4, 1); ok {
		t.Error("a node is known that was never added")
	}
}
