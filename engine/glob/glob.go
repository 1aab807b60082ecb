// Package glob matches strings with the patterns that KEYS, SCAN and access
// rules are written in, exactly as redis-server's stringmatchlen does:
//
//   - any bytes, also none
//     ?       any one byte
//     [abc]   one of these; [a-z] one in the range; [^a] any but this
//     \x      the byte x itself
//
// A permission and a listing must never disagree about what a pattern covers,
// so there is one matcher for both.
package glob

// maxWork bounds the bytes of pattern that are looked at to match one string.
// Only a long pattern that almost matches a long string at many places comes
// near it; such a string counts as not matching: not listed, not permitted.
const maxWork = 256 << 10

// Match reports whether the whole of s matches the pattern. It goes back to the
// last star only, so its work is at most pattern × string, and within maxWork.
// The empty string matches "*" and "" only, as in redis-server.
func Match(pattern, s []byte) bool {
	ok, _ := MatchWork(pattern, s)
	return ok
}

// MatchWork is Match that also tells how many bytes of pattern it looked at.
func MatchWork(pattern, s []byte) (ok bool, work int) {
	if string(pattern) == "*" {
		return true, 0
	}
	if len(s) == 0 {
		return len(pattern) == 0, 0
	}
	p, i := 0, 0
	star, resume := -1, 0 // behind the last star; where its next try begins
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			if p++; p == len(pattern) {
				return true, work // whatever comes
			}
			star, resume = p, i
			continue
		}
		if p < len(pattern) {
			next, ok := matchOne(pattern, p, s[i])
			work += next - p
			if ok {
				p, i = next, i+1
				continue
			}
		}
		if star < 0 || work > maxWork {
			return false, work
		}
		resume++
		p, i = star, resume
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern), work
}

// matchOne matches one byte against the pattern's element at p and returns
// where the next element begins.
func matchOne(pattern []byte, p int, c byte) (next int, ok bool) {
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchClass(pattern, p+1, c)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, pattern[p] == c
}

// matchClass matches the class whose content begins at p. A class that is not
// closed ends with the pattern.
func matchClass(pattern []byte, p int, c byte) (next int, ok bool) {
	not := p < len(pattern) && pattern[p] == '^'
	if not {
		p++
	}
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch rest := pattern[p:]; {
		case rest[0] == '\\' && len(rest) >= 2:
			p++
			ok = ok || pattern[p] == c
		case len(rest) >= 3 && rest[1] == '-':
			low, high := min(rest[0], rest[2]), max(rest[0], rest[2])
			ok = ok || low <= c && c <= high
			p += 2
		default:
			ok = ok || rest[0] == c
		}
	}
	return min(p+1, len(pattern)), ok != not
}
