package cmd

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/internal/port"
	"p2pcp/seed"
)

// fingerprints are the forms in which a secret could show: parts of the words that carry it, its bytes in hex, and as the numbers
// that a Go stack trace shows of memory, both byte by byte and by machine words.
func fingerprints(t *testing.T, words []string, secrets ...[]byte) (all []string) {
	t.Helper()
	for _, w := range words {
		for at := 0; at+12 <= len(w); at += 4 {
			all = append(all, w[at:at+12])
		}
	}
	for _, s := range secrets {
		digits := hex.EncodeToString(s)
		var bytewise []string
		for at := 0; at+4 <= len(s); at += 4 {
			all = append(all, digits[2*at:2*at+8])
			bytewise = nil
			for _, b := range s[at : at+4] {
				bytewise = append(bytewise, fmt.Sprintf("%#x", b))
			}
			all = append(all, strings.Join(bytewise, ", "), fmt.Sprintf("%02x%02x%02x%02x", s[at+3], s[at+2], s[at+1], s[at]))
		}
	}
	return all
}

// keyPart is what of a ticket's word has bits of the key: it stands behind flags (8 bits) and ID (256).
func keyPart(word string) string { return word[len("p2pcp1")+264/5+1 : len("p2pcp1")+(264+128)/5] }

// talkative are command lines that say much, or in which a ticket stands where something else is expected.
func talkative(word string) [][]string {
	get := func(args ...string) []string {
		return append([]string{"get", "-vv", "--listen", "127.0.0.1", "--linger", "0", "-o", "to/"}, args...)
	}
	return [][]string{
		get(word), get("--json", word), get(word, "surplus"), get(word, word), get("-o", word+"/", "--join", word, word), get(word[:len(word)-3]),
		{"seed", word},
		{"seed", "--listen", word, "a"},
		{word},
		{"gte", word},
		{"--" + word, "get"},
		{"ticket", word},
		{"keygen", "-o", word + "/x"},
		{"hash", word},
		{"verify", "-v", word, "none"},
		{"status", "-vv", word},
		{"ls", "-vv", word},
		{"ping", "-vv", word},
	}
}

// Whatever is printed beside the one line that is the ticket, however talkative, and by whatever way a process ends: nothing in it is
// of a key. Nor is it in the arguments or the environment of the processes that -d starts.
func TestNoKeyInAnyOutput(t *testing.T) {
	l := newSandbox(t)
	l.ok("keygen", "-o", "key")
	line, err := os.ReadFile(l.path("key"))
	l.check(err)
	file, err := seed.LoadKeyFile(l.path("key"))
	l.check(err)
	l.file("a", 1, 3_000_000)
	for _, flags := range [][]string{nil, {"--encrypt"}, {"--key-file", "key"}, {"--key-file", "key", "--encrypt"}, {"--json"}} {
		word, b := l.seed(append([]string{"-vv", "a"}, flags...)...)
		for !strings.Contains(word, ticketMark) {
			word = b.line(t)
		}
		if _, after, ok := strings.Cut(word, `"ticket":"`); ok { // --json
			word, _, _ = strings.Cut(after, `"`)
		}
		parsed, err := seed.ParseTicket(word)
		l.check(err)
		secret, words := parsed.Key, []string{strings.TrimPrefix(strings.TrimSpace(string(line)), keyMark)}
		key := []string{}
		if secret == nil {
			secret, key = file, []string{"--key-file", "key"}
		} else {
			words = append(words, keyPart(word))
		}
		derived := secretsOf(parsed, secret)
		marks := fingerprints(t, words, secret, derived.Session[:], derived.GossipKey[:])
		clean := func(what, text string) {
			t.Helper()
			for _, m := range marks {
				if strings.Contains(strings.ToLower(text), m) {
					at := strings.Index(strings.ToLower(text), m)
					t.Fatalf("%v: %s has %q of a key in\n%s", flags, what, m, text[max(0, at-1000):min(len(text), at+500)])
				}
			}
		}
		// The control: the marks are found where the key is.
		if parsed.Key != nil && !containsAny(word, marks) {
			t.Fatal("the marks miss the ticket itself")
		}
		run := func(args ...string) {
			t.Helper()
			out, errs, _ := l.run(append(args, key...)...)
			clean(strings.Join(args[:1], " "), out+errs)
		}
		for _, args := range talkative(word) {
			run(args...)
		}
		clean("the seed", b.stderr(t))
		detachedIsClean(l, append([]string{"get", "-d", "-vv", "--listen", "127.0.0.1", "-o", "d/", word}, key...), clean)
		// A trace of every goroutine.
		again := l.command(append([]string{"get", "-vv", "--listen", "127.0.0.1", "--limit", "100K", "-o", "slow/", word}, key...)...)
		again.Env = append(again.Env, "GOTRACEBACK=system")
		trace := traceOf(l, again, filepath.Join(l.dir, "slow", ".a.p2pcp"))
		if !strings.Contains(trace, "goroutine ") || !strings.Contains(trace, "p2pcp/swarm.(*Swarm).runLoop(...)") {
			t.Errorf("no trace: %s", trace)
		}
		clean("a stack trace", trace)
		b.end(syscall.SIGABRT)
		clean("the seed's trace", b.stderr(t))
		l.check(os.RemoveAll(l.path("to")))
		l.check(os.RemoveAll(l.path("d")))
		l.check(os.RemoveAll(l.path("slow")))
	}
}

