package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"p2pcp/blocks"
)

func TestParseHeadLimits(t *testing.T) {
	limits := map[Type]uint32{ // the table of PROTOCOL.md 4
		THello: 4 << 20, THave: 64 << 10, TWithdraw: 4, TAsk: 12, TAny: 1, TGrant: 4, TRefuse: 9, TOffer: 0, TCancel: 8,
		TBlock: 13 + 64*32, TData: 8 + 256<<10, TReject: 4, TPeers: 64 << 10, TTree: 17, TNodes: 18 + 2048*32,
		TResult: 16 << 10, TAck: 1, TStatus: 1, TReport: 4 << 20, TPing: 0, TBye: 1,
	}
	for v := range 256 {
		typ := Type(v)
		limit, known := limits[typ]
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

func TestAppendRefusesOurOwnMistakes(t *testing.T) {
	header := &blocks.Header{Blocks: 3}
	for name, call := range map[string]func(){
		"unknown type":     func() { AppendHead(nil, 0, 0) },
		"length":           func() { AppendEmpty(nil, TBye) },
		"empty DATA":       func() { AppendDataHead(nil, 0, 0, 0) },
		"DATA too long":    func() { AppendDataHead(nil, 0, 0, MaxData+1) },
		"no member":        func() { Hello{}.Append(nil) },
		"other bits":       func() { Hello{Member: "m", Form: Raw, Header: header, Bits: blocks.NewBitfield(4)}.Append(nil) },
		"decreasing spans": func() { AppendHave(nil, []blocks.Span{{First: 5, Count: 2}, {First: 6, Count: 1}}) },
		"span outside":     func() { AppendHave(nil, []blocks.Span{{First: 1 << 24, Count: 1}}) },
		"long proof":       func() { Block{Proof: make([]blocks.CV, 65)}.Append(nil) },
		"other nodes":      func() { Nodes{Tree: Tree{Count: 2}, OK: true}.Append(nil) },
		"no state":         func() { Result{Member: "m"}.Append(nil) },
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
