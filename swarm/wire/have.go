package wire

import (
	"encoding/binary"
	"math/bits"

	"p2pcp/blocks"
)

// AppendHave appends HAVE for spans, which are increasing and disjoint; adjacent ones are joined, empty ones left out. What
// one frame can't hold goes on in the next, so that any set can be told; no span gives no frame.
//
//	| gap        | uvarint | from the end of the previous run (the first from 0), at least 1 from the second on |
//	| length - 1 | uvarint |                                                                                   |
//	| and so on  |         | at least one run                                                                  |
func AppendHave(b []byte, spans []blocks.Span) []byte {
	mark, end := -1, uint32(0)
	for k := 0; k < len(spans); {
		run := spans[k]
		for k++; k < len(spans) && (spans[k].Count == 0 || spans[k].First == run.First+run.Count); k++ {
			run.Count += spans[k].Count
		}
		if run.Count == 0 {
			continue
		}
		size := uvarintLen(run.First-end) + uvarintLen(run.Count-1)
		if mark >= 0 && len(b)-mark-HeadSize+size > int(forms[THave].max) {
			b, mark = finish(b, mark), -1
		}
		if mark < 0 {
			b, mark = begin(b, THave)
			end = 0
		}
		if run.First < end || uint64(run.First)+uint64(run.Count) > blocks.MaxBlocks {
			panic("wire: HAVE of spans that are not increasing or not Blocks")
		}
		b = binary.AppendUvarint(b, uint64(run.First-end))
		b = binary.AppendUvarint(b, uint64(run.Count-1))
		end = run.First + run.Count
	}
	if mark < 0 {
		return b
	}
	return finish(b, mark)
}

func uvarintLen(v uint32) int { return (bits.Len32(v|1) + 6) / 7 }

// ParseHave appends the runs of a HAVE's payload to dst: increasing, never adjacent, none empty, all below
// blocks.MaxBlocks. On an error dst comes back as it was.
func ParseHave(dst []blocks.Span, p []byte) ([]blocks.Span, error) {
	d, before, end := decoder{p: p}, len(dst), uint64(0)
	d.check(len(p) > 0, "no run")
	for len(d.p) > 0 {
		gap, last := d.uvarint(), d.uvarint()
		d.check(gap > 0 || end == 0, "adjacent runs")
		d.check(gap < blocks.MaxBlocks && last < blocks.MaxBlocks && end+gap+last < blocks.MaxBlocks, "index out of range")
		if !d.ok() {
			break
		}
		dst = append(dst, blocks.Span{First: uint32(end + gap), Count: uint32(last + 1)})
		end += gap + last + 1
	}
	if err := d.end(THave); err != nil {
		return dst[:before], err
	}
	return dst, nil
}
