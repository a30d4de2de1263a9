package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// seedTypes adds the payloads of the vectors of some types.
func seedTypes(f *testing.F, types ...Type) {
	for _, frame := range readVectors(f) {
		for _, typ := range types {
			if Type(frame[4]) == typ {
				f.Add(frame[4], frame[HeadSize:])
			}
		}
	}
}

// fuzzTypes checks that what is parsed comes back byte for byte, and that what is refused is refused as ErrProtocol.
func fuzzTypes(f *testing.F, types ...Type) {
	seedTypes(f, types...)
	f.Fuzz(func(t *testing.T, pick byte, p []byte) {
		typ := types[int(pick)%len(types)]
		frame, err := reframe(typ, p)
		if err != nil {
			if !errors.Is(err, ErrProtocol) {
				t.Fatalf("%s %x: %v", typ, p, err)
			}
			return
		}
		if len(frame) < HeadSize || Type(frame[4]) != typ || !bytes.Equal(frame[HeadSize:], p) {
			t.Fatalf("%s %x comes back as %x", typ, p, frame)
		}
	})
}

func FuzzHello(f *testing.F) { fuzzTypes(f, THello) }
func FuzzHave(f *testing.F)  { fuzzTypes(f, THave) }
func FuzzPeers(f *testing.F) { fuzzTypes(f, TPeers) }
func FuzzRequest(f *testing.F) {
	fuzzTypes(f, TAsk, TRefuse, TCancel, TWithdraw, TGrant, TReject, TAny, TAck, TBye, TStatus)
}
func FuzzBlock(f *testing.F)  { fuzzTypes(f, TBlock, TData) }
func FuzzNodes(f *testing.F)  { fuzzTypes(f, TTree, TNodes) }
func FuzzResult(f *testing.F) { fuzzTypes(f, TResult) }

// JSON has many forms of one thing: what was parsed must mean the same after another round.
func FuzzReport(f *testing.F) {
	for _, frame := range readVectors(f) {
		if Type(frame[4]) == TReport {
			f.Add(frame[HeadSize:])
		}
	}
	for _, s := range []string{`{}`, `{"members":null,"ledger":[]}`, `{"ledger":[{"code":-1}]}`, `{"members":{}}`, `[1]`, `{"MEMBER":"\ud800"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		m, err := ParseReport(p)
		if err != nil {
			if !errors.Is(err, ErrProtocol) {
				t.Fatal(err)
			}
			return
		}
		again, err := ParseReport(m.Append(nil)[HeadSize:])
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v comes back as %+v, %v", m, again, err)
		}
	})
}

// FuzzFrame reads a stream of frames until the first error; what was read must be what was there.
func FuzzFrame(f *testing.F) {
	var all []byte
	for _, frame := range readVectors(f) {
		f.Add(frame)
		all = append(all, frame...)
	}
	f.Add(all)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		var buf, again []byte
		for {
			typ, payload, err := ReadFrame(r, buf)
			if err != nil {
				break
			}
			again = append(AppendHead(again, typ, len(payload)), payload...)
			if _, err := decode(typ, payload); err != nil && !errors.Is(err, ErrProtocol) {
				t.Fatal(err)
			}
			buf = payload
		}
		if !bytes.HasPrefix(stream, again) {
			t.Fatalf("%x is read as %x", stream, again)
		}
	})
}
