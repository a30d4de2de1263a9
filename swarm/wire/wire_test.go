package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"p2pcp/blocks"
)

func TestParseHeadLimits(t *testing.T) {
	limits := map[Type]uint32{ // the table of PROTOCOL.md 4
		THello: 4 << 20, THave: 64 << 10, TWithdraw: 4, TAsk: 12, TAny: 1, TGrant: 4, TRefuse: 9, TOffer: 0, TCancel: 8,
		TBlock: 13 + 64*32, TData: 8 + 256<<10, TReject: 4, TPeers: 64 << 10, TTree: 17, TNodes: 18 + 2048*32,
		TResult: 16 << 10, TAck: 1, TStatus: 0, TReport: 4 << 20, TPing: 0, TBye: 1,
	}
	for v := range 256 {
		typ := Type(v)
		limit, known := limits[typ]
		if got := Limit(typ); got != limit {
			t.Errorf("Limit(%s) = %d, want %d", typ, got, limit)
		}
		for _, n := range []uint32{0, 1, limit - 1, limit, limit + 1, 1 << 31, 1<<32 - 1} {
			head := [HeadSize]byte(append(binary.BigEndian.AppendUint32(nil, n), byte(typ)))
			got, m, err := ParseHead(head)
			want := known && n <= limit && n >= forms[typ].min
			if (err == nil) != want {
				t.Errorf("ParseHead(%s, %d): %v", typ, n, err)
			}
			if err == nil && (got != typ || m != n) {
				t.Errorf("ParseHead(%s, %d) = %s, %d", typ, n, got, m)
			}
			if err != nil && !errors.Is(err, ErrProtocol) {
				t.Errorf("ParseHead(%s, %d): %v is no ErrProtocol", typ, n, err)
			}
		}
	}
}

func TestReadFrameEnds(t *testing.T) {
	frame := Refuse{Index: 1, Reason: RefuseBusy}.Append(nil)
	for n := range len(frame) {
		_, _, err := ReadFrame(bytes.NewReader(frame[:n]), nil)
		if n == 0 && err != io.EOF {
			t.Errorf("at the end: %v, want io.EOF", err)
		}
		if n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut to %d: %v, want io.ErrUnexpectedEOF", n, err)
		}
	}
}

func TestReadFrameBitByBitAndLong(t *testing.T) {
	long := Report{Host: "h", Ledger: make([]LedgerRow, 9000)}.Append(nil)
	stream := append(append(AppendEmpty(nil, TPing), long...), AppendByte(nil, TAny, 3)...)
	for _, r := range []io.Reader{bytes.NewReader(stream), iotest.OneByteReader(bytes.NewReader(stream))} {
		var buf, got []byte
		for range 3 {
			typ, payload, err := ReadFrame(r, buf)
			if err != nil {
				t.Fatal(err)
			}
			got = append(AppendHead(got, typ, len(payload)), payload...)
			buf = payload
		}
		if !bytes.Equal(got, stream) {
			t.Error("frames differ from what was written")
		}
	}
}

