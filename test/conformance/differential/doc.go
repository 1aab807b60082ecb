// Package differential sends the same commands to a real redis-server and to
// Coffer's machine and compares the replies byte for byte, in RESP2 and RESP3.
// It needs redis-server 7.0 (Debian 12: apt-get install redis-server) and fails
// without it.
package differential
