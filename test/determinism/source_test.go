package determinism

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/coffer-dev/coffer/"

// judged are the packages whose code runs when an entry is applied.
var judged = []string{"engine/machine", "engine/store", "engine/command", "engine/script", "engine/queue", "engine/reply", "engine/glob", "engine/keyevent"}

// imports that they may have: none reads anything but its arguments. Of big,
// Float's results are exact, of every architecture the same. So are those of
// single operations on float64; what is not is judged below. Of acl the table
// takes words, and of a script's caller the verdict, out of what the log
// carries; of keyevent the names of what is told; msgpack encodes and decodes one value at a time. What cron answers
// the leader puts into the log.
var imports = strings.Fields(`bufio bytes cmp crypto/sha1 crypto/sha256 encoding/binary encoding/hex encoding/json errors fmt hash/fnv io iter math math/big math/bits slices sort strconv strings sync unicode/utf8
	github.com/tidwall/btree github.com/vmihailenco/msgpack/v5 github.com/vmihailenco/msgpack/v5/msgpcode
	github.com/coffer-dev/coffer/engine/acl github.com/coffer-dev/coffer/engine/keyevent github.com/coffer-dev/coffer/engine/queue/cron`)

// excused are the places where what is otherwise forbidden does not reach the
// state, and why. One that is no longer needed is an error too.
var excused = map[string]string{
	"engine/store arrange: map range":              "the entries are sorted by their keys before they are used",
	"engine/store leave: capacity":                 "it decides whether a run is copied, not what it holds",
	"engine/store sortByKey: unstable sort":        "those that seem the same are sorted again",
	"engine/store sortRun: unstable sort":          "no two entries have the same key",
	"engine/store Flush: map range":                "tells those who wait, who are no part of the state",
	"engine/store Succeed: map range":              "tells those who watch, each of them whatever the order",
	"engine/command debugSleep: floating point":    "how long a port sleeps, which is no part of the state",
	"engine/store touchSwapped: map range":         "tells those who watch, each of them whatever the order",
	"engine/command All: map range":                "the rows are sorted by their names",
	"engine/command All: unstable sort":            "no two rows have the same name",
	"engine/command register: package state":       "called by init alone",
	"engine/command init: package state":           "the table is whole before anything is applied",
	"engine/command Count: sync":                   "computed once from the table, of which it changes what only answers look at",
	"engine/command descriptions: sync":            "computed once from the table, which does not change",
	"engine/reply bodies: sync":                    "room for answers, which is empty whoever had it before",
	"engine/reply Sent: capacity":                  "decides which room is kept for other answers",
	"engine/store cut: capacity":                   "decides how much room to keep, not what is in it",
	"engine/store Size: capacity":                  "memory accounting, which only the leader looks at, before anything is logged",
	"engine/store decode: goroutines":              "slots of a snapshot share nothing, and are taken up in their order",
	"engine/store settle: goroutines":              "slots of a snapshot share nothing, and are taken up in their order",
	"engine/store seed: import hash/maphash":       "decides the order within a slot: a snapshot sorts, SCAN's is nobody's to rely on, and no write visits keys",
	"engine/store newSeed: import hash/maphash":    "decides the order within a slot: a snapshot sorts, SCAN's is nobody's to rely on, and no write visits keys",
	"engine/store hash: import hash/maphash":       "decides the order within a slot: a snapshot sorts, SCAN's is nobody's to rely on, and no write visits keys",
	"engine/store hashString: import hash/maphash": "decides the order within a slot: a snapshot sorts, SCAN's is nobody's to rely on, and no write visits keys",
	"engine/store Each: word size":                 "a number of keys beyond all that fit into memory",
	"engine/store makeRoom: capacity":              "decides how much room to make, not what is in it",
	"engine/store withRoom: capacity":              "decides how much room to make, not what is in it",
	"engine/store size: capacity":                  "memory accounting, which only the leader looks at, before anything is logged",
	"engine/store resize: capacity":                "decides how much room to make, not what is in it",
	"engine/store openCompact: import unsafe":      "reads a string's bytes as bytes",
	"engine/store appendScore: floating point":     "says exactly which integer a score is, of those below 2^53; of others it takes the bits",
	"engine/store shrink: capacity":                "decides how much room to keep, not what is in it",
	"engine/command estimate: floating point":      "Round is exact, and the integer is of a number within range",
	"engine/command hashOf: floating point":        "of a number within range",
	"engine/command scoreBits: floating point":     "of a number within range",
	"engine/command formatScore: floating point":   "of a number within range, to be rendered",
	"engine/command addCopy: capacity":             "decides where a copy is put, not what is in it",
	"engine/script pi: sync":                       "a constant, computed once",
	"engine/script toInteger: floating point":      "of a number within range",
	"engine/script truncate: floating point":       "of a number within range",
	"engine/script numeric: floating point":        "of a number within range",
	"engine/script power: floating point":          "Pow's answers for 0, 1, what is infinite and what is no number",
	"engine/script atan2: floating point":          "Atan2's answers for 0, what is infinite and what is no number",
	"engine/script scratches: sync":                "room for calls, which is empty whoever had it before",
	"engine/script giveBack: capacity":             "decides which room is kept for other runs",
	"engine/script library: map range":             "the names are sorted before they are used",
	"engine/script sorted: map range":              "the names are sorted before they are used",
	"engine/script constants: package state":       "called by init alone",
	"engine/script init: package state":            "the reserved words are whole before any script is read",
	"engine/script theShared: sync":                "computed once from the libraries, which do not change",
}

