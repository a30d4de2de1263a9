package wire

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"p2pcp/blocks"
)

// vectorFile holds whole frames; they were made from the tables of PROTOCOL.md by a program that shares no code with this.
const vectorFile = "../../docs/vectors/wire.txt"

func readVectors(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	vectors := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, digits, ok := strings.Cut(strings.TrimSpace(line), ": ")
		frame, err := hex.DecodeString(digits)
		if !ok || err != nil || vectors[name] != nil {
			t.Fatalf("bad line %q", line)
		}
		vectors[name] = frame
	}
	return vectors
}

// single stands for the messages that are one number, or nothing, and for HAVE, PEERS and DATA, which have no struct.
type single struct {
	Type   Type
	Value  uint32
	Spans  []blocks.Span
	Peers  []Peer
	Offset uint32
	Bytes  string
}

// encode appends any message's frame.
func encode(m any) []byte {
	switch m := m.(type) {
	case interface{ Append([]byte) []byte }:
		return m.Append(nil)
	case single:
		switch m.Type {
		case THave:
			return AppendHave(nil, m.Spans)
		case TPeers:
			return AppendPeers(nil, m.Peers)
		case TData:
			return append(AppendDataHead(nil, blocks.Index(m.Value), m.Offset, len(m.Bytes)), m.Bytes...)
		case TWithdraw, TGrant, TReject:
			return AppendIndex(nil, m.Type, blocks.Index(m.Value))
		case TAny, TAck, TBye:
			return AppendByte(nil, m.Type, byte(m.Value))
		}
		if m.Type == TStatus {
			return AppendStatus(nil, byte(m.Value))
		}
		return AppendEmpty(nil, m.Type)
	}
	panic("no message")
}

// decode parses any payload that ParseHead let pass.
func decode(t Type, p []byte) (any, error) {
	switch t {
	case THello:
		return ParseHello(p, nil)
	case THave:
		spans, err := ParseHave(nil, p)
		return single{Type: t, Spans: spans}, err
	case TWithdraw, TGrant, TReject:
		i, err := ParseIndex(p)
		return single{Type: t, Value: uint32(i)}, err
	case TAsk:
		return ParseRequest(p)
	case TStatus:
		v, err := ParseStatus(p)
		return single{Type: t, Value: uint32(v)}, err
	case TAny, TAck, TBye:
		v, err := ParseByte(p)
		return single{Type: t, Value: uint32(v)}, err
	case TRefuse:
		return ParseRefuse(p)
	case TCancel:
		return ParseCancel(p)
	case TBlock:
		return ParseBlock(p, nil)
	case TData:
		i, offset := ParseDataHead([DataHead]byte(p))
		return single{Type: t, Value: uint32(i), Offset: offset, Bytes: string(p[DataHead:])}, nil
	case TPeers:
		peers, err := ParsePeers(p)
		return single{Type: t, Peers: peers}, err
	case TTree:
		return ParseTree(p)
	case TNodes:
		return ParseNodes(p)
	case TResult:
		return ParseResult(p)
	case TReport:
		return ParseReport(p)
	}
	return single{Type: t}, nil
}