// traceOf starts a command, waits until a file is there, aborts it and returns what it printed.
func traceOf(l *sandbox, c *exec.Cmd, until string) string {
	l.t.Helper()
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	l.check(c.Start())
	within(l.t, 20*time.Second, "it has begun", func() bool { _, err := os.Lstat(until); return err == nil })
	l.check(c.Process.Signal(syscall.SIGABRT))
	_ = c.Wait()
	return out.String()
}

func containsAny(text string, marks []string) bool {
	for _, m := range marks {
		if strings.Contains(text, m) {
			return true
		}
	}
	return false
}

func TestWithoutArgs(t *testing.T) {
	trace := "goroutine 7 [select]:\np2pcp/cmd.(*member).run(0x2779, {0xd0, 0x6122ab40d4fd72b2?}, ...)\n\t/src/member.go:217 +0x218\nmain.main()\n" +
		"\t/src/main.go:9 +0x1\ncreated by sync.(*WaitGroup).Go in goroutine 10\n\t/go/waitgroup.go:238 +0x73\n\n"
	want := "goroutine 7 [select]:\np2pcp/cmd.(*member).run(...)\n\t/src/member.go:217 +0x218\nmain.main(...)\n" +
		"\t/src/main.go:9 +0x1\ncreated by sync.(*WaitGroup).Go in goroutine 10\n\t/go/waitgroup.go:238 +0x73\n\n"
	if got := withoutArgs(trace); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestRedact(t *testing.T) {
	bearer := testTicket()
	public := bearer.Public().String()
	for text, want := range map[string]string{
		"":                                "",
		"nothing p2pcp here":              "nothing p2pcp here",
		"p2pcp1":                          "p2pcp1",
		bearer.String():                   "p2pcp1...",
		"a " + bearer.String() + ": gone": "a p2pcp1...: gone",
		strings.ToUpper(bearer.String()):  "P2PCP1...",
		bearer.String()[:40] + " x":       "p2pcp1... x",
		"take " + public + ", it is free": "take " + public + ", it is free",
		"\u212a p2pcp-key1-abc234\n":      "\u212a p2pcp-key1-...\n",
		bearer.String() + "/" + public + "/p2pcp1aa": "p2pcp1.../" + public + "/p2pcp1...",
	} {
		if got := redact(text); got != want {
			t.Errorf("redact(%q) = %q, want %q", text, got, want)
		}
	}
}

// Secrets printed by mistake, with %v or in a log, don't show themselves.
func TestSecretsDontPrint(t *testing.T) {
	s := port.Derive([]byte("0123456789abcdef"), [32]byte{1})
	for _, form := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		text := fmt.Sprintf(form, s) + fmt.Sprintf(form, &s)
		for _, mark := range fingerprints(t, nil, s.Session[:], s.GossipKey[:]) {
			if strings.Contains(text, mark) {
				t.Errorf("%s prints %s", form, text)
			}
		}
	}
}
