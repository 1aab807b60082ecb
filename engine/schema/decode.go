package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// decode reads one JSON value within limits. A name that an object gives twice
// is refused: what was validated and what a worker reads could be different
// values.
func decode(raw []byte, maxValues int) (any, error) {
	d := decoder{json.NewDecoder(bytes.NewReader(raw)), maxValues, maxValues, nil}
	d.UseNumber()
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, &Error{nil, "must be one JSON value: something follows it"}
	}
	return v, nil
}

type decoder struct {
	*json.Decoder
	limit, left int
	path        []string
}

func (d *decoder) fail(format string, args ...any) error {
	return &Error{slices.Clone(d.path), fmt.Sprintf(format, args...)}
}

func (d *decoder) token() (json.Token, error) {
	t, err := d.Token()
	if err != nil {
		return nil, d.fail("is no JSON") // what the decoder says may show the value
	}
	return t, nil
}

func (d *decoder) value() (any, error) {
	t, err := d.token()
	if err != nil {
		return nil, err
	}
	if d.left--; d.left < 0 {
		return nil, &Error{nil, fmt.Sprintf("has more than %d values", d.limit)}
	}
	switch t := t.(type) {
	case json.Delim:
		if len(d.path) == MaxDepth {
			return nil, &Error{nil, fmt.Sprintf("is nested more than %d deep", MaxDepth)}
		}
		if t == '{' {
			return d.object()
		}
		return d.array()
	case json.Number:
		return t, d.number(string(t))
	}
	return t, nil
}

func (d *decoder) object() (any, error) {
	object := map[string]any{}
	for d.More() {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		d.path = append(d.path, name)
		if _, twice := object[name]; twice {
			return nil, d.fail("must be given once")
		}
		if object[name], err = d.value(); err != nil {
			return nil, err
		}
		d.path = d.path[:len(d.path)-1]
	}
	_, err := d.token()
	return object, err
}

func (d *decoder) array() (any, error) {
	array := []any{}
	for d.More() {
		d.path = append(d.path, strconv.Itoa(len(array)))
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		array = append(array, v)
		d.path = d.path[:len(d.path)-1]
	}
	_, err := d.token()
	return array, err
}

// number bounds what exact arithmetic would have to do.
func (d *decoder) number(text string) error {
	if len(text) > MaxNumber {
		return d.fail("must be a number of at most %d characters", MaxNumber)
	}
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		if exponent, err := strconv.Atoi(text[at+1:]); err != nil || exponent < -400 || exponent > 400 {
			return d.fail("must be a number with an exponent from -400 to 400")
		}
	}
	return nil
}