// messages says what each line of the vectors means.
func messages(t testing.TB) map[string]any {
	t.Helper()
	var up, down blocks.CV
	for k := range up {
		up[k], down[31-k] = byte(k), byte(k)
	}
	header := &blocks.Header{
		BlockSize: 65536, Dir: true, Entries: 5, Blocks: 19, ManifestSize: 300, Bytes: 1234567, ManifestRoot: blocks.Root(up),
	}
	bits := blocks.NewBitfield(19)
	for _, i := range []blocks.Index{0, 7, 9, 18} {
		bits.Set(i)
	}
	seed, n2 := netip.MustParseAddrPort("192.0.2.1:7700"), netip.MustParseAddrPort("[2001:db8::2]:7799")
	none := netip.MustParseAddrPort("0.0.0.0:0")
	peers := []Peer{{Seed: true, Member: "seed-01234567", Addr: seed}, {Gone: true, Member: "n2-89abcdef", Addr: n2}}
	return map[string]any{
		"HELLO/newcomer": Hello{Member: "n1-00c0ffee", Listen: none},
		"HELLO/seed": Hello{
			Seed: true, Zone: 0xdeadbeef, Member: "seed-01234567", Listen: seed,
			Header: header, Form: Every, Peers: peers,
		},
		"HELLO/receiver": Hello{
			Lingering: true, Zone: 1, Member: "n2-89abcdef", Listen: n2,
			Header: header, Form: Raw, Bits: bits, Peers: peers[:1],
		},
		"HELLO/full":     Hello{Full: true, Member: "n3-00000003", Listen: netip.MustParseAddrPort("198.51.100.3:7798")},
		"HELLO/observer": Hello{Observer: true, Member: "o-00000004", Listen: none},
		"HAVE": single{Type: THave, Spans: []blocks.Span{
			{First: 0, Count: 1}, {First: 2, Count: 5}, {First: 307, Count: 16384}, {First: 2113843, Count: 128},
		}},
		"WITHDRAW":      single{Type: TWithdraw, Value: 7},
		"ASK":           Request{Index: 0x00010203, Offset: 65536, Length: 16384},
		"ANY":           single{Type: TAny, Value: 4},
		"GRANT":         single{Type: TGrant, Value: 1<<24 - 1},
		"REFUSE":        Refuse{Index: 9, Offset: 32768, Reason: RefuseWithdrawn},
		"REFUSE/zone":   Refuse{Index: 9, Reason: RefuseElsewhere},
		"OFFER":         single{Type: TOffer},
		"CANCEL":        Cancel{Index: 9, Offset: 32768},
		"BLOCK":         Block{Request: Request{Index: 12, Length: 1000000}, Proof: []blocks.CV{up, down}},
		"BLOCK/packed":  Block{Request: Request{Index: 13, Length: 65536}},
		"DATA":          single{Type: TData, Value: 12, Offset: 16384, Bytes: "the content"},
		"REJECT":        single{Type: TReject, Value: 12},
		"PEERS":         single{Type: TPeers, Peers: peers},
		"PEERS/zone":    single{Type: TPeers, Peers: []Peer{{Seed: true, Member: "seed-01234567", Addr: seed, Zone: 0xdeadbeef}, peers[1]}},
		"TREE":          Tree{File: 2, Level: 3, First: 8, Count: 2},
		"NODES":         Nodes{Tree: Tree{File: 2, Level: 3, First: 8, Count: 2}, OK: true, CVs: []blocks.CV{up, down}},
		"NODES/refused": Nodes{Tree: Tree{File: 2, Level: 3, First: 8, Count: 2}},
		"RESULT": Result{
			State: Failed, Code: 6, Bytes: 123456789012, Millis: 61000, Member: "n1-00c0ffee", Host: "n1.example",
			Target: "/scratch/modèle", Reason: "a block has no holder left",
			Steps: [Steps]uint32{20, 20, 61000}, From: []Source{{Member: "n2-89abcdef", Bytes: 65536}, {Member: "seed-01234567", Bytes: 1}},
		},
		"ACK":            single{Type: TAck, Value: AckTaken},
		"STATUS":         single{Type: TStatus},
		"STATUS/account": single{Type: TStatus, Value: WithAccount},
		"REPORT": Report{
			Member: "seed-01234567", Host: "seed.example", Role: "seed", State: "seeding", Blocks: 19, BlocksHave: 19,
			Bytes: 1234567, BytesHave: 1234567, UpRate: 25000000, Sent: 1300000, Sessions: 2, RarestCopies: 2, RarestBlock: 7,
			Members: []ReportMember{{Member: "n2-89abcdef", Addr: "[2001:db8::2]:7799"}},
			Ledger: []LedgerRow{{
				Member: "n1-00c0ffee", Host: "n1.example", Source: "192.0.2.11", Target: "/scratch/model", State: "failed",
				Code: 6, Reason: "a block has no holder left", Bytes: 65536, Millis: 61000,
			}},
			Age: 70000,
			Account: Account{
				Traces:  []Trace{{Member: "n1-00c0ffee", Start: 5000, Steps: []uint32{20, 20, 61000}, From: []Source{{Member: "n2-89abcdef", Bytes: 65536}}}},
				History: []Sample{{Millis: 5000, Sent: 65536, Known: 2, Done: 1, Ended: 1, Copies: 2}},
			},
		},
		"REPORT/get": Report{
			Member: "n2-89abcdef", Host: "n2", Role: "get", State: "getting", Age: 900, Idle: 20,
			Account: Account{Steps: []uint32{1, 500}, From: []Source{{Member: "seed-01234567", Bytes: 70000}}},
		},
		"PING": single{Type: TPing},
		"BYE":  single{Type: TBye, Value: ByeDuplicate},
	}
}

