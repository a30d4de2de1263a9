package wire

import (
	"encoding/binary"
	"errors"
	"testing"
)

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
		{"reason 4", TRefuse, append(ask(1, 0, 0)[:8], 4), true},
		{"reason 5", TRefuse, append(ask(1, 0, 0)[:8], 5), false},
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
