// Package schema is JSON Schema for the data of jobs: draft 2020-12 with
// `format` asserted, within bounds. A schema refers to nothing outside itself,
// so that neither files nor networks are read; what data can make it do is
// bounded by steps; and what it says of data that does not validate is one
// line, which names the path and never shows the value.
package schema

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Limits of a schema and of what it is asked to validate.
const (
	MaxBytes        = 64 << 10  // of a schema
	MaxValues       = 4096      // JSON values in a schema
	MaxPattern      = 1024      // bytes of a regular expression
	maxInstructions = 2000      // of a regular expression, compiled: {1000} is a thousand
	MaxDataValues   = 100_000   // JSON values in data that is validated
	MaxDepth        = 128       // of either
	MaxNumber       = 100       // characters of a number in either; exponents are from -400 to 400
	maxSteps        = 1_000_000 // subschemas and patterns that are asked for one data, beside one for each of its bytes
)

// Schema is ready to validate. It may be used concurrently: one data at a time
// is looked at.
type Schema struct {
	mu       sync.Mutex // guards steps
	steps    int        // that are left
	compiled *jsonschema.Schema
}

// Compile reads a schema. Its error, an *Error, names the path in the schema.
func Compile(raw []byte) (_ *Schema, err error) {
	defer recovered(&err, "is too unusual to be compiled")
	if len(raw) > MaxBytes {
		return nil, &Error{nil, fmt.Sprintf("has %d bytes, must have at most %d", len(raw), MaxBytes)}
	}
	doc, err := decode(raw, MaxValues)
	if err != nil {
		return nil, err
	}
	switch doc.(type) {
	case map[string]any, bool:
	default:
		return nil, &Error{nil, "must be a JSON object, or true or false"}
	}
	s := &Schema{steps: maxSteps}
	if err := s.inspect(doc, nil); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(nothing{})
	c.UseRegexpEngine(s.pattern)
	if err := c.AddResource(location, doc); err != nil {
		return nil, explain(err)
	}
	if s.compiled, err = c.Compile(location); err != nil {
		return nil, explain(err)
	}
	s.count(reflect.ValueOf(s.compiled), map[*jsonschema.Schema]bool{})
	return s, nil
}

// location is the schema's own name, for references within it.
const location = "coffer:schema"

// nothing is what a schema can be loaded from.
type nothing struct{}

// Load implements jsonschema.URLLoader.
func (nothing) Load(url string) (any, error) {
	return nil, errors.New("must refer to the schema itself, with #")
}

// Validate says what is wrong with data, an *Error; nil when it validates. The
// error names the path and what is wanted, never the value: it may be secret.
func (s *Schema) Validate(data []byte) (err error) {
	value, err := decode(data, MaxDataValues)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer recovered(&err, "takes more than the schema may ask for: it must be smaller, or the schema simpler")
	s.steps = maxSteps + len(data)
	var failed *jsonschema.ValidationError
	if errors.As(s.compiled.Validate(value), &failed) {
		return first(failed)
	}
	return nil
}

// spend panics when there are no steps left; Validate recovers.
func (s *Schema) spend(steps int) {
	if s.steps -= steps; s.steps < 0 {
		panic(errSteps)
	}
}

var errSteps = errors.New("no steps left")

// recovered makes an error of a panic, ours or one of the library that data has
// found: neither may end the engine.
func recovered(err *error, text string) {
	if p := recover(); p != nil {
		*err = &Error{nil, text}
	}
}

// count has every subschema spend a step before it looks at what lies within.
// The library calls nothing of ours in between, but a format it asks each time.
func (s *Schema) count(v reflect.Value, seen map[*jsonschema.Schema]bool) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if sch, ok := v.Interface().(*jsonschema.Schema); ok && v.Kind() == reflect.Pointer {
			if sch == nil || seen[sch] {
				return
			}
			seen[sch] = true
			sch.Format = s.counted(sch.Format)
			for i := range v.Elem().NumField() {
				if v.Elem().Type().Field(i).IsExported() {
					s.count(v.Elem().Field(i), seen)
				}
			}
		} else if v.Kind() == reflect.Interface {
			s.count(v.Elem(), seen)
		}
	case reflect.Slice:
		for i := range v.Len() {
			s.count(v.Index(i), seen)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			s.count(it.Value(), seen)
		}
	}
}

func (s *Schema) counted(f *jsonschema.Format) *jsonschema.Format {
	if f == nil {
		f = &jsonschema.Format{Validate: func(any) error { return nil }}
	}
	return &jsonschema.Format{Name: f.Name, Validate: func(v any) error {
		s.spend(1)
		return f.Validate(v)
	}}
}

// pattern compiles a regular expression of bounded work, which spends steps.
func (s *Schema) pattern(text string) (jsonschema.Regexp, error) {
	if len(text) > MaxPattern {
		return nil, fmt.Errorf("has %d bytes, must have at most %d", len(text), MaxPattern)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%w: it must be a regular expression of RE2, which has neither look-around nor back references", err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	if len(program.Inst) > maxInstructions {
		return nil, fmt.Errorf("is too complex: it must have fewer or smaller repetitions, %d instructions in all, has %d", maxInstructions, len(program.Inst))
	}
	re, err := regexp.Compile(text)
	return &pattern{re, s, len(program.Inst)}, err
}

// pattern is a regular expression whose work is spent.
type pattern struct {
	*regexp.Regexp
	schema       *Schema
	instructions int
}

// MatchString implements jsonschema.Regexp. A step is about a thousand
// instructions on one character.
func (p *pattern) MatchString(text string) bool {
	p.schema.spend(1 + len(text)*p.instructions/1000)
	return p.Regexp.MatchString(text)
}

// Error says what is wrong where: in a schema, or in data.
type Error struct {
	Path []string // names and, in arrays, numbers; empty: the whole
	Text string   // "must be …"
}

// maxShown bounds what an error shows of a path or a schema, in bytes.
const maxShown = 200

// Where is the path as people write it, with dots; "" for the whole.
func (e *Error) Where() string { return shown(strings.Join(e.Path, ".")) }

// Error implements error.
func (e *Error) Error() string {
	if len(e.Path) == 0 {
		return e.Text
	}
	return e.Where() + ": " + e.Text
}

// shown makes one line of a text, and not a long one.
func shown(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return '?'
		}
		return r
	}, s)
	if len(s) > maxShown {
		s = string(bytes.ToValidUTF8([]byte(s[:maxShown]), nil)) + "…"
	}
	return s
}
