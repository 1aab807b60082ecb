package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Draft is the only one: what $schema may say.
const Draft = "https://json-schema.org/draft/2020-12/schema"

// formats are those that are asserted.
var formats = []string{
	"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "iri", "iri-reference", "json-pointer", "regex",
	"relative-json-pointer", "time", "uri", "uri-reference", "uri-template", "uuid",
}

// inspect looks for what the library would load, ignore, or do without bound.
func (s *Schema) inspect(doc any, path []string) error {
	switch v := doc.(type) {
	case []any:
		for i, item := range v {
			if err := s.inspect(item, append(path, fmt.Sprint(i))); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range sorted(v) {
			below := append(slices.Clone(path), name)
			text, isText := v[name].(string)
			if isText {
				if why := s.refused(name, text); why != "" {
					return &Error{below, why}
				}
			}
			switch name {
			case "const", "enum", "default", "examples":
				continue // values, not schemas
			}
			if err := s.inspect(v[name], below); err != nil {
				return err
			}
		}
	}
	return nil
}

// refused says why a keyword may not have that value.
func (s *Schema) refused(keyword, value string) string {
	switch {
	case keyword == "$schema" && strings.TrimSuffix(value, "#") != Draft:
		return "must be " + Draft
	case keyword == "$ref" && !strings.HasPrefix(value, "#"):
		return "must refer to the schema itself, with #: neither files nor networks are read"
	case keyword == "$dynamicRef", keyword == "$dynamicAnchor":
		return "is not supported; $ref and $anchor are"
	case keyword == "format" && !slices.Contains(formats, value):
		return "must be one of " + strings.Join(formats, ", ")
	case keyword == "pattern":
		if _, err := s.pattern(value); err != nil {
			return shown(err.Error())
		}
	}
	return ""
}

func sorted(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// explain makes our error of the compiler's.
func explain(err error) *Error {
	var invalid *jsonschema.SchemaValidationError
	var failed *jsonschema.ValidationError
	if errors.As(err, &invalid) && errors.As(invalid.Err, &failed) {
		return first(failed)
	}
	var pattern *jsonschema.InvalidRegexError
	if errors.As(err, &pattern) {
		return &Error{pathOf(pattern.URL), shown(pattern.Err.Error())}
	}
	return &Error{nil, "is no JSON Schema: " + shown(strings.ReplaceAll(err.Error(), location, ""))}
}

// pathOf is the path that a location of the library tells.
func pathOf(url string) []string {
	_, pointer, _ := strings.Cut(url, "#/")
	if pointer == "" {
		return nil
	}
	path := strings.Split(pointer, "/")
	for i := range path {
		path[i] = strings.NewReplacer("~1", "/", "~0", "~", "%24", "$", "%25", "%").Replace(path[i])
	}
	return path
}

// first is the failure to tell of: of those that no alternative could have
// helped, the one that stands first by its path.
func first(e *jsonschema.ValidationError) *Error {
	switch e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.AllOf, *kind.Reference:
		var found *Error
		for _, cause := range e.Causes {
			if f := first(cause); found == nil || slices.Compare(f.Path, found.Path) < 0 || slices.Equal(f.Path, found.Path) && f.Text < found.Text {
				found = f
			}
		}
		if found != nil {
			return found
		}
	}
	text := wanted(e.ErrorKind)
	if _, ok := e.ErrorKind.(*kind.AnyOf); ok {
		text = cmp.Or(alternatives(e), text)
	}
	return &Error{slices.Clone(e.InstanceLocation), text}
}

// alternatives is wanted for a choice between types and values; "" for one
// between anything else.
func alternatives(e *jsonschema.ValidationError) string {
	var types []string
	var among []any
	for _, cause := range e.Causes {
		for len(cause.Causes) == 1 {
			cause = cause.Causes[0]
		}
		if !slices.Equal(cause.InstanceLocation, e.InstanceLocation) {
			return ""
		}
		switch k := cause.ErrorKind.(type) {
		case *kind.Type:
			types = append(types, k.Want...)
		case *kind.Enum:
			among = append(among, k.Want...)
		case *kind.Const:
			among = append(among, k.Want)
		default:
			return ""
		}
	}
	ofType := "of type " + strings.Join(types, " or ")
	switch {
	case len(among) == 0:
		return "must be " + ofType
	case len(types) == 0:
		return "must be one of " + values(among...)
	}
	return "must be one of " + values(among...) + ", or " + ofType
}