// finding is something that may depend on more than the log.
type finding struct {
	where string // package and function
	what  string
	at    token.Position
}

func (f finding) key() string { return f.where + ": " + f.what }

// source is a package with its types.
type source struct {
	path  string
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
}

// TestSourceReadsNothingButTheLog reads the packages that compute the state.
func TestSourceReadsNothingButTheLog(t *testing.T) {
	used := map[string]bool{}
	for _, s := range load(t) {
		for _, f := range s.findings() {
			if _, ok := excused[f.key()]; ok {
				used[f.key()] = true
				continue
			}
			t.Errorf("%s: %s: members could compute different states from it; if it cannot reach the state, say why in `excused`", f.at, f.key())
		}
	}
	for key := range excused {
		if !used[key] {
			t.Errorf("%q is excused and not there: remove it", key)
		}
	}
}

// TestSourceRulesBite plants one of each.
func TestSourceRulesBite(t *testing.T) {
	planted := `package planted
import ("fmt"; "sort"; "math"; "slices"; "time"; "unsafe"; "maps"; "runtime")
var counter int
var text string
func byMap(m map[string]int) (s string) { for k := range m { s += k }; return s }
func byKeys(m map[string]int) (s string) { for k := range maps.Keys(m) { s += k }; return s }
func byClock() int64 { return time.Now().UnixMilli() }
func byState() { counter++ }
func byAssignment() { text = "x" }
func byGoroutine(c chan int) { go byState(); select { case <-c: default: } }
func byReceiving(c chan int) int { return <-c }
func byPointer(p *int) string { return fmt.Sprintf("%p", p) }
func byValue(p *int) string { return fmt.Sprint(p) }
func byUnsafe(p *int) uintptr { return uintptr(unsafe.Pointer(p)) }
func byFloat(a float64) int64 { return int64(a) }
func byFused(a, b, c float64) float64 { return a*b + c }
func byFusedLater(a, b, c float64) float64 { a *= b; return a + c }
func byMath(a float64) float64 { return math.Exp(a) }
func byComplex(a complex128) complex128 { return a * a }
func rounded(a, b, c float64) float64 { return float64(a*b) + float64(((c*c)))/3 - math.Inf(1) }
func byCapacity(b []byte) int { return cap(append(b, 1)) }
func bySort(a []int) { sort.Slice(a, func(i, j int) bool { return false }) }
func bySortFunc(a []int) { slices.SortFunc(a, func(i, j int) int { return 0 }) }
func byWord() int { return math.MaxInt }
func byRuntime() int { return runtime.NumGoroutine() }
`
	want := map[string][]string{
		"byMap": {"map range"}, "byKeys": {"import maps"}, "byClock": {"import time"}, "byState": {"package state"}, "byAssignment": {"package state"},
		"byGoroutine": {"goroutines"}, "byReceiving": {"goroutines"}, "byPointer": {"address in a text"}, "byValue": {"address in a text"},
		"byUnsafe": {"import unsafe", "address"}, "byFloat": {"floating point"},
		"byFused": {"floating point"}, "byFusedLater": {"floating point"}, "byMath": {"floating point"}, "byComplex": {"floating point"}, "byCapacity": {"capacity"}, "bySort": {"unstable sort"},
		"bySortFunc": {"unstable sort"}, "byWord": {"word size"}, "byRuntime": {"import runtime"},
	}
	got := map[string]bool{}
	for _, f := range check(t, "planted", map[string]string{"planted.go": planted}).findings() {
		got[f.key()] = true
	}
	for name, whats := range want {
		for _, what := range whats {
			if !got["planted "+name+": "+what] {
				t.Errorf("%s: %s was not found", name, what)
			}
		}
	}
	if got["planted rounded: floating point"] {
		t.Error("a product that is rounded was found")
	}
	constrained := check(t, "planted", map[string]string{"a_arm64.go": "package planted", "b.go": "//go:build amd64\n\npackage planted"})
	if n := len(constrained.findings()); n != 2 {
		t.Errorf("%d findings in files of one architecture, want 2", n)
	}
}