func TestVectors(t *testing.T) {
	frames, meant := readVectors(t), messages(t)
	told := map[Type]bool{}
	for name, frame := range frames {
		typ, payload, err := ReadFrame(bytes.NewReader(frame), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		told[typ] = true
		if word, _, _ := strings.Cut(name, "/"); word != typ.String() {
			t.Errorf("%s is a frame of type %s", name, typ)
		}
		got, err := decode(typ, payload)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := normal(meant[name]); !reflect.DeepEqual(normal(got), want) {
			t.Errorf("%s says\n%+v, want\n%+v", name, got, want)
		}
		if again := encode(meant[name]); !bytes.Equal(again, frame) {
			t.Errorf("%s is encoded as\n%x, want\n%x", name, again, frame)
		}
	}
	for name := range meant {
		if frames[name] == nil {
			t.Errorf("no vector for %s", name)
		}
	}
	for typ := THello; typ <= TBye; typ++ {
		if !told[typ] {
			t.Errorf("no vector of type %s", typ)
		}
	}
}

// normal makes messages comparable: no Proof at all and one of length 0 are the same, and a Bitfield is its spans.
func normal(m any) any {
	switch m := m.(type) {
	case Block:
		if len(m.Proof) == 0 {
			m.Proof = nil
		}
		return m
	case Hello:
		spans := []blocks.Span(nil)
		if m.Bits != nil {
			spans, m.Bits = m.Bits.Spans(), nil
		}
		return []any{m, spans}
	}
	return m
}

func TestVectorsCutOrExtended(t *testing.T) {
	for name, frame := range readVectors(t) {
		for n := range len(frame) {
			if _, _, err := ReadFrame(bytes.NewReader(frame[:n]), nil); err == nil {
				t.Errorf("%s: cut to %d bytes is read", name, n)
			}
		}
		typ, payload := Type(frame[4]), frame[HeadSize:]
		if typ == TData || typ == TReport {
			continue // any bytes may follow DATA's head; JSON has its own end
		}
		for n := range len(payload) {
			if got, err := reframe(typ, payload[:n]); err == nil && !bytes.Equal(got[HeadSize:], payload[:n]) {
				t.Errorf("%s: payload cut to %d bytes is read as %x", name, n, got)
			}
		}
		longer := append(bytes.Clone(payload), 0)
		if got, err := reframe(typ, longer); err == nil {
			t.Errorf("%s: a longer payload is read as %x", name, got)
		}
	}
}

// reframe parses a payload behind a head made for it, and appends the message again.
func reframe(t Type, p []byte) ([]byte, error) {
	head := [HeadSize]byte{byte(len(p) >> 24), byte(len(p) >> 16), byte(len(p) >> 8), byte(len(p)), byte(t)}
	if _, _, err := ParseHead(head); err != nil {
		return nil, err
	}
	m, err := decode(t, p)
	if err != nil {
		return nil, err
	}
	return encode(m), nil
}
