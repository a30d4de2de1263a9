package e2e

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// The soak's hosts: the first contents of them seed one content each.
const (
	soakHosts    = 12
	soakContents = 4
)

// soakOp is one random operation.
type soakOp struct {
	kind    string
	host    int
	content int
	arg     uint32
	pause   time.Duration // before the next one
}

func (o soakOp) String() string {
	return fmt.Sprintf("%s host %d content %d arg %d, then %s", o.kind, o.host, o.content, o.arg, o.pause)
}

// soakKinds are the operations, each as often as its weight.
var soakKinds = []struct {
	kind   string
	weight int
}{
	{"get", 46}, {"kill", 10}, {"interrupt", 6}, {"pause", 4}, {"kill seed", 3}, {"rot", 8}, {"remove", 8}, {"partition", 2}, {"unplug", 2}, {"status", 4},
}

// soakPlan is n operations, the same for the same number.
func soakPlan(number uint64, n int) []soakOp {
	rng := rand.New(rand.NewPCG(number, 0))
	total := 0
	for _, k := range soakKinds {
		total += k.weight
	}
	plan := make([]soakOp, n)
	for i := range plan {
		w, kind := rng.IntN(total), 0
		for ; w >= soakKinds[kind].weight; kind++ {
			w -= soakKinds[kind].weight
		}
		plan[i] = soakOp{
			kind: soakKinds[kind].kind, host: rng.IntN(soakHosts), content: rng.IntN(soakContents), arg: rng.Uint32(),
			pause: time.Duration(rng.ExpFloat64() * float64(250*time.Millisecond)).Truncate(time.Millisecond),
		}
	}
	return plan
}
