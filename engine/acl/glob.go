package acl

// Match reports whether the whole of s matches the glob pattern, with redis's
// rules: `*`, `?`, `[abc]`, `[^a-z]`, and a backslash that takes the next byte
// as it is.
//
// Only the last star is ever retried, so the work is at most len(pattern) ×
// len(s), whatever the pattern: no recursion, no blow-up.
func Match(pattern, s []byte) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			star, mark = p, i
			p++
			continue
		}
		if p < len(pattern) {
			if ok, width := matchOne(pattern[p:], s[i]); ok {
				p += width
				i++
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark++
		p, i = star+1, mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchOne matches one byte against the first element of a pattern that is not
// empty, and says how long that element is.
func matchOne(pattern []byte, c byte) (ok bool, width int) {
	switch pattern[0] {
	case '?':
		return true, 1
	case '[':
		return matchClass(pattern, c)
	case '\\':
		if len(pattern) >= 2 {
			return pattern[1] == c, 2
		}
	}
	return pattern[0] == c, 1
}

// matchClass matches `[…]`. A class that is never closed ends with the
// pattern, as in redis.
func matchClass(pattern []byte, c byte) (ok bool, width int) {
	i := 1
	negated := i < len(pattern) && pattern[i] == '^'
	if negated {
		i++
	}
	for ; i < len(pattern) && pattern[i] != ']'; i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			i++
			ok = ok || pattern[i] == c
		case i+2 < len(pattern) && pattern[i+1] == '-':
			low, high := min(pattern[i], pattern[i+2]), max(pattern[i], pattern[i+2])
			ok = ok || low <= c && c <= high
			i += 2
		default:
			ok = ok || pattern[i] == c
		}
	}
	return ok != negated, min(i+1, len(pattern))
}
