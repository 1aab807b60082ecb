// Package store is the keyspace: keys, their values and their deadlines. It is
// pure: it reads no clock, no randomness and no file, and the order of Go's
// maps reaches neither its state nor its encoding, so that every member that
// applies the same operations holds the same state.
//
// # Slots
//
// A key lives in one of 16384 slots, chosen by the CRC16 of Redis Cluster over
// the whole key (hash tags are not honoured here: keys that share a tag would
// otherwise crowd one slot). A slot is the unit of SCAN and of snapshots.
//
// # Aliasing
//
// Bytes that the store hands out are never overwritten while somebody may
// still be rendering them: strings are replaced or grown behind their end, set
// members and stream fields are immutable. Bytes handed in are copied by the
// caller where they outlive the call.
//
// # Snapshot stream, version 1
//
// Integers are little-endian when fixed, or uvarint as in encoding/binary.
// Integrity (checksums, encryption) is the business of whoever stores it.
//
//	+-----------+------------+
//	| "CFKS" 4B | version 2B |
//	+-----------+------------+
//	then one record per slot that is not empty, slots ascending:
//	+---------+-----------+----------------------+
//	| slot 2B | length 8B | slot payload         |
//	+---------+-----------+----------------------+
//	then the end record (slot 0xFFFF, keys in all records):
//	+-----------+---------+
//	| 0xFFFF 2B | keys 8B |
//	+-----------+---------+
//
//	Slot payload: entries in ascending order of keys:
//	+-----------+----------------+------------------+------------------+
//	| n uvarint | n × entry      |                  |                  |
//	+-----------+----------------+------------------+------------------+
//	entry:
//	+-------------+------------------------------+---------+-----------+
//	| key (bytes) | deadline uvarint, ms, 0=none | kind 1B | value     |
//	+-------------+------------------------------+---------+-----------+
//	bytes:   length uvarint, then that many bytes
//	string (kind 1): bytes
//	set    (kind 2): n uvarint, n × bytes, in the set's order
//	stream (kind 3): lastID, maxDeletedID, added uvarint, nodes uvarint, then per node:
//	                 deleted uvarint, entries uvarint, then per entry: id, n uvarint, n × bytes
//	id:      milliseconds uvarint, sequence uvarint
package store
