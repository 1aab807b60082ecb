package script

import "fmt"

// maxNesting bounds how deep a text is nested, maxLocals a function's variables
// at a time and maxCaptures those of others that it uses, as Lua does.
const (
	maxNesting  = 200
	maxLocals   = 200
	maxCaptures = 60
)

// parser reads a text and makes closures of it. Errors are panics with a
// *syntaxError.
type parser struct {
	lexer
	now, ahead token
	peeked     bool
	last       int // line of the token before
	fn         *scope
	chunk      *chunk
	nesting    int
}

// scope is a function that is being parsed.
type scope struct {
	proto   *proto
	outer   *scope
	active  []*local
	outside []*local // the variables of captures
	cost    int      // of what was parsed of the block at hand
	loops   int
	nesting int // where the function begins
}

// parse compiles a text. An error's text is as Lua words it.
func parse(text string, c *chunk) (p *proto, err *syntaxError) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *syntaxError:
			p, err = nil, e
		default:
			panic(e)
		}
	}()
	ps := &parser{lexer: lexer{name: c.name, src: text, line: 1}, chunk: c}
	ps.open()
	ps.fn.proto.vararg = true
	ps.advance()
	body := ps.block()
	if ps.now.kind != tokenEnd {
		ps.expected(tokenEnd)
	}
	return ps.close(body), nil
}

func (p *parser) advance() {
	p.last = p.now.line
	if p.peeked {
		p.now, p.peeked = p.ahead, false
		return
	}
	p.now = p.next()
}

func (p *parser) peekNext() token {
	if !p.peeked {
		p.ahead, p.peeked = p.next(), true
	}
	return p.ahead
}

// near is the token at hand as errors show it.
func (p *parser) near() string {
	if raw := p.now.raw; len(raw) == 1 && (raw[0] < ' ' || raw[0] == 0x7f) {
		return fmt.Sprintf("char(%d)", raw[0])
	} else if p.now.kind != tokenEnd {
		return raw
	}
	return tokenEnd
}

// wrong raises an error at the token at hand.
func (p *parser) wrong(message string) { p.fail(p.line, message, p.near()) }

func (p *parser) expected(kind string) { p.wrong("'" + kind + "' expected") }

