// Package store is the keyspace: databases of keys, their values and their deadlines. It is
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
// still be rendering them: strings are replaced or grown behind their end, stream
// fields are immutable. Lists, hashes and sorted sets are the exception: what they
// hand out holds until their next change, and whoever answers with it copies it; a
// set gives copies. A small one is read in its key's cell, and a change
// makes another cell: what was read before an Edit of the same key is not what it
// made, so nobody looks at it any more. They copy what is handed in; for the other kinds
// the caller does where it outlives the call.
//
// # Snapshot stream, version 2
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
//	for each further database that has keys, its number and its slots likewise:
//	+-----------+-----------+
//	| 0xFFFE 2B | number 8B |
//	+-----------+-----------+
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
//	list   (kind 4): n uvarint, n × bytes
//	hash   (kind 5): form 1B (0 packed, 1 not), n uvarint, n × (field bytes, value bytes), in the hash's order
//	zset   (kind 6): form 1B, n uvarint, n × (score 8B as IEEE 754, member bytes); packed in the order of scores,
//	                 otherwise in that of positions
//	stream with groups (kind 7): as kind 3, then groups uvarint, per group: name bytes, last delivered id,
//	                 entries read + 1 uvarint (0 unknown), consumers uvarint, per consumer: name bytes, seen uvarint, ms;
//	                 pending uvarint, then each: id, place of its consumer uvarint, delivered uvarint, ms,
//	                 deliveries uvarint; groups and consumers in the order of their names, pending in that of IDs
//	id:      milliseconds uvarint, sequence uvarint
//
// Kinds 4 and up came with semantics 3 of package machine, whose snapshots name
// their semantics: an engine that does not know these kinds refuses them by that.
// Kind 7 came with semantics 7. Version 1 is of database 0 alone, and is still
// written where no other has keys: an older engine goes on until somebody uses one.
package store
