package main

import "time"

// bound is what a figure must not exceed, and what it aims at.
type bound struct {
	figure    string
	must, aim float64
}

// experiment is a named case with its bounds.
type experiment struct {
	name string
	course
	bounds []bound
	tools  []string // that take turns; nil: p2pcp
	runs   int      // 0: 3
}

// course is what has to be done on which links.
type course struct {
	receivers int
	mbit      int // of each link, each way; 0: no limit
	mib       int // size of the file

	seedMbit int           // of the seed's link, if it is another
	slowMbit int           // of the last receiver's link, if it is another
	apart    time.Duration // between the starts
	fanout   int           // so many gets run at a time; 0: all
	kill     bool          // half of the receivers are killed when the file is half there
	args     []string      // of each get
	seedArgs []string      // of seed
	hashing  bool          // no receivers: the time until the seed's ticket
	zones    zoned
}

func egress(must, aim float64) bound { return bound{"seed copies", must, aim} }

// small are the bounds of what every case has little of.
var small = []bound{{"waste", 0.01, 0.003}, {"control", 0.005, 0.001}, {"peak MiB", 128, 64}}

// with is small and more, for the plain cases.
func with(more ...bound) []bound {
	more = append(more, egress(1.10, 1.04), bound{"p95/p50", 1.05, 1.02})
	return append(more, small...)
}

// also is small and more.
func also(more ...bound) []bound { return append(more, small...) }

// CPU s/GiB that others took where the bounds of ours were set: another machine has other seconds, and about the same quotients.
const (
	nginxCPU = 0.65 // with curl, one to one, not hashed
	aria2CPU = 2.9  // 8 receivers at 200 Mbit/s
)

// quickCase is for a look.
var quickCase = experiment{
	name: "quick", course: course{receivers: 8, mbit: 200, mib: 64}, bounds: with(bound{"ratio", 1.05, 1.02}), runs: 1,
}

var experiments = []experiment{
	{name: "8x200", course: course{receivers: 8, mbit: 200, mib: 256}, bounds: with(bound{"ratio", 1.05, 1.02}, bound{"cpu s/GiB", 5, 3})},
	{name: "16x100", course: course{receivers: 16, mbit: 100, mib: 128}, bounds: with(bound{"ratio", 1.07, 1.03})},
	{name: "16x200", course: course{receivers: 16, mbit: 200, mib: 256}, bounds: with(bound{"ratio", 1.12, 1.04})},
	{name: "32x50", course: course{receivers: 32, mbit: 50, mib: 64}, bounds: with(bound{"ratio", 1.15, 1.06})},
	{
		name: "16x100 slow seed", course: course{receivers: 16, mbit: 100, mib: 128, seedMbit: 25},
		bounds: with(bound{"ratio", 1.08, 1.03}),
	},
	{
		name: "16x100 slow receiver", course: course{receivers: 16, mbit: 100, mib: 128, slowMbit: 10},
		bounds: also(bound{"others' p95/limit", 1.25, 1.10}),
	},
	{
		name: "16x100 apart", course: course{receivers: 16, mbit: 100, mib: 128, apart: 500 * time.Millisecond},
		bounds: also(bound{"last own/limit", 1.12, 1.05}, egress(1.3, 1.15)),
	},
	{
		name: "16x100 killed", course: course{receivers: 16, mbit: 100, mib: 128, kill: true},
		bounds: also(bound{"ratio", 1.20, 1.10}),
	},
	{
		name: "64x200 fan-out 8, -d", course: course{receivers: 64, mbit: 200, mib: 64, fanout: 8, args: []string{"-d"}},
		bounds: also(egress(2.0, 1.5)),
	},
	{
		name: "64x200 fan-out 8", course: course{receivers: 64, mbit: 200, mib: 64, fanout: 8},
		bounds: also(egress(1000, 3)),
	},
	{
		name: "2 zones of 8x100", course: course{receivers: 16, mbit: 100, mib: 128, zones: true},
		bounds: with(bound{"crossed", 1.10, 1.02}, bound{"ratio", 1.35, 1.2}),
	},
	{name: "16x200 1 MiB", course: course{receivers: 16, mbit: 200, mib: 1}, bounds: also(bound{"makespan", 0.25, 0.15})},

	blocks("64 KiB", "65536"), blocks("128 KiB", "131072"), blocks("256 KiB", "262144"), blocks("512 KiB", "524288"), blocks("1 MiB", "1048576"),
	blocks("2 MiB", "2097152"),

	{
		name: "peers shaped", course: course{receivers: 8, mbit: 200, mib: 256},
		bounds: []bound{{"cpu of aria2", 5 / aria2CPU, 3 / aria2CPU}},
		tools:  []string{"p2pcp", "libtorrent", "aria2", "nginx+curl", "rsync"},
	},
	{
		name: "peers unshaped", course: course{receivers: 8, mib: 256}, bounds: also(bound{"of libtorrent", 0.5, 0.333}, bound{"of aria2", 0.5, 0.333}),
		tools: []string{"p2pcp", "libtorrent", "aria2", "nginx+curl", "rsync"},
	},
	{
		name: "one to one", course: course{receivers: 1, mib: 2048}, runs: 5,
		bounds: also(bound{"cpu s/GiB", 1.1, 0.85}, bound{"cpu of nginx+curl", 1.1 / nginxCPU, 0.85 / nginxCPU},
			bound{"cpu of bare copy", 1.25, 1.1}, bound{"of nginx+curl+b3sum", 1, 1}, bound{"of nginx+curl", 100, 1}),
		tools: []string{"p2pcp", "bare copy", "nginx+curl", "nginx+curl+b3sum", "rsync"},
	},
	{
		name: "ticket", course: course{mib: 4096, hashing: true}, runs: 5,
		bounds: []bound{{"of b3sum", 1 / 0.75, 1 / 0.9}, {"peak MiB", 128, 64}},
		tools:  []string{"p2pcp", "b3sum"},
	},
}

// blocks is 8 receivers with Blocks of another size.
func blocks(name, size string) experiment {
	return experiment{
		name: "blocks of " + name, runs: 2,
		course: course{receivers: 8, mbit: 200, mib: 256, seedArgs: []string{"--block-size", size}},
	}
}
