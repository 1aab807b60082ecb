package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// wanted says what a value is not. It shows what the schema says, and of the
// value no more than its type or length.
func wanted(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("is of type %s, must be %s", k.Got, strings.Join(k.Want, " or "))
	case *kind.Enum:
		return "must be one of " + values(k.Want...)
	case *kind.Const:
		return "must be " + values(k.Want)
	case *kind.Format:
		return "must be a valid " + k.Want
	case *kind.Pattern:
		return "must match the pattern " + shown(k.Want)
	case *kind.Required:
		return "must have " + names(k.Missing)
	case *kind.DependentRequired:
		return fmt.Sprintf("must have %s, since it has %s", names(k.Missing), names([]string{k.Prop}))
	case *kind.AdditionalProperties:
		return "must not have " + names(k.Properties)
	case *kind.PropertyNames:
		return "must not have " + names([]string{k.Property}) + " by that name"
	case *kind.FalseSchema:
		return "must not be there"
	case *kind.UniqueItems:
		return fmt.Sprintf("must have different elements, %d and %d are equal", k.Duplicates[0], k.Duplicates[1])
	case *kind.RefCycle:
		return "cannot be validated: the schema refers to itself without end"
	}
	return bound(k)
}

// bound is wanted for what has a size.
func bound(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinLength:
		return fmt.Sprintf("has %d characters, must have at least %d", k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("has %d characters, must have at most %d", k.Got, k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("has %d elements, must have at least %d", k.Got, k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("has %d elements, must have at most %d", k.Got, k.Want)
	case *kind.MinProperties:
		return fmt.Sprintf("has %d properties, must have at least %d", k.Got, k.Want)
	case *kind.MaxProperties:
		return fmt.Sprintf("has %d properties, must have at most %d", k.Got, k.Want)
	case *kind.Minimum:
		return "must be at least " + number(k.Want)
	case *kind.Maximum:
		return "must be at most " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + number(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + number(k.Want)
	case *kind.Contains:
		return "must have an element that validates under contains"
	case *kind.MinContains:
		return fmt.Sprintf("must have at least %d elements that validate under contains", k.Want)
	case *kind.MaxContains:
		return fmt.Sprintf("must have at most %d elements that validate under contains", k.Want)
	case *kind.AnyOf:
		return "must validate under one of anyOf"
	case *kind.OneOf:
		return "must validate under exactly one of oneOf"
	case *kind.Not:
		return "must not validate under not"
	}
	return "does not validate"
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return shown(r.Num().String())
	}
	f, _ := r.Float64()
	return fmt.Sprint(f)
}

func names(properties []string) string {
	if len(properties) == 1 {
		return "the property " + shown(properties[0])
	}
	return "the properties " + shown(strings.Join(properties, ", "))
}

func values(want ...any) string {
	texts := make([]string, len(want))
	for i, v := range want {
		b, _ := json.Marshal(v) // it was JSON
		texts[i] = string(b)
	}
	return shown(strings.Join(texts, ", "))
}
