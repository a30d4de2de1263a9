package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"p2pcp/blocks"
)

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
