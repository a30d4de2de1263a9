package cmd

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestFoldHosts(t *testing.T) {
	for hosts, want := range map[string]string{
		"":                           "",
		"node1":                      "node1",
		"node001 node002 node003":    "node[001-003]",
		"node3 node1 node2 node7":    "node[1-3,7]",
		"node9 node10 node11":        "node[9-11]",
		"node09 node10":              "node[09-10]",
		"node9 node09":               "node[9,09]",
		"node099 node100":            "node[099-100]",
		"node999 node1000":           "node[999-1000]",
		"a1.rack1 a2.rack1 a1.rack2": "a1.rack2,a[1-2].rack1",
		"rack1-n1 rack1-n2 rack2-n1": "rack1-n[1-2],rack2-n1",
		"seed alpha seed":            "alpha,seed",
		"n1 n1 n1":                   "n1",
		"n1-ib n2-ib":                "n[1-2]-ib",
		"odd[1] n1":                  "n1,odd[1]",
		"n\x1b1 n2":                  `"n\x1b1",n2`,
		"x12345678901234567890 x1":   "x1,x12345678901234567890",
		"10.0.0.1 10.0.0.2":          "10.0.0.1,10.0.0.2",
	} {
		if got := foldHosts(strings.Fields(hosts)); got != want {
			t.Errorf("foldHosts(%q) = %s, want %s", hosts, got, want)
		}
	}
}

// unfold is the dumb reverse of foldHosts for names without commas.
func unfold(t *testing.T, s string) []string {
	var out []string
	for s != "" {
		end, depth := 0, 0
		for end < len(s) && (s[end] != ',' || depth > 0) {
			switch s[end] {
			case '[':
				depth++
			case ']':
				depth--
			}
			end++
		}
		part := s[:end]
		s = strings.TrimPrefix(s[end:], ",")
		before, rest, folded := strings.Cut(part, "[")
		if !folded {
			out = append(out, part)
			continue
		}
		list, after, _ := strings.Cut(rest, "]")
		for _, run := range strings.Split(list, ",") {
			from, to, isRun := strings.Cut(run, "-")
			if !isRun {
				to = from
			}
			first, err1 := strconv.Atoi(from)
			last, err2 := strconv.Atoi(to)
			if err1 != nil || err2 != nil || first > last {
				t.Fatalf("bad run %q", run)
			}
			for i := first; i <= last; i++ {
				out = append(out, fmt.Sprintf("%s%0*d%s", before, len(from), i, after))
			}
		}
	}
	return out
}

func TestFoldHostsKeepsEveryName(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var hosts []string
		for range r.IntN(60) {
			width := 1 + r.IntN(4)
			hosts = append(hosts, fmt.Sprintf("%c%0*d%s", 'a'+rune(r.IntN(2)), width, r.IntN(130), []string{"", ".x"}[r.IntN(2)]))
		}
		folded := foldHosts(hosts)
		got := unfold(t, folded)
		slices.Sort(got)
		slices.Sort(hosts)
		if want := slices.Compact(hosts); !slices.Equal(got, want) {
			t.Fatalf("%s\nstands for %v\nwant       %v", folded, got, want)
		}
	}
}
