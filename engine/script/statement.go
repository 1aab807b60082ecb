package script

// control says how a statement ended.
type control uint8

const (
	goOn control = iota
	breaks
	returns
)

type statement func(f *frame) control

// block is statements, and the steps that they take without those of the blocks
// in them.
type block struct {
	statements []statement
	cost       int
}

func (b *block) run(f *frame) control {
	f.run.spend(b.cost)
	for _, s := range b.statements {
		if c := s(f); c != goOn {
			return c
		}
	}
	return goOn
}

// statement parses one.
func (p *parser) statement() statement {
	p.fn.cost++
	line := p.now.line
	switch p.now.kind {
	case "if":
		return p.ifStatement(line)
	case "while":
		return p.whileStatement(line)
	case "do":
		p.advance()
		b := p.block()
		p.match("end", "do", line)
		return b.run
	case "for":
		return p.forStatement(line)
	case "repeat":
		return p.repeatStatement(line)
	case "function":
		return p.functionStatement(line)
	case "local":
		p.advance()
		if p.accept("function") {
			return p.localFunction(line)
		}
		return p.localStatement()
	case "return":
		p.advance()
		return p.returnStatement()
	case "break":
		p.advance()
		if p.fn.loops == 0 {
			p.fail(p.line, "no loop to break", p.near())
		}
		return func(*frame) control { return breaks }
	}
	return p.expressionStatement()
}

// branch is one of an if.
type branch struct {
	condition *expression // nil for else
	body      block
}

func (p *parser) ifStatement(line int) statement {
	var branches []branch
	for {
		p.advance() // if or elseif
		condition := p.expression()
		p.expect("then")
		branches = append(branches, branch{condition, p.block()})
		if p.now.kind != "elseif" {
			break
		}
	}
	if p.accept("else") {
		branches = append(branches, branch{nil, p.block()})
	}
	p.match("end", "if", line)
	return func(f *frame) control {
		for i := range branches {
			b := &branches[i]
			if b.condition == nil || truth(b.condition.get(f)) {
				return b.body.run(f)
			}
		}
		return goOn
	}
}

// loop parses a loop's body, and adds to its cost what else each round takes.
func (p *parser) loop(each int) block {
	p.fn.loops++
	b := p.block()
	p.fn.loops--
	b.cost += each
	return b
}

func (p *parser) whileStatement(line int) statement {
	p.advance()
	before := p.fn.cost
	condition := p.expression()
	p.expect("do")
	body := p.loop(p.fn.cost - before)
	p.match("end", "while", line)
	return func(f *frame) control {
		for truth(condition.get(f)) {
			switch body.run(f) {
			case breaks:
				return goOn
			case returns:
				return returns
			}
		}
		return goOn
	}
}

// repeatStatement: the condition sees the body's variables.
func (p *parser) repeatStatement(line int) statement {
	p.advance()
	saved := p.fn.cost
	p.fn.cost = 1
	var body block
	var condition *expression
	p.fn.loops++
	p.scoped(func() {
		body.statements = p.statements()
		p.match("until", "repeat", line)
		condition = p.expression()
	})
	p.fn.loops--
	body.cost = p.fn.cost
	p.fn.cost = saved
	return func(f *frame) control {
		for {
			switch body.run(f) {
			case breaks:
				return goOn
			case returns:
				return returns
			}
			if truth(condition.get(f)) {
				return goOn
			}
		}
	}
}

func (p *parser) forStatement(line int) (s statement) {
	p.advance()
	p.scoped(func() {
		name := p.identifier()
		switch p.now.kind {
		case "=":
			s = p.numericFor(name, line)
		case ",", "in":
			s = p.genericFor(name, line)
		default:
			p.wrong("'=' or 'in' expected")
		}
	})
	return s
}

func (p *parser) numericFor(name string, line int) statement {
	p.advance()
	parts := []*expression{p.expression()}
	p.expect(",")
	parts = append(parts, p.expression())
	if p.accept(",") {
		parts = append(parts, p.expression())
	} else {
		parts = append(parts, constant(1.0))
	}
	p.expect("do")
	l := p.declare(name)
	body := p.loop(1)
	p.match("end", "for", line)
	return func(f *frame) control {
		var n [3]float64
		for i, e := range parts {
			var ok bool
			if n[i], ok = toNumber(e.get(f)); !ok {
				f.faultAt(line, "'for' %s must be a number", [...]string{"initial value", "limit", "step"}[i])
			}
		}
		step := n[2]
		for i := n[0]; step > 0 && i <= n[1] || step <= 0 && i >= n[1]; i += step {
			f.declare(l, numeric(i))
			switch body.run(f) {
			case breaks:
				return goOn
			case returns:
				return returns
			}
		}
		return goOn
	}
}