// listed is what `go list` says of a package.
type listed struct {
	ImportPath, Dir, Export           string
	GoFiles, IgnoredGoFiles, CgoFiles []string
}

// load reads the judged packages.
func load(t *testing.T) (sources []*source) {
	t.Helper()
	for _, p := range list(t, judged...) {
		rel := strings.TrimPrefix(p.ImportPath, module)
		if !slices.Contains(judged, rel) {
			continue
		}
		texts := map[string]string{}
		for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles, p.CgoFiles) {
			data, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			texts[name] = string(data)
		}
		sources = append(sources, check(t, rel, texts))
	}
	if len(sources) != len(judged) {
		t.Fatalf("%d packages read, want %d", len(sources), len(judged))
	}
	return sources
}

func list(t *testing.T, packages ...string) (all []listed) {
	t.Helper()
	args := []string{"list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles,IgnoredGoFiles,CgoFiles"}
	for _, p := range packages {
		if slices.Contains(judged, p) {
			p = module + p
		}
		args = append(args, p)
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// check parses the files of a package and finds the types in them.
func check(t *testing.T, path string, texts map[string]string) *source {
	t.Helper()
	s := &source{path: path, fset: token.NewFileSet(), info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}}
	var imported []string
	for name, text := range texts {
		f, err := parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, f)
		for _, i := range f.Imports {
			if p := strings.Trim(i.Path.Value, `"`); p != "unsafe" {
				imported = append(imported, p)
			}
		}
	}
	exports := map[string]string{}
	if len(imported) > 0 {
		slices.Sort(imported)
		for _, p := range list(t, slices.Compact(imported)...) {
			exports[p.ImportPath] = p.Export
		}
	}
	config := types.Config{Importer: importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	if _, err := config.Check(path, s.fset, s.files, s.info); err != nil {
		t.Fatalf("types of %s: %v", path, err)
	}
	return s
}

func (s *source) findings() (all []finding) {
	for _, f := range s.files {
		name := s.fset.Position(f.Package).Filename
		report := func(where, what string, at token.Pos) {
			all = append(all, finding{s.path + " " + where, what, s.fset.Position(at)})
		}
		if oneArchitecture(name, f) {
			report(name, "build constraint", f.Package)
		}
		for _, i := range f.Imports {
			if i.Name != nil && (i.Name.Name == "." || i.Name.Name == "_") {
				report(name, "import without a name", i.Pos())
			}
		}
		for _, decl := range f.Decls {
			for _, unit := range units(decl) {
				v := &visitor{source: s, where: unit.name, report: report, rounded: map[ast.Expr]bool{}}
				ast.Walk(v, unit.node)
			}
		}
	}
	return all
}

// oneArchitecture tells whether a file is not of every build.
func oneArchitecture(name string, f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:build") {
				return true
			}
		}
	}
	base := strings.TrimSuffix(filepath.Base(name), ".go")
	return strings.Contains(base, "_")
}

