package job

import (
	"encoding/binary"
)

const hexDigits = "0123456789abcdef"

// AppendString appends a JSON string of valid UTF-8.
func AppendString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, text[from:]...)
	return append(dst, '"')
}

// AppendAnswer appends an answer, a JSON object on one line with at least one
// member, in a framing, with the reqId of its request, which may be nil.
func AppendAnswer(dst []byte, framing Framing, answer, reqID []byte) []byte {
	if framing != Frames {
		return append(appendWithReqID(dst, answer, reqID), '\n')
	}
	head := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = appendMessagePack(dst, appendWithReqID(make([]byte, 0, len(answer)+len(reqID)+16), answer, reqID))
	binary.BigEndian.PutUint32(dst[head:], uint32(len(dst)-head-lengthSize)) //nolint:gosec // what is answered is bounded far below
	return dst
}

func appendWithReqID(dst, answer, reqID []byte) []byte {
	if len(reqID) == 0 {
		return append(dst, answer...)
	}
	dst = append(dst, answer[:len(answer)-1]...)
	dst = append(dst, `,"reqId":`...)
	return append(append(dst, reqID...), '}')
}

// AppendError appends the answer to a request that is refused.
func AppendError(dst []byte, text string) []byte {
	dst = append(dst, `{"ok":false,"error":`...)
	return append(AppendString(dst, text), '}')
}