func (p *parser) genericFor(name string, line int) statement {
	names := []string{name}
	for p.accept(",") {
		names = append(names, p.identifier())
	}
	p.expect("in")
	list := p.list()
	p.expect("do")
	var variables []*local
	for _, name := range names {
		variables = append(variables, p.declare(name))
	}
	body := p.loop(1)
	p.match("end", "for", line)
	return func(f *frame) control {
		v := append(values(f, list, nil), nil, nil, nil)
		iterator, state, at := v[0], v[1], v[2]
		pair := []value{state, at}
		for {
			fn, args := f.run.callable(iterator, pair)
			if fn == nil {
				f.faultAt(line, "attempt to call a %s value", typeName(iterator))
			}
			f.line = line
			results := f.run.invoke(fn, args)
			if fn.holds() {
				pair = []value{state, nil}
			}
			if at = first(results); at == nil {
				return goOn
			}
			pair[0], pair[1] = state, at
			for i, l := range variables {
				f.declare(l, nth(results, i))
			}
			switch body.run(f) {
			case breaks:
				return goOn
			case returns:
				return returns
			}
		}
	}
}

// nth is the value at a place, nil where there is none.
func nth(values []value, i int) value {
	if i < len(values) {
		return values[i]
	}
	return nil
}

func (p *parser) functionStatement(line int) statement {
	p.advance()
	at := p.now.line
	target := p.made(p.variable(p.identifier(), at))
	method := false
	for !method && (p.now.kind == "." || p.now.kind == ":") {
		method = p.now.kind == ":"
		p.advance()
		target = p.made(fieldOf(target, constant(p.identifier()), at))
	}
	fn := p.function(method, line)
	assign := target.assign()
	return func(f *frame) control {
		to := assign(f)
		to(fn.get(f))
		return goOn
	}
}

func (p *parser) localFunction(line int) statement {
	l := p.declare(p.identifier())
	fn := p.function(false, line)
	if l.captured { // by itself, before it has a value
		l.assign()
	}
	return func(f *frame) control {
		f.declare(l, nil)
		setLocal(f, l, fn.get(f))
		return goOn
	}
}

func (p *parser) localStatement() statement {
	names := []string{p.identifier()}
	for p.accept(",") {
		names = append(names, p.identifier())
	}
	var list []*expression
	if p.accept("=") {
		list = p.list()
	}
	var variables []*local
	for _, name := range names {
		variables = append(variables, p.declare(name))
	}
	p.fn.cost += len(names)
	if len(variables) == 1 && len(list) == 1 {
		l, e := variables[0], list[0]
		return func(f *frame) control {
			f.declare(l, e.get(f))
			return goOn
		}
	}
	return func(f *frame) control {
		v := values(f, list, f.run.room())
		for i, l := range variables {
			f.declare(l, nth(v, i))
		}
		f.run.leave(v)
		return goOn
	}
}

func (p *parser) returnStatement() statement {
	var list []*expression
	if !p.blockEnds() && p.now.kind != ";" {
		list = p.list()
	}
	if len(list) == 1 && list[0].call != nil {
		c, line := list[0].call, list[0].line
		return func(f *frame) control {
			f.results, f.tail = c.begin(f, line)
			return returns
		}
	}
	if len(list) == 1 && list[0].all == nil {
		e := list[0]
		return func(f *frame) control {
			f.results = f.run.one(e.get(f))
			return returns
		}
	}
	return func(f *frame) control {
		f.kept = values(f, list, f.kept[:0])
		f.results = f.kept
		return returns
	}
}

// expressionStatement is a call or an assignment.
func (p *parser) expressionStatement() statement {
	e := p.primary()
	if e.call != nil && p.now.kind != "=" && p.now.kind != "," {
		return func(f *frame) control {
			e.get(f)
			return goOn
		}
	}
	targets := []*expression{e}
	for p.accept(",") {
		targets = append(targets, p.primary())
	}
	for _, t := range targets {
		if t.kind == "" || t.kind == "constant" || t.fixed {
			p.wrong("syntax error")
		}
	}
	p.expect("=")
	list := p.list()
	if len(targets) == 1 && len(list) == 1 {
		return assignOne(e, list[0])
	}
	return assignMany(targets, list)
}

func assignOne(target, e *expression) statement {
	if target.kind == "local" {
		target.local.assign()
		return func(f *frame) control {
			setLocal(f, target.local, e.get(f))
			return goOn
		}
	}
	if target.kind == "field" {
		return func(f *frame) control {
			o := target.object.get(f)
			k := target.key.get(f)
			target.setField(f, o, k, e.get(f))
			return goOn
		}
	}
	assign := target.assign()
	return func(f *frame) control {
		assign(f)(e.get(f))
		return goOn
	}
}

// assignMany evaluates everything, then stores from the last to the first.
func assignMany(targets, list []*expression) statement {
	assigns := make([]func(f *frame) func(v value), len(targets))
	for i, t := range targets {
		assigns[i] = t.assign()
	}
	return func(f *frame) control {
		stores := make([]func(v value), len(assigns))
		for i, assign := range assigns {
			stores[i] = assign(f)
		}
		v := values(f, list, nil)
		for i := len(stores) - 1; i >= 0; i-- {
			stores[i](nth(v, i))
		}
		return goOn
	}
}