// unit is a function, or one of a file's other declarations.
type unit struct {
	name string
	node ast.Node
}

func units(decl ast.Decl) (all []unit) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		return []unit{{d.Name.Name, d}}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				all = append(all, unit{s.Names[0].Name, s})
			case *ast.TypeSpec:
				all = append(all, unit{s.Name.Name, s})
			}
		}
	}
	return all
}

// visitor looks at one unit.
type visitor struct {
	*source
	where  string
	report func(where, what string, at token.Pos)
	// rounded are products that are converted at once, which nothing can be
	// fused with.
	rounded map[ast.Expr]bool
}

func (v *visitor) found(what string, n ast.Node) { v.report(v.where, what, n.Pos()) }

// Visit implements ast.Visitor.
func (v *visitor) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.RangeStmt:
		if _, isMap := core(v.info.TypeOf(n.X)).(*types.Map); isMap {
			v.found("map range", n)
		}
	case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt:
		v.found("goroutines", n)
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			v.found("goroutines", n)
		}
	case *ast.AssignStmt:
		for _, to := range n.Lhs {
			v.written(to)
		}
		if n.Tok == token.MUL_ASSIGN && v.isFloat(n.Lhs[0]) {
			v.found("floating point", n)
		}
	case *ast.BinaryExpr:
		if n.Op == token.MUL && v.isFloat(n) && !v.rounded[n] {
			v.found("floating point", n)
		}
	case *ast.IncDecStmt:
		v.written(n.X)
	case *ast.CallExpr:
		v.call(n)
	case *ast.Ident:
		v.named(n)
	case *ast.BasicLit:
		if n.Kind == token.STRING && strings.Contains(n.Value, "%p") {
			v.found("address in a text", n)
		}
	}
	return v
}

func core(t types.Type) types.Type {
	if t == nil {
		return nil
	}
	return t.Underlying()
}

// written judges what is assigned to: nothing that outlives the call but what
// hangs on the machine.
func (v *visitor) written(to ast.Expr) {
	for {
		switch e := to.(type) {
		case *ast.IndexExpr:
			to = e.X
		case *ast.SelectorExpr:
			to = e.X
		case *ast.StarExpr:
			to = e.X
		case *ast.ParenExpr:
			to = e.X
		case *ast.Ident:
			if o, ok := v.info.Uses[e].(*types.Var); ok && o.Parent() == o.Pkg().Scope() {
				v.found("package state", e)
			}
			return
		default:
			return
		}
	}
}

// isFloat tells whether an expression is a floating-point number that is not
// known when the program is compiled.
func (v *visitor) isFloat(e ast.Expr) bool {
	t := v.info.Types[e]
	b, ok := core(t.Type).(*types.Basic)
	return ok && b.Info()&types.IsFloat != 0 && t.Value == nil
}

