// Package script runs Lua 5.1 scripts as redis-server 7.0 does: the language,
// its libraries in the sandbox that scripts get there (base, string, table,
// math, coroutine, cjson, cmsgpack, struct, bit, redis), and the same replies
// and texts of errors.
//
// # Deterministic
//
// A script runs on every member, out of the log, and must do the same on each.
// It reads no clock and no randomness: math.random's seed is given, and os is
// absent. Tables are visited in
// the order in which their keys came, tostring numbers what has no text of its
// own, and math computes with package big what processors compute differently.
//
// # Bounded
//
// Every run has a budget of steps and one of memory. A step is about one
// operation; functions of the libraries take as many as they do work. Memory
// counts what a run allocates in all, whether it is garbage by then or not, so
// that what is counted depends on the script alone. A run that is over budget
// ends with an error that the script cannot catch.
//
// # Sandboxed
//
// Nothing outlives a run but what it did through redis.call: globals and
// libraries are read-only, and every run has tables of its own for the rest.
//
// # Quick
//
// What a script is charged does not depend on what the interpreter allocates:
// testdata/charges.txt has the figures, which no change of it may change. Frames,
// lists of arguments and buffers are handed on from call to call (scratch), so that
//
//   - what a call answers with is good until the next one: who wants more of it
//     copies it;
//   - a builtin that has its arguments later, or answers with them, says so (keeps).
//
// The interpreter parses a script into closures, once, and calls these. It is
// written here because what other packages offer cannot be held to the above:
// see "Lua of our own" in ARCHITECTURE.md.
package script
