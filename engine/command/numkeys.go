package command

import "github.com/coffer-dev/coffer/engine/acl"

const errNumkeys = textError("ERR numkeys should be greater than 0")

// numbered reads how many keys there are, at place i, and those keys. There is
// at least one argument in what is left.
func numbered(argv [][]byte, i int) (keys, rest [][]byte, err error) {
	n, ok := parseInt(argv[i])
	if !ok || n < 1 {
		return nil, nil, errNumkeys
	}
	rest = argv[i+1:]
	if n >= int64(len(rest)) {
		return nil, nil, errSyntax
	}
	return rest[:n], rest[n:], nil
}

// numberedKeys lists the keys of a command that says at place i how many there
// are. What it says wrong, its parser refuses.
func numberedKeys(i int, use keyFlags) finder {
	return finder{func(dst []acl.Key, argv [][]byte) []acl.Key {
		n, ok := parseInt(argv[i])
		if !ok || n < 1 || n > int64(len(argv)-i-1) {
			return dst
		}
		for _, key := range argv[i+1:][:n] {
			dst = append(dst, use.of(key))
		}
		return dst
	}, []keySearch{{use: use, at: i, counted: true, step: 1}}}
}
