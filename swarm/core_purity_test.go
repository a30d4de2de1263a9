package swarm

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

// coreFiles are the pure ones.
var coreFiles = []string{
	"accuse.go", "across.go", "action.go", "atonce.go", "core.go", "corestats.go", "credit.go", "doubt.go", "endgame.go", "event.go", "goal.go", "gone.go", "hoard.go", "linger.go", "mates.go",
	"membership.go", "mesh.go", "peer.go", "picker.go", "push.go", "request.go", "serve.go", "share.go", "suspect.go", "zone.go",
}

// corePackages are all that they may import: net/netip has addresses and no sockets, math/rand/v2 a generator of our own.
var corePackages = map[string]bool{
	"cmp": true, "errors": true, "fmt": true, "math/bits": true, "math/rand/v2": true, "net/netip": true, "slices": true, "time": true, "p2pcp/blocks": true,
}

func TestCoreIsPure(t *testing.T) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range coreFiles {
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	for _, problem := range impure(t, fset, files) {
		t.Error(problem)
	}
}

func TestImpureCodeIsNoticed(t *testing.T) {
	src := `package x
import ("math/rand/v2"; "net"; "time")
func f(m map[int]int, c chan int) {
	go f(nil, nil)
	for range m {}
	_ = time.Now()
	_ = rand.IntN(3)
	c <- 1
	<-c
	var _ net.Conn
}`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "x.go", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(impure(t, fset, []*ast.File{f}), "\n")
	for _, want := range []string{"go statement", "map range", "time.Now", "rand.IntN", "imports net", "channel"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s went unnoticed in:\n%s", want, got)
		}
	}
}

// impure lists what a deterministic core must not do.
func impure(t *testing.T, fset *token.FileSet, files []*ast.File) (problems []string) {
	t.Helper()
	say := func(n ast.Node, what string) {
		problems = append(problems, fset.Position(n.Pos()).String()+": "+what)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	// What isn't resolved (other packages' types) is no map of ours; the errors are vet's business.
	conf := types.Config{Importer: importer.Default(), Error: func(error) {}}
	_, _ = conf.Check("core", fset, files, info)
	for _, f := range files {
		for _, i := range f.Imports {
			if path := strings.Trim(i.Path.Value, `"`); !corePackages[path] {
				say(i, "imports "+path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				say(n, "go statement")
			case *ast.SendStmt, *ast.SelectStmt, *ast.ChanType:
				say(n, "channel")
			case *ast.RangeStmt:
				if tv, ok := info.Types[n.X]; ok && tv.Type != nil {
					if _, isMap := tv.Type.Underlying().(*types.Map); isMap {
						say(n, "map range")
					}
				}
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok && banned(pkg.Name, n.Sel.Name) {
					say(n, pkg.Name+"."+n.Sel.Name)
				}
			}
			return true
		})
	}
	return problems
}

// banned tells whether a package's function reads a clock or the global random source.
func banned(pkg, name string) bool {
	switch pkg {
	case "time":
		return strings.Contains(" Now Since Until After AfterFunc Sleep Tick NewTimer NewTicker ", " "+name+" ")
	case "rand":
		return !strings.Contains(" Rand New NewPCG ", " "+name+" ")
	}
	return false
}