func (p *parser) accept(kind string) bool {
	if p.now.kind != kind {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(kind string) {
	if !p.accept(kind) {
		p.expected(kind)
	}
}

// match expects what ends something that began on a line.
func (p *parser) match(what, begun string, line int) {
	if p.accept(what) {
		return
	}
	if line == p.line {
		p.expected(what)
	}
	p.wrong("'" + what + "' expected (to close '" + begun + "' at line " + formatNumber(float64(line)) + ")")
}

func (p *parser) identifier() string {
	if p.now.kind != tokenName {
		p.expected(tokenName)
	}
	name := p.now.text
	p.advance()
	return name
}

// enter and leave count how deep the text is nested.
func (p *parser) enter() {
	if p.nesting++; p.nesting > maxNesting {
		p.fail(p.line, "chunk has too many syntax levels", "")
	}
	p.fn.deep(p.nesting - p.fn.nesting)
}

func (p *parser) leave() { p.nesting-- }

// deep notes how deep the function is nested.
func (s *scope) deep(depth int) { s.proto.nesting = max(s.proto.nesting, depth) }

func (p *parser) open() {
	p.fn = &scope{proto: &proto{chunk: p.chunk}, outer: p.fn, nesting: p.nesting}
}

func (p *parser) close(body block) *proto {
	done := p.fn.proto
	done.body = body
	p.fn = p.fn.outer
	return done
}

// declare makes a variable that what follows can see.
func (p *parser) declare(name string) *local {
	if len(p.fn.active) >= maxLocals {
		p.fail(p.line, p.tooMany(maxLocals, "local variables"), "")
	}
	l := &local{name: name, slot: len(p.fn.active)}
	p.fn.active = append(p.fn.active, l)
	p.fn.proto.slots = max(p.fn.proto.slots, len(p.fn.active))
	return l
}

func (p *parser) tooMany(limit int, what string) string {
	where := "main function"
	if p.fn.outer != nil {
		where = "function"
	}
	return where + " has more than " + formatNumber(float64(limit)) + " " + what
}

// scoped parses something whose variables end with it.
func (p *parser) scoped(parse func()) {
	n := len(p.fn.active)
	parse()
	p.fn.active = p.fn.active[:n]
}

// variable finds what a name means.
func (p *parser) variable(name string, line int) *expression {
	if l := p.fn.local(name); l != nil {
		return localVariable(l)
	}
	if i := p.capture(p.fn, name); i >= 0 {
		return upvalue(p.fn.outside[i], i)
	}
	return global(name, line)
}

func (s *scope) local(name string) *local {
	for i := len(s.active) - 1; i >= 0; i-- {
		if s.active[i].name == name {
			return s.active[i]
		}
	}
	return nil
}

// capture is a function's place for a variable of one around it, -1 if there is
// none of that name.
func (p *parser) capture(s *scope, name string) int {
	for i, l := range s.outside {
		if l.name == name {
			return i
		}
	}
	if s.outer == nil {
		return -1
	}
	c := capture{slot: -1}
	l := s.outer.local(name)
	if l != nil {
		l.capture()
		c.slot = l.slot
	} else if c.outer = p.capture(s.outer, name); c.outer < 0 {
		return -1
	} else {
		l = s.outer.outside[c.outer]
	}
	if len(s.outside) >= maxCaptures {
		p.fail(p.line, p.tooMany(maxCaptures, "upvalues"), "")
	}
	s.outside = append(s.outside, l)
	s.proto.captures = append(s.proto.captures, c)
	return len(s.outside) - 1
}

// block parses statements up to what ends them.
func (p *parser) block() block {
	saved := p.fn.cost
	p.fn.cost = 1
	var b block
	p.scoped(func() { b.statements = p.statements() })
	b.cost = p.fn.cost
	p.fn.cost = saved
	return b
}

func (p *parser) statements() (all []statement) {
	for last := false; !last && !p.blockEnds(); {
		last = p.now.kind == "return" || p.now.kind == "break"
		p.enter()
		all = append(all, p.statement())
		p.leave()
		p.accept(";")
	}
	return all
}

func (p *parser) blockEnds() bool {
	switch p.now.kind {
	case tokenEnd, "end", "else", "elseif", "until":
		return true
	}
	return false
}

// Precedences of binary operators, to the left and to the right, as in Lua.
var precedences = map[string][2]int{
	"or": {1, 1}, "and": {2, 2}, "<": {3, 3}, ">": {3, 3}, "<=": {3, 3}, ">=": {3, 3}, "~=": {3, 3}, "==": {3, 3},
	"..": {5, 4}, "+": {6, 6}, "-": {6, 6}, "*": {7, 7}, "/": {7, 7}, "%": {7, 7}, "^": {10, 9},
}

const unaryPrecedence = 8

func (p *parser) expression() *expression { return p.subexpression(0) }

func (p *parser) subexpression(limit int) *expression {
	p.enter()
	var left *expression
	switch op := p.now.kind; op {
	case "not", "-", "#":
		line := p.now.line
		p.advance()
		left = p.made(unary(op, p.subexpression(unaryPrecedence), line))
	default:
		left = p.simple()
	}
	for {
		op := p.now.kind
		precedence, isOperator := precedences[op]
		if !isOperator || precedence[0] <= limit {
			break
		}
		line := p.now.line
		p.advance()
		right := p.subexpression(precedence[1])
		left = p.combine(op, left, right, line)
	}
	p.leave()
	return left
}

func (p *parser) combine(op string, left, right *expression, line int) *expression {
	if op != ".." {
		return p.made(infix(op, left, right, line))
	}
	parts := []*expression{left}
	if right.parts != nil {
		parts = append(parts, right.parts...)
	} else {
		parts = append(parts, right)
	}
	return p.made(concatenation(parts, line))
}

// made counts an expression.
func (p *parser) made(e *expression) *expression {
	p.fn.cost++
	p.fn.deep(e.depth)
	return e
}

// simple parses what no operator leads.
func (p *parser) simple() *expression {
	t := p.now
	var e *expression
	switch t.kind {
	case tokenNumber:
		e = constant(t.number)
	case tokenString:
		e = constant(t.text)
	case "nil":
		e = constant(nil)
	case "true":
		e = constant(true)
	case "false":
		e = constant(false)
	case "...":
		if !p.fn.proto.vararg {
			p.wrong("cannot use '...' outside a vararg function")
		}
		e = varargs()
	case "{":
		return p.constructor()
	case "function":
		p.advance()
		return p.function(false, t.line)
	default:
		return p.primary()
	}
	p.advance()
	return p.made(e)
}

// primary parses a variable with what follows it: fields and calls.
func (p *parser) primary() *expression {
	e := p.prefix()
	for {
		switch p.now.kind {
		case ".":
			line := p.now.line
			p.advance()
			e = p.made(fieldOf(e, constant(p.identifier()), line))
		case "[":
			line := p.now.line
			e = p.made(fieldOf(e, p.key(), line))
		case ":":
			p.advance()
			name := p.identifier()
			line := p.now.line
			e = p.made(calling(&callParts{fn: e, method: name, args: p.arguments()}, line))
		case "(", tokenString, "{":
			line := p.now.line
			e = p.made(calling(&callParts{fn: e, args: p.arguments()}, line))
		default:
			return e
		}
	}
}

func (p *parser) prefix() *expression {
	t := p.now
	switch t.kind {
	case "(":
		p.advance()
		e := p.expression()
		p.match(")", "(", t.line)
		return e.parenthesized()
	case tokenName:
		p.advance()
		return p.made(p.variable(t.text, t.line))
	}
	p.wrong("unexpected symbol")
	return nil
}

func (p *parser) key() *expression {
	p.advance()
	e := p.expression()
	p.expect("]")
	return e
}

func (p *parser) arguments() []*expression {
	t := p.now
	switch t.kind {
	case tokenString:
		p.advance()
		return []*expression{p.made(constant(t.text))}
	case "{":
		return []*expression{p.constructor()}
	case "(":
	default:
		p.wrong("function arguments expected")
	}
	if t.line != p.last {
		p.wrong("ambiguous syntax (function call x new statement)")
	}
	p.advance()
	if p.accept(")") {
		return nil
	}
	list := p.list()
	p.match(")", "(", t.line)
	return list
}

// list parses expressions between commas.
func (p *parser) list() []*expression {
	list := []*expression{p.expression()}
	for p.accept(",") {
		list = append(list, p.expression())
	}
	return list
}

func (p *parser) constructor() *expression {
	line := p.now.line
	p.expect("{")
	var fields []tableField
	for p.now.kind != "}" {
		switch {
		case p.now.kind == "[":
			key := p.key()
			p.expect("=")
			fields = append(fields, tableField{key, p.expression()})
		case p.now.kind == tokenName && p.peekNext().kind == "=":
			key := constant(p.identifier())
			p.advance()
			fields = append(fields, tableField{key, p.expression()})
		default:
			fields = append(fields, tableField{nil, p.expression()})
		}
		if !p.accept(",") && !p.accept(";") {
			break
		}
	}
	p.match("}", "{", line)
	p.fn.cost += len(fields)
	return p.made(constructor(fields, line))
}

// function parses parameters and a body.
func (p *parser) function(method bool, line int) *expression {
	p.open()
	fn := p.fn.proto
	if method {
		fn.params = append(fn.params, p.declare("self"))
	}
	p.expect("(")
	for p.now.kind != ")" {
		switch p.now.kind {
		case "...":
			p.advance()
			fn.vararg = true
		case tokenName:
			fn.params = append(fn.params, p.declare(p.identifier()))
		default:
			p.wrong("<name> or '...' expected")
		}
		if fn.vararg || !p.accept(",") {
			break
		}
		if p.now.kind == ")" {
			p.wrong("<name> or '...' expected")
		}
	}
	p.expect(")")
	body := p.block()
	p.match("end", "function", line)
	return p.made(closure(p.close(body)))
}
