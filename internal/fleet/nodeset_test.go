package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	for set, want := range map[string]string{
		"":                             "",
		" , ,":                         "",
		"node1":                        "node1",
		"b,a b\ta":                     "b a",
		"node[1-3]":                    "node1 node2 node3",
		"node[01-03,7]":                "node01 node02 node03 node7",
		"node[098-101]":                "node098 node099 node100 node101",
		"n[9-11],gpu[1-2,4]x":          "n9 n10 n11 gpu1x gpu2x gpu4x",
		"r[1-2]n[1-2]":                 "r1n1 r1n2 r2n1 r2n2",
		"n[0-8/4]":                     "n0 n4 n8",
		"n[1,1,1]":                     "n1",
		"root@n[1-2].x.org:22":         "root@n1.x.org:22 root@n2.x.org:22",
		"[fd00::1]:22,u@[fd00::2]":     "[fd00::1]:22 u@[fd00::2]",
		"fd00::1":                      "fd00::1",
		"n[000000000-000000001]":       "n000000000 n000000001",
		"ssh://root@node[1-2]:2222":    "ssh://root@node1:2222 ssh://root@node2:2222",
		"n[999999998-999999999]":       "n999999998 n999999999",
		"n[0-999999999/999999999],end": "n0 n999999999 end",
	} {
		got, err := Expand(set)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v, want %s", set, got, err, want)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	for _, set := range []string{
		"n[", "n]", "n[1", "n[1]]", "n[[1]]", "n[]", "n[,]", "n[a]", "n[1-]", "n[-1]", "n[3-1]", "n[1-3/0]", "n[1-3/]", "n[1/2/3]",
		"n[1-2-3]", "n[ 1]", "n[+1]", "n[1e3]", "n[0x1]", "n[1-9999999999]", "n[1-99999999]", "a[1-1000]b[1-1000]",
		"a[1-16384],b", strings.Repeat("n", 600), "n[1-16384]" + strings.Repeat("[1]", 600),
	} {
		if got, err := Expand(set); !errors.Is(err, ErrNodeset) {
			t.Errorf("%.40q: %d hosts, %v", set, len(got), err)
		}
	}
	if got, err := Expand("n[1-16384]"); err != nil || len(got) != MaxHosts {
		t.Errorf("%d hosts, %v", len(got), err)
	}
}

// A list that is written out stands for itself, and what is taken is taken with bounds.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"node[001-010,017],gpu[1-4]", "r[1-2]n[0-8/2]", "[fd00::1]:22 u@h:1", "n[1-3/0]", "a[b]c", "x[1][2]", "n[1-16384]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, set string) {
		got, err := Expand(set)
		if err != nil {
			if got != nil || !errors.Is(err, ErrNodeset) {
				t.Fatal(len(got), err)
			}
			return
		}
		if len(got) > MaxHosts {
			t.Fatal(len(got))
		}
		again, err := Expand(strings.Join(got, ","))
		if err != nil || !slices.Equal(again, got) {
			t.Fatalf("%q: %v", again, err)
		}
	})
}

