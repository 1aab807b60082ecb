package resp

// errQuotes is redis's answer to a quote that is not closed, or that is
// followed by something other than a space.
const errQuotes = ProtocolError("unbalanced quotes in request")

// splitWords splits an inline request as redis's sdssplitargs: words, 'single
// quotes' in which only \' is special, and "double quotes" with \n \r \t \b \a
// and \xHH.
func splitWords(line []byte) ([][]byte, error) {
	var words [][]byte
	for i := 0; ; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			return words, nil
		}
		word, next, err := oneWord(line, i)
		if err != nil {
			return nil, err
		}
		words = append(words, word)
		i = next
	}
}

// oneWord reads the word at i; quotes may start within it.
func oneWord(line []byte, i int) (word []byte, next int, err error) {
	word = []byte{}
	for i < len(line) && !isSpace(line[i]) {
		switch line[i] {
		case '"', '\'':
			word, i, err = quoted(word, line, i)
			if err != nil {
				return nil, 0, err
			}
		default:
			word = append(word, line[i])
			i++
		}
	}
	return word, i, nil
}

// quoted appends what stands between the quote at i and the next one.
func quoted(word, line []byte, i int) ([]byte, int, error) {
	quote := line[i]
	for i++; i < len(line); i++ {
		c := line[i]
		switch {
		case c == quote:
			if i+1 < len(line) && !isSpace(line[i+1]) {
				return nil, 0, errQuotes
			}
			return word, i + 1, nil
		case c == '\\' && quote == '\'' && i+1 < len(line) && line[i+1] == '\'':
			word = append(word, '\'')
			i++
		case c == '\\' && quote == '"' && i+1 < len(line):
			var width int
			c, width = escape(line[i+1:])
			word = append(word, c)
			i += width
		default:
			word = append(word, c)
		}
	}
	return nil, 0, errQuotes
}

// escape decodes what follows a backslash.
func escape(b []byte) (c byte, width int) {
	if b[0] == 'x' && len(b) >= 3 {
		high, ok1 := hexDigit(b[1])
		low, ok2 := hexDigit(b[2])
		if ok1 && ok2 {
			return high<<4 | low, 3
		}
	}
	switch b[0] {
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'b':
		return '\b', 1
	case 'a':
		return '\a', 1
	}
	return b[0], 1
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

func isSpace(c byte) bool {
	return c == ' ' || c == 0 || c >= '\t' && c <= '\r'
}