// converted judges a conversion. One of a product to a floating-point number
// rounds it; one to an integer says something else on every architecture where
// the number is out of range.
func (v *visitor) converted(n *ast.CallExpr) {
	arg := ast.Unparen(n.Args[0])
	switch to, _ := core(v.info.TypeOf(n)).(*types.Basic); {
	case to == nil:
	case to.Info()&types.IsFloat != 0:
		v.rounded[arg] = true
	case to.Info()&types.IsInteger != 0 && v.isFloat(arg):
		v.found("floating point", n)
	}
}

// exact are the functions of package math that compute nothing, or whose result
// is exact or the one that IEEE 754 demands.
var exact = strings.Fields("Inf NaN IsInf IsNaN Abs Signbit Copysign Float32bits Float32frombits Float64bits Float64frombits Sqrt Mod Frexp Ldexp")

// call judges what is called.
func (v *visitor) call(n *ast.CallExpr) {
	if v.info.Types[n.Fun].IsType() {
		v.converted(n)
		return
	}
	switch f := n.Fun.(type) {
	case *ast.Ident:
		if _, builtin := v.info.Uses[f].(*types.Builtin); builtin && f.Name == "cap" {
			v.found("capacity", n)
		}
	case *ast.SelectorExpr:
		o, ok := v.info.Uses[f.Sel].(*types.Func)
		if !ok || o.Pkg() == nil {
			return
		}
		switch name := o.Pkg().Path() + "." + o.Name(); {
		case o.Pkg().Path() == "fmt":
			v.addresses(n.Args)
		case o.Pkg().Path() == "math" && !slices.Contains(exact, o.Name()):
			v.found("floating point", n)
		case slices.Contains([]string{"sort.Slice", "sort.Sort", "slices.SortFunc", "slices.SortedFunc"}, name):
			v.found("unstable sort", n)
		}
	}
}

// addresses looks for what fmt would print as an address.
func (v *visitor) addresses(args []ast.Expr) {
	for _, arg := range args {
		t := v.info.TypeOf(arg)
		if types.Implements(t, errorType) || types.Implements(t, stringerType) {
			continue
		}
		switch u := core(t).(type) {
		case *types.Pointer:
			if _, isStruct := u.Elem().Underlying().(*types.Struct); !isStruct {
				v.found("address in a text", arg)
			}
		case *types.Chan, *types.Signature:
			v.found("address in a text", arg)
		}
	}
}

var (
	errorType    = types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
	stringerType = types.NewInterfaceType([]*types.Func{types.NewFunc(token.NoPos, nil, "String",
		types.NewSignatureType(nil, nil, nil, nil, types.NewTuple(types.NewVar(token.NoPos, nil, "", types.Typ[types.String])), false))}, nil).Complete()
)

// named judges what is referred to: of what package, and of what type.
func (v *visitor) named(id *ast.Ident) {
	o := v.info.Uses[id]
	if o == nil {
		o = v.info.Defs[id]
	}
	if o == nil {
		return
	}
	if p, ok := o.(*types.PkgName); ok {
		v.imported(p.Imported().Path(), id)
		return
	}
	if o.Pkg() != nil && slices.Contains([]string{"math.MaxInt", "math.MinInt", "math.MaxUint", "math/bits.UintSize", "strconv.IntSize"}, o.Pkg().Path()+"."+o.Name()) {
		v.found("word size", id)
	}
	if b, ok := core(o.Type()).(*types.Basic); ok {
		switch {
		case b.Kind() == types.Uintptr || b.Kind() == types.UnsafePointer:
			v.found("address", id)
		case b.Info()&types.IsComplex != 0 && b.Info()&types.IsUntyped == 0:
			v.found("floating point", id)
		}
	}
}

func (v *visitor) imported(path string, at ast.Node) {
	local := slices.Contains(judged, strings.TrimPrefix(path, module))
	switch {
	case path == "sync":
		v.found("sync", at)
	case !local && !slices.Contains(imports, path):
		v.found(fmt.Sprintf("import %s", path), at)
	}
}
