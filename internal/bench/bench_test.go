package main

import (
	"crypto/sha1"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestResultsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance", "results.json")
	r, err := loadResults(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, tool string, ratio float64) {
		r.put(row{Case: name, Tool: tool, Version: "v", Date: time.Unix(1, 0).UTC(), Runs: []record{
			{Figures: outcome{"ratio": ratio}, Ends: []float64{1, 2.5}, Bytes: [][2]float64{{0, 0}, {1, 3}}}, {Figures: outcome{"ratio": 9}},
		}})
	}
	put("32x50", "p2pcp", 1.3)
	put("8x200", "p2pcp", 1.1)
	if err := r.save(path); err != nil {
		t.Fatal(err)
	}
	if r, err = loadResults(path); err != nil {
		t.Fatal(err)
	}
	put("8x200", "p2pcp", 1.02) // a partial run
	if err := r.save(path); err != nil {
		t.Fatal(err)
	}
	if r, err = loadResults(path); err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 2 || r.Rows[0].Case != "8x200" || r.Rows[1].Case != "32x50" {
		t.Fatalf("%+v", r.Rows)
	}
	got := r.row("8x200", "p2pcp")
	if got.Runs[0].Figures["ratio"] != 1.02 || !slices.Equal(got.Runs[0].Ends, []float64{1, 2.5}) || len(got.Runs) != 2 || got.Version != "v" {
		t.Errorf("%+v", got)
	}
	if old := r.row("32x50", "p2pcp"); old.Runs[0].Figures["ratio"] != 1.3 || old.medians()["ratio"] != 5.15 {
		t.Errorf("%+v", old)
	}
	if r.row("8x200", "rsync") != nil {
		t.Error("a row of what wasn't measured")
	}
}

func TestFillReplacesTablesAlone(t *testing.T) {
	page := "by hand\n<!-- table a: make bench writes it -->\nold\n<!-- end -->\nmore\n<!-- table b: make bench writes it -->\n<!-- end -->\n"
	want := "by hand\n<!-- table a: make bench writes it -->\nnew\n<!-- end -->\nmore\n<!-- table b: make bench writes it -->\nx\n<!-- end -->\n"
	for range 2 {
		var err error
		if page, err = fill(page, map[string]string{"a": "new\n", "b": "x\n"}); err != nil || page != want {
			t.Fatalf("%v:\n%s", err, page)
		}
	}
	if _, err := fill(page, map[string]string{"c": ""}); err == nil {
		t.Error("a table without a place is dropped")
	}
}

// The page in the repository has a place for each table, and shows each picture that there can be.
func TestPageHasAllPlaces(t *testing.T) {
	page, err := os.ReadFile("../../" + pageFile)
	if err != nil {
		t.Fatal(err)
	}
	r := results{}
	for _, e := range experiments {
		for _, tool := range append([]string{"p2pcp"}, e.tools...) {
			run := record{Figures: outcome{"makespan": 2, "limit": 1, "ratio": 2}, Ends: []float64{1, 2}, Bytes: [][2]float64{{0, 0}, {2, 2}}}
			r.put(row{Case: e.name, Tool: tool, Runs: []record{run}})
		}
	}
	if _, err := fill(string(page), r.tables(nil)); err != nil {
		t.Error(err)
	}
	for name := range r.pictures([]simulated{{Case: plainSim, Receivers: 16, Blocks: 256, KiB: 128, Ratio: 1.1, Copies: 1}}) {
		if !strings.Contains(string(page), "(performance/"+name+".svg)") {
			t.Errorf("%s.svg isn't shown", name)
		}
	}
}

func TestSimulatedRunsAreGrouped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sim.jsonl")
	lines := `{"case":"flash","receivers":64,"blocks":1024,"block_kib":128,"seed":1,"ratio":1.5,"copies":1.1,"share":0.002,"sessions":20,"state":2048}
{"case":"flash","receivers":16,"blocks":1024,"block_kib":128,"seed":1,"ratio":1.25,"copies":1,"share":0.001,"sessions":16,"state":1024}
{"case":"flash","receivers":16,"blocks":1024,"block_kib":128,"seed":2,"ratio":1.75,"copies":2,"share":0.001,"sessions":16,"state":1024}
{"case":"slowseed","receivers":16,"blocks":1024,"block_kib":128,"seed":1,"ratio":5,"copies":1,"share":0.001,"sessions":16,"state":1024}
`
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := loadSimulated(path)
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(simTable(all), "---|\n")
	want := `| all at once | 16 | 1024 of 128 KiB | 1.500 (1.750) | 1.500 | 0.0010 | 16 | 1 |
| all at once | 64 | 1024 of 128 KiB | 1.500 | 1.100 | 0.0020 | 20 | 2 |
| the seed's link a quarter, of its own limit | 16 | 1024 of 128 KiB | 1.250 | 1.000 | 0.0010 | 16 | 1 |
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if none, err := loadSimulated(path + "x"); none != nil || err != nil {
		t.Error(none, err)
	}
}

func TestEveryToolOfACaseIsKnown(t *testing.T) {
	names := map[string]bool{}
	for _, e := range experiments {
		if names[e.name] {
			t.Errorf("two cases are called %s", e.name)
		}
		names[e.name] = true
		for _, tool := range e.tools {
			if _, ok := others[tool]; !ok && tool != "p2pcp" {
				t.Errorf("%s: no tool %s", e.name, tool)
			}
		}
	}
}

func TestTorrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.bin")
	content := slices.Repeat([]byte{1, 2, 3, 4}, pieceSize/4+1)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := torrentOf(path, "http://t/a")
	if err != nil {
		t.Fatal(err)
	}
	one, two := sha1.Sum(content[:pieceSize]), sha1.Sum(content[pieceSize:])
	want := "d8:announce10:http://t/a4:infod6:lengthi1048580e4:name5:x.bin12:piece lengthi1048576e6:pieces40:" + string(one[:]) + string(two[:]) + "ee"
	if string(got) != want {
		t.Errorf("%q", got)
	}
}

func TestQuantiles(t *testing.T) {
	xs := []float64{5, 1, 4, 2, 3}
	if median(xs) != 3 || median(xs[:4]) != 3 || quantile(xs, .95) != 5 || quantile(xs, .5) != 3 || quantile(xs, 0) != 1 {
		t.Error(median(xs), median(xs[:4]), quantile(xs, .95), quantile(xs, .5), quantile(xs, 0))
	}
}

func TestClosingMessage(t *testing.T) {
	out := `{"message_type":"result","bytes":5}
{"message_type":"status","received":1,"sent":2,"control":3}
{"message_type":"status","outcome":"finished","received":10,"sent":20,"control":30,"from_seed":4}
`
	if m, err := closing(out); err != nil || m != (closingMessage{Received: 10, Sent: 20, Control: 30, FromSeed: 4}) {
		t.Error(m, err)
	}
}