func TestReadFrameBelievesNoLength(t *testing.T) {
	head := AppendHead(nil, THello, 4<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 16 {
		if _, _, err := ReadFrame(bytes.NewReader(head), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 16*4*readStep {
		t.Errorf("%d bytes allocated for 16 frames that never came", got)
	}
}

// TestHaveIsASet compares AppendHave and ParseHave with a slice of bools and an encoder that writes from that.
func TestHaveIsASet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		n := 1 + rng.IntN(3000)
		set, spans := make([]bool, n), []blocks.Span(nil)
		for i := 0; i < n; {
			gap, length := rng.IntN(200), rng.IntN(40)
			first := min(i+gap, n)
			length = min(length, n-first)
			if length > 0 || rng.IntN(4) == 0 { // spans may be empty
				spans = append(spans, blocks.Span{First: uint32(first), Count: uint32(length)})
			}
			for k := range length {
				set[first+k] = true
			}
			i = first + length + rng.IntN(2) // sometimes adjacent to the next
		}
		frame := AppendHave(nil, spans)
		want := dumbHave(set)
		if len(want) == 0 {
			if len(frame) != 0 {
				t.Fatalf("nothing is told in %x", frame)
			}
			continue
		}
		if !bytes.Equal(frame[HeadSize:], want) {
			t.Fatalf("%v is told as %x, want %x", spans, frame[HeadSize:], want)
		}
		got, err := ParseHave(nil, frame[HeadSize:])
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range got {
			for k := range s.Count {
				if !set[s.First+k] {
					t.Fatalf("%v: Block %d was not told", got, s.First+k)
				}
				set[s.First+k] = false
			}
		}
		for i, left := range set {
			if left {
				t.Fatalf("%v: Block %d is missing", got, i)
			}
		}
	}
}

// dumbHave encodes one frame's runs from the set itself.
func dumbHave(set []bool) (p []byte) {
	end := 0
	for i := 0; i < len(set); i++ {
		if !set[i] {
			continue
		}
		last := i
		for last+1 < len(set) && set[last+1] {
			last++
		}
		p = binary.AppendUvarint(p, uint64(i-end))
		p = binary.AppendUvarint(p, uint64(last-i))
		i, end = last, last+1
	}
	return p
}

func TestHaveOfAnySizeTakesSeveralFrames(t *testing.T) {
	var spans []blocks.Span
	for i := uint32(0); i < blocks.MaxBlocks; i += 90 {
		spans = append(spans, blocks.Span{First: i, Count: 1 + i%50})
	}
	spans[len(spans)-1].Count = 1
	r := bytes.NewReader(AppendHave(nil, spans))
	var got []blocks.Span
	frames := 0
	for ; r.Len() > 0; frames++ {
		typ, p, err := ReadFrame(r, nil)
		if err != nil || typ != THave {
			t.Fatal(typ, err)
		}
		if got, err = ParseHave(got, p); err != nil {
			t.Fatal(err)
		}
	}
	if frames < 2 || !reflect.DeepEqual(got, spans) {
		t.Errorf("%d spans in %d frames come back as %d", len(spans), frames, len(got))
	}
}

func TestParseHaveRefuses(t *testing.T) {
	uv := func(values ...uint64) (p []byte) {
		for _, v := range values {
			p = binary.AppendUvarint(p, v)
		}
		return p
	}
	for name, p := range map[string][]byte{
		"nothing":              {},
		"half a run":           uv(3),
		"adjacent runs":        uv(3, 1, 0, 1),
		"beyond the last":      uv(blocks.MaxBlocks, 0),
		"ends beyond the last": uv(blocks.MaxBlocks-1, 1),
		"sum beyond the last":  uv(blocks.MaxBlocks-5, 1, 2, 1),
		"sum beyond 64 bits":   uv(1<<64-1, 1<<64-1),
		"wraps to the start":   uv(5, 0, 1<<64-6, 0),
		"not the shortest":     {0x80, 0x00, 0x00},
		"more than 10 bytes":   bytes.Repeat([]byte{0x80}, 11),
	} {
		dst := []blocks.Span{{First: 1, Count: 1}}
		got, err := ParseHave(dst, p)
		if !errors.Is(err, ErrProtocol) || len(got) != 1 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, err := ParseHave(nil, uv(0, blocks.MaxBlocks-1)); err != nil || got[0].Count != blocks.MaxBlocks {
		t.Errorf("all Blocks: %v, %v", got, err)
	}
}

func TestPeersBeyondAFrame(t *testing.T) {
	var peers []Peer
	for k := range MaxPeers + 88 {
		peers = append(peers, Peer{Member: fmt.Sprintf("n-%08x", k), Addr: netip.MustParseAddrPort("10.0.0.1:7799")})
	}
	peers[5].Member = "two words"
	r := bytes.NewReader(AppendPeers(nil, peers))
	var got []Peer
	for r.Len() > 0 {
		_, p, err := ReadFrame(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		some, err := ParsePeers(p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, some...)
	}
	want := append(append([]Peer(nil), peers[:5]...), peers[6:]...)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%d peers come back as %d", len(want), len(got))
	}
	hello, err := ParseHello(Hello{Member: "m", Peers: peers}.Append(nil)[HeadSize:])
	if err != nil || len(hello.Peers) != MaxPeers {
		t.Errorf("HELLO has %d peers, %v", len(hello.Peers), err)
	}
	if none := AppendPeers(nil, nil); len(none) != HeadSize+2 {
		t.Errorf("no peers: %x", none)
	}
}

func TestAddressesAreCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"10.1.2.3:7700":         "10.1.2.3:7700",
		"[::ffff:10.1.2.3]:7":   "10.1.2.3:7",
		"[fe80::1%eth0]:65535":  "[fe80::1]:65535",
		"[2001:db8::1]:0":       "[2001:db8::1]:0",
		"[::ffff:0:0]:1":        "0.0.0.0:1",
		"[::]:7701":             "[::]:7701",
		"255.255.255.255:65535": "255.255.255.255:65535",
	} {
		d := decoder{p: appendAddr(nil, netip.MustParseAddrPort(in))}
		if got := d.addr(); got != netip.MustParseAddrPort(want) || d.end(THello) != nil {
			t.Errorf("%s comes back as %s, %v", in, got, d.end(THello))
		}
	}
	d := decoder{p: appendAddr(nil, netip.AddrPort{})}
	if got := d.addr(); got.Port() != 0 || d.end(THello) != nil {
		t.Errorf("no address comes back as %s", got)
	}
	mapped := append([]byte{6}, netip.MustParseAddr("::ffff:1.2.3.4").AsSlice()...)
	d = decoder{p: append(mapped, 0, 1)}
	if d.addr(); d.end(THello) == nil {
		t.Error("an IPv4 address of family 6 is read")
	}
}

func TestMemberNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "node01-0badf00d": true, strings.Repeat("x", 80): true, "!~": true,
		"": false, strings.Repeat("x", 81): false, "a b": false, "a\x00": false, "a\n": false, "é": false, "\x7f": false,
	} {
		if ValidMember(name) != want {
			t.Errorf("ValidMember(%q) = %v", name, !want)
		}
		d := decoder{p: append([]byte{byte(len(name))}, name...)}
		if d.member(); (d.end(THello) == nil) != want {
			t.Errorf("member %q is parsed: %v", name, !want)
		}
	}
	for host, want := range map[string]string{
		"node01":                 "node01-0000beef",
		"my laptop\n":            "my-laptop--0000beef",
		"":                       "-0000beef",
		"büro":                   "b-ro-0000beef",
		strings.Repeat("n", 200): strings.Repeat("n", 71) + "-0000beef",
	} {
		if got := MemberName(host, 0xbeef); got != want || !ValidMember(got) {
			t.Errorf("MemberName(%q) = %q", host, got)
		}
	}
}

func TestHelloRefuses(t *testing.T) {
	frames := readVectors(t)
	change := func(name string, at int, to ...byte) []byte {
		p := bytes.Clone(frames[name][HeadSize:])
		copy(p[at:], to)
		return p
	}
	const header = 2 + 4 + 14 + 7 // where HELLO/seed's header flag lies
	for name, p := range map[string][]byte{
		"unknown flag":                change("HELLO/seed", 0, 0x80),
		"sixth flag":                  change("HELLO/seed", 1, 0x20),
		"member with a space":         change("HELLO/seed", 8, ' '),
		"address of family 5":         change("HELLO/seed", 20, 5),
		"header flag 2":               change("HELLO/seed", header, 2),
		"header of version 9":         change("HELLO/seed", header+1, 9),
		"form 3":                      change("HELLO/seed", header+65, 3),
		"bits without header":         change("HELLO/newcomer", 2+4+12+7+1, 1),
		"fewer bits than the header":  change("HELLO/receiver", 2+4+12+19+65+1, 0, 0, 0, 18),
		"padding that is not 0":       change("HELLO/receiver", 2+4+12+19+65+1+4+2, 0xff),
		"513 peers":                   change("HELLO/newcomer", 2+4+12+7+2, 2, 1),
		"peers that are not there":    change("HELLO/newcomer", 2+4+12+7+2, 0, 1),
		"member longer than the rest": change("HELLO/newcomer", 6, 255),
	} {
		if m, err := ParseHello(p); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestValuesOutOfRange(t *testing.T) {
	u32 := binary.BigEndian.AppendUint32
	ask := func(i, offset, length uint32) []byte { return u32(u32(u32(nil, i), offset), length) }
	tree := func(file uint32, level byte, first, count, reserved uint32) []byte {
		return u32(u32(u32(append(u32(nil, file), level), first), count), reserved)
	}
	cases := []struct {
		name string
		typ  Type
		p    []byte
		ok   bool
	}{
		{"greatest Index", TGrant, u32(nil, 1<<24-1), true},
		{"Index too great", TGrant, u32(nil, 1<<24), false},
		{"whole greatest Block", TAsk, ask(0, 0, 4<<20), true},
		{"longer than a Block", TAsk, ask(0, 0, 4<<20+1), false},
		{"no length", TAsk, ask(0, 0, 0), false},
		{"last slice", TAsk, ask(0, 4<<20-16384, 16384), true},
		{"ends outside", TAsk, ask(0, 4<<20-16384, 16385), false},
		{"sum beyond 32 bits", TAsk, ask(0, 1<<14, 1<<32-1), false},
		{"begins outside", TAsk, ask(0, 4<<20, 1), false},
		{"offset inside a group", TAsk, ask(0, 1, 16384), false},
		{"Index of ASK", TAsk, ask(1<<24, 0, 1), false},
		{"reason 0", TRefuse, append(ask(1, 0, 0)[:8], 0), false},
		{"reason 1", TRefuse, append(ask(1, 0, 0)[:8], 1), true},
		{"reason 4", TRefuse, append(ask(1, 0, 0)[:8], 4), false},
		{"cancel inside a group", TCancel, ask(1, 5, 0)[:8], false},
		{"count without CVs", TBlock, append(ask(1, 0, 9), 1), false},
		{"65 CVs", TBlock, append(append(ask(1, 0, 9), 65), make([]byte, 65*32)...), false},
		{"64 CVs", TBlock, append(append(ask(1, 0, 9), 64), make([]byte, 64*32)...), true},
		{"empty DATA", TData, make([]byte, 8), false},
		{"level 24", TTree, tree(0, 24, 0, 1, 0), true},
		{"level 25", TTree, tree(0, 25, 0, 1, 0), false},
		{"no node", TTree, tree(0, 0, 0, 0, 0), false},
		{"2048 nodes", TTree, tree(0, 0, 0, 2048, 0), true},
		{"2049 nodes", TTree, tree(0, 0, 0, 2049, 0), false},
		{"last node", TTree, tree(0, 0, 1<<24-1, 1, 0), true},
		{"beyond the last node", TTree, tree(0, 0, 1<<24-1, 2, 0), false},
		{"sum of nodes beyond 32 bits", TTree, tree(0, 0, 1<<32-1, 2, 0), false},
		{"file too great", TTree, tree(1<<24+1, 0, 0, 1, 0), false},
		{"reserved", TTree, tree(0, 0, 0, 1, 1), false},
		{"ok byte 2", TNodes, append(tree(0, 0, 0, 1, 0), 2), false},
		{"CVs though refused", TNodes, append(append(tree(0, 0, 0, 1, 0), 0), make([]byte, 32)...), false},
		{"no CVs though ok", TNodes, append(tree(0, 0, 0, 1, 0), 1), false},
		{"most nodes", TNodes, append(append(tree(0, 0, 0, 2048, 0), 1), make([]byte, 2048*32)...), true},
	}
	for _, c := range cases {
		if _, err := reframe(c.typ, c.p); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestResultMendsTexts(t *testing.T) {
	m := Result{
		State: Failed, Code: 7, Member: "m-00000000", Host: strings.Repeat("h", 300), Target: "a\xffb",
		Reason: strings.Repeat("é", 600),
	}
	got, err := ParseResult(m.Append(nil)[HeadSize:])
	if err != nil {
		t.Fatal(err)
	}
	want := m
	want.Host, want.Target, want.Reason = m.Host[:255], "a\uFFFDb", strings.Repeat("é", 512)
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	odd := m
	odd.Reason = "x" + m.Reason // the limit falls inside a character
	if got, err = ParseResult(odd.Append(nil)[HeadSize:]); err != nil || len(got.Reason) != 1023 {
		t.Errorf("%d bytes of reason, %v", len(got.Reason), err)
	}
}

func TestResultRefuses(t *testing.T) {
	good := Result{State: Begun, Member: "m", Host: "h", Target: "t", Reason: "r"}.Append(nil)[HeadSize:]
	for name, p := range map[string][]byte{
		"state 0":         append([]byte{0}, good[1:]...),
		"state 5":         append([]byte{5}, good[1:]...),
		"member empty":    append(append(bytes.Clone(good[:18]), 0, 0), good[21:]...),
		"member a space":  bytes.Replace(good, []byte{0, 1, 'm'}, []byte{0, 1, ' '}, 1),
		"target no UTF-8": bytes.Replace(good, []byte{0, 1, 't'}, []byte{0, 1, 0xff}, 1),
		"host too long":   bytes.Replace(good, []byte{0, 1, 'h'}, append([]byte{1, 0}, strings.Repeat("h", 256)...), 1),
	} {
		if m, err := ParseResult(p); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestReportIsCutToItsFrame(t *testing.T) {
	row := LedgerRow{Host: "h", Target: strings.Repeat("\x01", 4096), State: "changed", Reason: strings.Repeat("<", 2000)}
	m := Report{Member: "seed-00000000", Role: "seed", Members: make([]ReportMember, 100)}
	for k := range 400 {
		row.Bytes = uint64(k)
		m.Ledger = append(m.Ledger, row)
	}
	frame := m.Append(nil)
	if n := len(frame) - HeadSize; n > 4<<20 || n < 4<<20-64<<10 {
		t.Errorf("%d bytes", n)
	}
	got, err := ParseReport(frame[HeadSize:])
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Ledger); n < 100 || n >= 400 || got.Ledger[n-1].Bytes != uint64(n-1) || len(got.Ledger[0].Reason) != 1024 {
		t.Errorf("%d rows are left, or not the first ones", n)
	}
	if len(m.Ledger) != 400 || len(m.Ledger[0].Reason) != 2000 {
		t.Error("the caller's Report was changed")
	}
	many := Report{Members: make([]ReportMember, MaxRows+1)}
	if got, err = ParseReport(many.Append(nil)[HeadSize:]); err != nil || len(got.Members) != MaxRows {
		t.Errorf("%d members, %v", len(got.Members), err)
	}
}

func TestReportRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"no JSON":           `{`,
		"more than one":     `{}{}`,
		"no object":         `[]`,
		"no UTF-8":          "{\"host\":\"\xff\"}",
		"long member":       `{"member":"` + strings.Repeat("m", 81) + `"}`,
		"long host":         `{"ledger":[{"host":"` + strings.Repeat("h", 256) + `"}]}`,
		"long address":      `{"members":[{"addr":"` + strings.Repeat("1", 65) + `"}]}`,
		"negative sessions": `{"sessions":-1}`,
		"negative blocks":   `{"blocks":-1}`,
		"code 256":          `{"ledger":[{"code":256}]}`,
		"rows are no list":  `{"members":{"a":1}}`,
		"too many rows":     `{"members":[{}` + strings.Repeat(",{}", MaxRows) + `]}`,
		"deep":              strings.Repeat(`{"x":`, 20000) + `1` + strings.Repeat(`}`, 20000),
	} {
		if _, err := ParseReport([]byte(s)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m, err := ParseReport([]byte(`{"unknown":[1,{}],"sessions":3,"ledger":null}`)); err != nil || m.Sessions != 3 {
		t.Errorf("unknown members are not ignored: %+v, %v", m, err)
	}
}

func TestAppendRefusesOurOwnMistakes(t *testing.T) {
	header := &blocks.Header{Blocks: 3}
	for name, call := range map[string]func(){
		"unknown type":        func() { AppendHead(nil, 0, 0) },
		"length":              func() { AppendEmpty(nil, TBye) },
		"empty DATA":          func() { AppendDataHead(nil, 0, 0, 0) },
		"DATA too long":       func() { AppendDataHead(nil, 0, 0, MaxData+1) },
		"no member":           func() { Hello{}.Append(nil) },
		"bits without header": func() { Hello{Member: "m", Form: Every}.Append(nil) },
		"other bits":          func() { Hello{Member: "m", Form: Raw, Header: header, Bits: blocks.NewBitfield(4)}.Append(nil) },
		"decreasing spans":    func() { AppendHave(nil, []blocks.Span{{First: 5, Count: 2}, {First: 6, Count: 1}}) },
		"span outside":        func() { AppendHave(nil, []blocks.Span{{First: 1 << 24, Count: 1}}) },
		"long proof":          func() { Block{Proof: make([]blocks.CV, 65)}.Append(nil) },
		"other nodes":         func() { Nodes{Tree: Tree{Count: 2}, OK: true}.Append(nil) },
		"no state":            func() { Result{Member: "m"}.Append(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}