func TestParseHost(t *testing.T) {
	for s, want := range map[string]Host{
		"node1":                 {Name: "node1"},
		"root@node1":            {"root", "node1", 0},
		"root@node1:2222":       {"root", "node1", 2222},
		"ssh://root@node1:2222": {"root", "node1", 2222},
		"ssh://node1/":          {Name: "node1"},
		"10.0.0.1:22":           {Name: "10.0.0.1", Port: 22},
		"fd00::1":               {Name: "fd00::1"},
		"[fd00::1]":             {Name: "fd00::1"},
		"u@[fe80::1%eth0]:22":   {"u", "fe80::1%eth0", 22},
		"me@corp.org@node1":     {"me@corp.org", "node1", 0},
		"my_alias.x":            {Name: "my_alias.x"},
	} {
		if got, err := ParseHost(s); err != nil || got != want {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "-oProxyCommand=x", "a b", "a;b", "$(x)", "a`b`", "@a", "-u@a", "u@", "u@-a", "a:", "a:0", "a:65536", "a:x", "[::1", "[x]:1",
		"[10.0.0.1]", "[::1]x", "[::1]:", "a:b:c", "1:2:3", "a/b", "ssh://", "é", "a\x00", "u'@a", "node[1]",
	} {
		if got, err := ParseHost(s); !errors.Is(err, ErrNodeset) {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
}

func TestHostArgs(t *testing.T) {
	for h, want := range map[Host]string{
		{Name: "a"}:                              "[-- a]",
		{User: "u", Name: "a", Port: 22}:         "[-p 22 -- u@a]",
		{User: "u", Name: "fd00::1", Port: 2222}: "[-p 2222 -- u@fd00::1]",
	} {
		if got := fmt.Sprint(h.args()); got != want {
			t.Errorf("%s: %s", h, got)
		}
	}
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"root@node1:2222", "ssh://[fd00::1]:22/", "fd00::1", "me@corp@n", "-x", "fe80::1%eth0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHost(s)
		if err != nil {
			return
		}
		again, err := ParseHost(h.String())
		if err != nil || again != h {
			t.Fatalf("%q is %+v, again %+v, %v", s, h, again, err)
		}
		for _, arg := range append(h.args()[:len(h.args())-2:len(h.args())-2], h.Name, h.User) {
			if strings.ContainsAny(arg, " \t\n'\"`$;&|<>(){}") || h.Name[0] == '-' {
				t.Fatalf("ssh is given %q", arg)
			}
		}
	})
}

func TestReadHosts(t *testing.T) {
	got, err := ReadHosts(strings.NewReader("# all\nn[1-2],x # two\r\n\n  root@y:22 z\n#\nlast"))
	if err != nil || fmt.Sprint(got) != "[n1 n2 x root@y:22 z last]" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ReadHosts(strings.NewReader("a\nb\nn[1\n")); !errors.Is(err, ErrNodeset) || !strings.Contains(err.Error(), "line 3: ") {
		t.Error(err)
	}
	if _, err := ReadHosts(strings.NewReader(strings.Repeat("n[1-9000]\n", 2))); !errors.Is(err, ErrNodeset) {
		t.Error(err)
	}
	if _, err := ReadHosts(strings.NewReader(strings.Repeat("\n", maxFile+1))); err == nil {
		t.Error("a file without end was read")
	}
}

// What was read and is written one a line is read again the same.
func FuzzReadHosts(f *testing.F) {
	f.Add("# all\nn[1-2],x # two\nroot@y:22 [fd00::1]\n")
	f.Fuzz(func(t *testing.T, text string) {
		hosts, err := ReadHosts(strings.NewReader(text))
		if err != nil {
			return
		}
		var b strings.Builder
		for _, h := range hosts {
			fmt.Fprintf(&b, "%s # failed 7: no [space, left\n", h)
		}
		again, err := ReadHosts(strings.NewReader(b.String()))
		if err != nil || !slices.Equal(again, hosts) {
			t.Fatalf("%v\n%v\n%v", hosts, again, err)
		}
	})
}

func TestChoose(t *testing.T) {
	list := func(s string) []Host {
		h, err := ParseHosts(s)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	got := fmt.Sprint(Choose(list("n[1-5],root@n2,n1,u@n4:22,n5:22"), list("n2,n[4],n5:22")))
	if want := "[n1 n3 n5]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSplitWords(t *testing.T) {
	for line, want := range map[string]string{
		"ssh":                        `["ssh"]`,
		" ssh  -F  cfg ":             `["ssh" "-F" "cfg"]`,
		`ssh -o 'A B' "c d" e\ f ""`: `["ssh" "-o" "A B" "c d" "e f" ""]`,
		`a'b'"c"`:                    `["abc"]`,
		`'a\b'`:                      `["a\\b"]`,
		"":                           `[]`,
	} {
		got, err := SplitWords(line)
		if err != nil || fmt.Sprintf("%q", got) != want {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{"'a", `"a`, `a\`} {
		if got, err := SplitWords(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
}
