package seed

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"p2pcp/blocks"
)

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func sampleTicket() Ticket {
	return Ticket{
		Encrypted: true,
		ID:        blocks.Sum([]byte("an ID")),
		Key:       []byte("0123456789abcdef"),
		Addrs:     []netip.AddrPort{addr("192.0.2.7:7700"), addr("[2001:db8::1]:7799")},
	}
}

func TestTicketVectors(t *testing.T) {
	b, err := os.ReadFile("../docs/vectors/ticket.txt")
	must(t, err)
	var want Ticket
	n := 0
	for line := range strings.Lines(string(b)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if strings.HasPrefix(line, "#") || !ok {
			continue
		}
		switch name {
		case "encrypted":
			want = Ticket{Encrypted: value == "true"}
		case "id":
			want.ID, err = blocks.ParseRoot(value)
			must(t, err)
		case "key":
			if value != "" {
				want.Key, err = hex.DecodeString(value)
				must(t, err)
			}
		case "addrs":
			for _, a := range strings.Fields(value) {
				want.Addrs = append(want.Addrs, addr(a))
			}
		case "ticket":
			n++
			if got := want.String(); got != value {
				t.Errorf("made %s\nwant %s", got, value)
			}
			if got, err := ParseTicket(value); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: read %+v, %v", value, got, err)
			}
		default:
			t.Errorf("unknown line %q", line)
		}
	}
	if n != 5 {
		t.Errorf("%d tickets in the vectors", n)
	}
}

func TestParseTicketIsLenientAboutItsSurroundings(t *testing.T) {
	want := sampleTicket()
	s := want.String()
	for _, form := range []string{s, " \t" + s + "\r\n", "p2pcp:" + s, strings.ToUpper(s), "P2PCP:" + strings.ToUpper(s)} {
		if got, err := ParseTicket(form); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", form, got, err)
		}
	}
}

// forge makes a word with a right checksum of any bytes.
func forge(b []byte) string {
	sum := blocks.Sum(b)
	return ticketPrefix + word32().EncodeToString(append(bytes.Clone(b), sum[:sumSize]...))
}

func TestParseTicketSaysWhatIsWrong(t *testing.T) {
	good := sampleTicket().String()
	id := make([]byte, 32)
	plain := func(flags byte, rest ...byte) string { return forge(append(append([]byte{flags}, id...), rest...)) }
	for name, c := range map[string]struct{ in, want string }{
		"nothing":            {"", "not a p2pcp ticket"},
		"a word":             {"hello", "not a p2pcp ticket"},
		"a path":             {"/tmp/file", "not a p2pcp ticket"},
		"a novel":            {strings.Repeat("a", 5000), "not a p2pcp ticket"},
		"the first letters":  {"p2pc", "cut short"},
		"only the prefix":    {"p2pcp1", "cut short"},
		"version 2":          {"p2pcp2" + good[6:], "newer version"},
		"one letter less":    {good[:len(good)-1], "cut short"},
		"half":               {good[:len(good)/2], "cut short"},
		"a wrapped line":     {good[:40] + "\n" + good[40:], "damaged"},
		"a foreign letter":   {good[:40] + "1" + good[41:], "damaged"},
		"a changed letter":   {good[:40] + string('a'+(good[40]-'a'+1)%26) + good[41:], "damaged"},
		"two letters more":   {good + "aa", "damaged"},
		"eight letters more": {good + "aaaaaaaa", "damaged"},
		"unknown flags":      {plain(4, 0), "newer version"},
		"five addresses":     {plain(0, append([]byte{5}, bytes.Repeat([]byte{4, 1, 2, 3, 4, 0, 1}, 5)...)...), "newer version"},
		"unknown family":     {plain(0, 1, 9, 1, 2, 3, 4, 0, 1), "newer version"},
		"v4 as v6":           {plain(0, append([]byte{1, 6}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4, 0, 1)...), "newer version"},
		"left over":          {plain(0, 0, 0), "newer version"},
		"no count":           {plain(0), "newer version"},
	} {
		_, err := ParseTicket(c.in)
		if !errors.Is(err, ErrTicket) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestEveryCutTicketIsCalledCutShort(t *testing.T) {
	good := sampleTicket().String()
	for n := 1; n < len(good); n++ {
		if _, err := ParseTicket(good[:n]); err == nil || !strings.Contains(err.Error(), "cut short") {
			t.Errorf("%d of %d letters: %v", n, len(good), err)
		}
	}
}

func TestNoChangedLetterPasses(t *testing.T) {
	good := []byte(sampleTicket().String())
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] = 'a'
		if good[i] == 'a' {
			bad[i] = '7'
		}
		if got, err := ParseTicket(string(bad)); err == nil {
			t.Errorf("letter %d: %+v", i, got)
		}
	}
}

func TestTicketCarriesOnlyWhatCanBeDialled(t *testing.T) {
	in := sampleTicket()
	in.Addrs = []netip.AddrPort{
		{},
		addr("[::ffff:10.0.0.1]:1"), addr("[fe80::1%eth0]:2"), addr("10.0.0.3:3"), addr("10.0.0.4:4"), addr("10.0.0.5:5"),
	}
	got, err := ParseTicket(in.String())
	must(t, err)
	want := []netip.AddrPort{addr("10.0.0.1:1"), addr("[fe80::1]:2"), addr("10.0.0.3:3"), addr("10.0.0.4:4")}
	if !reflect.DeepEqual(got.Addrs, want) {
		t.Errorf("addresses %v, want %v", got.Addrs, want)
	}
}

func TestPublicTicketHasNoKey(t *testing.T) {
	full := sampleTicket()
	public, err := ParseTicket(full.Public().String())
	must(t, err)
	if public.Key != nil || public.ID != full.ID || !public.Encrypted || len(public.Addrs) != 2 {
		t.Errorf("public: %+v", public)
	}
	if full.Key == nil {
		t.Error("the original lost its key")
	}
}

func TestNewKeysDiffer(t *testing.T) {
	a, b := NewKey(), NewKey()
	if len(a) != KeySize || bytes.Equal(a, b) {
		t.Errorf("keys %x and %x", a, b)
	}
}

func FuzzParseTicket(f *testing.F) {
	f.Add(sampleTicket().String())
	f.Add(sampleTicket().Public().String())
	f.Add(Ticket{}.String())
	f.Add("p2pcp:P2PCP1ABMQ5L6RE")
	f.Add("p2pcp2abc")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTicket(s)
		if err != nil {
			if !errors.Is(err, ErrTicket) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		want := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), "p2pcp:")
		if got.String() != want {
			t.Fatalf("%q became %q", want, got)
		}
	})
}

// FuzzTicketFields gets past the checksum.
func FuzzTicketFields(f *testing.F) {
	b, _ := word32().DecodeString(sampleTicket().String()[len(ticketPrefix):])
	f.Add(b[:len(b)-sumSize])
	f.Add(make([]byte, 34))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := forge(b)
		got, err := ParseTicket(s)
		if err == nil && got.String() != s {
			t.Fatalf("%q became %q", s, got)
		}
		if err != nil && !errors.Is(err, ErrTicket) {
			t.Fatal(err)
		}
	})
}
