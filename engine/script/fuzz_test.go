package script

import (
	"os"
	"strings"
	"testing"
)

// little is enough for what a fuzzer finds, and ends soon.
var little = Limits{Steps: 200_000, Memory: 4 << 20}

// fault is the error of a script that the interpreter stumbled over.
const fault = "fault of the engine"

// FuzzScripts runs texts: whatever they are, they end, with an answer.
func FuzzScripts(f *testing.F) {
	data, err := os.ReadFile("../../test/conformance/differential/testdata/scripts.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f.Add(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), `\n`, "\n"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if r := execute(t, text, little, "argument", "2"); r.IsError() && strings.Contains(string(r.Str), fault) {
			t.Errorf("%q: %q", text, r.Str)
		}
	})
}

// FuzzPatterns matches texts: matches end, and are within the text.
func FuzzPatterns(f *testing.F) {
	for _, p := range []string{"", "^a.-b$", "%a+", "[^%s%d]*", "()x()", "(a)(b)%2%1", "%b()", "%f[%w]%w+", "[a-", "%", "(", "((a)", "[]]", "[^]]", "a-?", "^^", "$$", "%z"} {
		f.Add("a (b) ab12 x]", p)
	}
	f.Fuzz(func(t *testing.T, text, pattern string) {
		r := execute(t, `local s, p = ARGV[1], ARGV[2]
			local from, to = s:find(p)
			if from then assert(from >= 1 and to <= #s and from <= to + 1) end
			local n = 0 for _ in s:gmatch(p) do n = n + 1 end
			assert(n <= #s + 1)
			local same = s:gsub(p, "%0")
			assert(same == s)`, little, text, pattern)
		if r.IsError() && (strings.Contains(string(r.Str), fault) || strings.Contains(string(r.Str), "assertion failed")) {
			t.Errorf("%q in %q: %q", pattern, text, r.Str)
		}
	})
}

// FuzzJSON: what is decoded and encoded again is decoded alike.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,-3e10,true,false,null,"\u00e9\n"],"b":{}}`, `[]`, `"\ud83d\ude00"`, `[[[[`, `{"a"`, `1e999`, `nan`, `-inf`, `0x1p4`, `"\u12`, "[1,\x00]", `{"a":1,"a":2}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := execute(t, `cjson.encode_invalid_numbers(true) cjson.encode_sparse_array(true)
			local v = cjson.decode(ARGV[1])
			local once = cjson.encode(v)
			local again = cjson.encode(cjson.decode(once))
			assert(once == again, once .. " is not " .. again)`, little, text)
		if r.IsError() && (strings.Contains(string(r.Str), fault) || strings.Contains(string(r.Str), " is not ")) {
			t.Errorf("%q: %q", text, r.Str)
		}
	})
}

// FuzzMessagePack: what is unpacked and packed again is unpacked alike.
func FuzzMessagePack(f *testing.F) {
	for _, s := range []string{"\x93\x01\xc0\xa1x", "\x82\xa1a\x01\xa1b\x90", "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "\xdd\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff", "\xc1", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "\xc7\x01\x01\x00", "\x81\xc0\x01"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := execute(t, `local v = {cmsgpack.unpack(ARGV[1])}
			local once = cmsgpack.pack(v)
			local again = cmsgpack.pack(cmsgpack.unpack(once))
			assert(once == again, "not the same")`, little, string(data))
		if r.IsError() && (strings.Contains(string(r.Str), fault) || strings.Contains(string(r.Str), "not the same")) {
			t.Errorf("%q: %q", data, r.Str)
		}
	})
}

// FuzzStruct: no format reads or writes beyond what it is given.
func FuzzStruct(f *testing.F) {
	for _, s := range []string{">I2i4s", "!8bdxc0", "<i3I5", "c10c0", "bc0", "f d l L T h H", "i33", "!3", "s"} {
		f.Add(s, "0123456789abcdefghij\x00klmno")
	}
	f.Fuzz(func(t *testing.T, format, data string) {
		r := execute(t, `local v = {struct.unpack(ARGV[1], ARGV[2])}
			local ok, packed = pcall(struct.pack, ARGV[1], unpack(v))
			pcall(struct.size, ARGV[1])
			return packed`, little, format, data)
		if r.IsError() && strings.Contains(string(r.Str), fault) {
			t.Errorf("%q of %q: %q", format, data, r.Str)
		}
	})
}
