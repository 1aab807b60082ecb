// Package resp is the codec of the Redis serialization protocol, versions 2
// and 3, and nothing else: a bounded reader of requests, the writer of
// replies.
//
// A request is an array of bulk strings, or an inline command:
//
//	*<count>\r\n ( $<length>\r\n <length bytes> \r\n ) × count
//	word word "quoted \x00 word" 'quoted word'\r\n
//
// Every length is checked against its limit before anything is allocated for
// it. Replies follow
// https://redis.io/docs/latest/develop/reference/protocol-spec/; kinds that
// RESP2 lacks are written as redis-server 7.0 writes them there.
package resp

import (
	"strconv"

	"github.com/coffer-dev/coffer/engine/reply"
)

// AppendReply appends r as a client of protocol version proto (2 or 3) reads
// it, and returns the extended buffer.
func AppendReply(dst []byte, proto int, r reply.Reply) []byte {
	if proto < 3 {
		return appendReply2(dst, r)
	}
	return appendReply3(dst, r)
}

func appendReply2(dst []byte, r reply.Reply) []byte {
	switch r.Kind {
	case reply.KindSeveral:
		for i := range r.Items {
			dst = appendReply2(dst, r.Items[i])
		}
		return dst
	case reply.KindSimple:
		return appendLine(dst, '+', r.Str)
	case reply.KindError:
		return appendLine(dst, '-', r.Str)
	case reply.KindInteger, reply.KindBool:
		return appendNumber(dst, ':', r.Int)
	case reply.KindBulk, reply.KindVerbatim, reply.KindBigNumber:
		return reply.AppendBulk(dst, r.Str)
	case reply.KindDouble:
		return reply.AppendBulk(dst, r.DoubleText())
	case reply.KindNullArray:
		return append(dst, "*-1\r\n"...)
	case reply.KindArray, reply.KindSet, reply.KindMap, reply.KindPush, reply.KindPairs:
		dst = appendNumber(dst, '*', int64(r.Len()))
		for i := range r.Items {
			dst = appendReply2(dst, r.Items[i])
		}
		return append(dst, r.Str...)
	case reply.KindAttribute:
		return dst
	case reply.KindPairedMap:
		dst = appendNumber(dst, '*', int64(len(r.Items)/2))
		for i := range r.Items {
			if i%2 == 0 {
				dst = append(dst, "*2\r\n"...)
			}
			dst = appendReply2(dst, r.Items[i])
		}
		return dst
	default:
		return append(dst, "$-1\r\n"...)
	}
}

func appendReply3(dst []byte, r reply.Reply) []byte {
	switch r.Kind {
	case reply.KindSeveral:
		for i := range r.Items {
			dst = appendReply3(dst, r.Items[i])
		}
		return dst
	case reply.KindSimple:
		return appendLine(dst, '+', r.Str)
	case reply.KindError:
		return appendLine(dst, '-', r.Str)
	case reply.KindInteger:
		return appendNumber(dst, ':', r.Int)
	case reply.KindBulk:
		return reply.AppendBulk(dst, r.Str)
	case reply.KindVerbatim:
		dst = appendNumber(dst, '=', int64(len(r.Str))+4)
		dst = append(dst, "txt:"...)
		dst = append(dst, r.Str...)
		return append(dst, '\r', '\n')
	case reply.KindBigNumber:
		return appendLine(dst, '(', r.Str)
	case reply.KindDouble:
		return appendLine(dst, ',', r.DoubleText())
	case reply.KindBool:
		if r.Int != 0 {
			return append(dst, "#t\r\n"...)
		}
		return append(dst, "#f\r\n"...)
	case reply.KindArray, reply.KindSet, reply.KindMap, reply.KindPairedMap, reply.KindPush, reply.KindAttribute:
		dst = appendHeader3(dst, r)
		for i := range r.Items {
			dst = appendReply3(dst, r.Items[i])
		}
		return append(dst, r.Str...)
	case reply.KindPairs:
		dst = appendNumber(dst, '*', int64(len(r.Items)/2))
		for i := range r.Items {
			if i%2 == 0 {
				dst = append(dst, "*2\r\n"...)
			}
			dst = appendReply3(dst, r.Items[i])
		}
		return dst
	default:
		return append(dst, "_\r\n"...)
	}
}

func appendHeader3(dst []byte, r reply.Reply) []byte {
	n := int64(r.Len())
	switch r.Kind {
	case reply.KindSet:
		return appendNumber(dst, '~', n)
	case reply.KindMap, reply.KindPairedMap:
		return appendNumber(dst, '%', n/2)
	case reply.KindPush:
		return appendNumber(dst, '>', n)
	case reply.KindAttribute:
		return appendNumber(dst, '|', n/2)
	default:
		return appendNumber(dst, '*', n)
	}
}

// appendLine writes text that must be one line; a CR or LF that slipped into
// it would let data pose as protocol, so it becomes a space as in redis.
func appendLine(dst []byte, prefix byte, text []byte) []byte {
	dst = append(dst, prefix)
	for _, c := range text {
		if c == '\r' || c == '\n' {
			c = ' '
		}
		dst = append(dst, c)
	}
	return append(dst, '\r', '\n')
}

func appendNumber(dst []byte, prefix byte, n int64) []byte {
	dst = append(dst, prefix)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, '\r', '\n')
}
