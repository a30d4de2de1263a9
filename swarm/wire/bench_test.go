package wire

import (
	"bytes"
	"testing"

	"p2pcp/blocks"
)

// hot is what runs for every Block or DATA frame; each must not allocate.
func hot() map[string]func() {
	buf := make([]byte, 0, 1<<16)
	proof := make([]blocks.CV, 10, blocks.MaxProof)
	spans := []blocks.Span{{First: 3, Count: 1}, {First: 100, Count: 70}, {First: 90000, Count: 1}}
	have := AppendHave(nil, spans)[HeadSize:]
	dst := make([]blocks.Span, 0, 16)
	request := Request{Index: 77, Offset: 1 << 16, Length: 1 << 20}
	ask := request.Append(nil)[HeadSize:]
	block := Block{Request: request, Proof: proof}
	answer := block.Append(nil)[HeadSize:]
	data := AppendDataHead(nil, 5, 6, 7)
	frame := block.Append(nil)
	reader := bytes.NewReader(nil)
	var head [HeadSize]byte
	return map[string]func(){
		"AppendDataHead": func() { _ = AppendDataHead(buf, 5, 6, MaxData) },
		"ParseDataHead":  func() { _, _ = ParseDataHead([DataHead]byte(data[HeadSize:])) },
		"AppendHave":     func() { _ = AppendHave(buf, spans) },
		"ParseHave":      func() { _, _ = ParseHave(dst, have) },
		"AppendRequest":  func() { _ = request.Append(buf) },
		"ParseRequest":   func() { _, _ = ParseRequest(ask) },
		"AppendBlock":    func() { _ = block.Append(buf) },
		"ParseBlock":     func() { _, _ = ParseBlock(answer, proof) },
		"AppendIndex":    func() { _ = AppendIndex(buf, TGrant, 5) },
		"ParseIndex":     func() { _, _ = ParseIndex(ask[:4]) },
		"ReadFrame":      func() { reader.Reset(frame); _, _, _ = ReadFrame(reader, buf) },
		"ReadHead":       func() { reader.Reset(frame); _, _, _ = ReadHead(reader, &head) },
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	for name, call := range hot() {
		if n := testing.AllocsPerRun(100, call); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func BenchmarkCodec(b *testing.B) {
	for name, call := range hot() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}
