package queue

// Span is where a value stands in a text.
type Span struct{ From, To int }

// Spans tells where the values at a path, $.user.id or user.id, stand in a JSON
// text: more than one when an object has a name twice. What is no JSON has none.
func Spans(text, path string) ([]Span, *Error) {
	steps, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	var spans []Span
	for _, s := range find(text, steps) {
		spans = append(spans, Span{s.from, s.to})
	}
	return spans, nil
}

// Overlap says whether one of two paths leads to, or into, what the other leads
// to.
func Overlap(a, b string) bool {
	one, err := parsePath(a)
	if err != nil {
		return false
	}
	two, err := parsePath(b)
	if err != nil {
		return false
	}
	for i := range min(len(one), len(two)) {
		if one[i] != two[i] {
			return false
		}
	}
	return true
}
