package main

// safeguards is the table.
func safeguards() (all []safeguard) {
	for _, part := range [][]safeguard{walWriting, walReading, snapshots, vaults, members, groups, permissions, confinement, declaredQueues, portForJobs, guards, rotations, tokens, collections, consumerGroups, together, scripts, databases, evictions, retentions, keyEvents, jobs, replicas, staleReads, administration, debugging, others} {
		all = append(all, part...)
	}
	return all
}

const (
	walLog     = "engine/wal/log.go"
	walSegment = "engine/wal/segment.go"
	walFrame   = "engine/wal/frame.go"
	walHeader  = "engine/wal/header.go"
	walOpen    = "engine/wal/open.go"
	walRestart = "engine/wal/restart.go"
	walRewrap  = "engine/wal/rewrap.go"
)

// walWriting: what the log does so that it can be read back.
var walWriting = []safeguard{
	{name: "the fsync of what was appended", file: walLog, test: "TestCrashAnywhere",
		old: "l.file.SyncData()", new: "error(nil)"},
	{name: "that a failed fsync is final", file: walLog, test: "TestAFailedSyncIsFinal",
		old: `return l.fail(fmt.Errorf("fsync %s: %w", l.segments[len(l.segments)-1].name, err))`, new: "return err"},
	{name: "that a failed write is final", file: walLog, test: "TestAFailedWriteIsFinal",
		old: `return l.fail(fmt.Errorf("write %s at offset %d: %w", active.name, l.end, err))`, new: "return err"},
	{name: "the fsync before the next segment says where this one ends", file: walLog, test: "TestCrashAnywhere",
		old: "if err := l.Sync(); err != nil {\n\t\treturn err\n\t}\n\treturn l.next(n)", new: "return l.next(n)"},
	{name: "the mark of what is durable", file: walLog, test: "TestDamage",
		old: "f.durable = l.durable", new: "f.durable = 0"},
	{name: "that the mark is not above what is durable", file: walLog, test: "TestCrashAnywhere",
		old: "f.durable = l.durable", new: "f.durable = l.end"},
	{name: "the mark in the frame of Close", file: walLog, test: "TestRotInTheLastFrameIsToldFromATear",
		old: "if l.room(frameHeader+hardStateMax+vault.Overhead) == nil {", new: "if false {"},
	{name: "which entries a segment holds", file: walLog, test: "TestASegmentIsKeptForItsLastEntry",
		old: "active.last = max(active.last, f.index)", new: "_ = active"},
	{name: "room for what raft has accepted", file: walLog, test: "TestFullVolumeRefusesAndHeals",
		old: "return l.room(frameSize(payload+vault.Overhead) + slack)", new: "return nil"},
	{name: "the fsync of a new segment", file: walSegment, test: "TestCrashAnywhere",
		old: "err = file.Sync()", new: "err = nil"},
	{name: "the fsync of the directory behind a new segment", file: walSegment, test: "TestCrashAnywhere",
		old: "if err := l.syncDir(); err != nil {\n\t\t_ = file.Close()", new: "if err := error(nil); err != nil {\n\t\t_ = file.Close()"},
	{name: "the fsync of the directory behind a release", file: walSegment, test: "TestCrashAnywhere",
		old: "// Before a spare is written to, its old name must be gone for good.\n\treturn l.syncDir()", new: "return nil"},
	{name: "the fsync of a directory", file: walSegment, test: "TestCrashAnywhere",
		old: "err = dir.Sync()", new: "err = nil"},
	{name: "a segment's name only once it is whole", file: walSegment, test: "TestCrashAnywhere",
		old: "if err = l.fill(file, header, size, from == tempName); err == nil {\n\t\t\terr = file.Sync()\n\t\t}\n\t\tif err == nil {\n\t\t\terr = l.opts.FS.Rename(l.path(from), l.path(fileName(number, segmentSuffix)))\n\t\t}",
		new: "if err = l.opts.FS.Rename(l.path(from), l.path(fileName(number, segmentSuffix))); err == nil {\n\t\t\t_ = l.syncDir()\n\t\t\terr = l.fill(file, header, size, from == tempName)\n\t\t}\n\t\tif err == nil {\n\t\t\terr = file.Sync()\n\t\t}"},
	{name: "zeros over the whole segment", file: walSegment, test: "TestASegmentTakesItsSpaceAtOnce",
		old: "if fresh {", new: "if false {"},
	{name: "blocks for the whole segment where fsyncs are rare", file: walSegment, test: "TestBlocksAreSetAsideWhereFsyncsAreRare",
		old: "err := file.Preallocate(0, size)", new: "err := error(nil)"},
	{name: "another salt each time", file: walSegment, test: "TestFramesOfAnotherLogDoNotPass",
		old: "salt: l.opts.Salt()", new: "salt: 0"},
	{name: "giving back a half-made segment's space", file: walSegment, test: "TestFullVolumeRefusesAndHeals",
		old: "_ = l.opts.FS.Remove(l.path(tempName))", new: "_ = tempName"},
	{name: "that a full volume is told from a broken one", file: walSegment, test: "TestFullVolumeRefusesAndHeals",
		old: "if !noSpace(err) {", new: "if true {"},
	{name: "that spare files are kept as far as they are needed", file: "engine/wal/size.go", test: "TestTheLogFitsTheData",
		old: " && (len(l.spares) == 0 || l.Bytes()+size <= l.fit+segment)", new: ""},
	{name: "that segments are as small as the log", file: "engine/wal/size.go", test: "TestTheLogFitsTheData",
		old: "max(l.fit/perLog, minSegment)", new: "maxSegment"},
	{name: "that a plain segment is no spare once there are keys", file: walSegment, test: "TestAPlainLogBecomesSealed",
		old: "(l.opts.Keys == nil || s.slots != nil)", new: "true"},
	{name: "that only what the snapshot holds is released", file: walSegment, test: "TestASegmentIsKeptForItsLastEntry",
		old: "l.segments[released].last <= index", new: "l.segments[released].prevIndex <= index"},
	{name: "that the hard state outlives its segment", file: walSegment, test: "TestReleaseKeepsTheHardState",
		old: "if kept, err := l.keepState(l.segments[released].number); !kept || err != nil {\n\t\treturn err\n\t}", new: ""},
	{name: "that a failed rewrap is final", file: walRewrap, test: "TestAFailedRewrapIsFinal",
		old: `return false, l.fail(fmt.Errorf("wrap the key of %s: %w", s.name, err))`, new: `return false, fmt.Errorf("wrap: %w", err)`},
	{name: "the number in the seed of checksums", file: walHeader, test: "TestSeedIsOfNumberAndSalt",
		old: "binary.LittleEndian.PutUint64(b[:], h.number)", new: ""},
	{name: "the salt in the seed of checksums", file: walHeader, test: "TestFramesOfAnotherLogDoNotPass",
		old: "binary.LittleEndian.PutUint64(b[8:], h.salt)\n\treturn", new: "return"},
	{name: "the offset in a frame's checksum", file: walFrame, test: "TestAFrameCountsAtItsOwnPlaceOnly",
		old: "binary.LittleEndian.PutUint64(at[:], uint64(offset))", new: "_ = offset"},
	{name: "the offset in what a frame is sealed about", file: walFrame, test: "TestFramesOpenInTheirPlaceOnly",
		old: "binary.LittleEndian.AppendUint64(make([]byte, 0, 8+frameHeader-12), uint64(offset))", new: "make([]byte, 8, 8+frameHeader-12)"},
	{name: "the header in what a frame is sealed about", file: walFrame, test: "TestFramesOpenInTheirPlaceOnly",
		old: "return append(about, b[12:frameHeader]...)", new: "return about"},
}

// walReading: what the log does not believe.
var walReading = []safeguard{
	{name: "the checksum of a frame's header", file: walFrame, test: "TestDamage",
		old: "if frameCheck(seed, offset, b) != binary.LittleEndian.Uint32(b) {", new: "if false {"},
	{name: "the checksum of a frame's payload", file: walFrame, test: "TestDamage",
		old: "return p, crc32.Update(seed, castagnoli, p) == f.check", new: "return p, true"},
	{name: "the bounds of a frame", file: walFrame, test: "TestAFrameEndsWithinItsSegment",
		old: "return f, f.length <= MaxPayload+vault.Overhead && offset+f.size() <= int64(len(data))", new: "return f, true"},
	{name: "the checksum of the segment's header", file: walHeader, test: "TestDamage",
		old: "if crc32.Checksum(b[:check], castagnoli) != binary.LittleEndian.Uint32(b[check:]) {", new: "if check < 0 {"},
	{name: "the format's version", file: walHeader, test: "TestNewerFormatIsRefused",
		old: "case h.version > Version:", new: "case false:"},
	{name: "the cipher's number", file: walHeader, test: "TestNewerCipherIsRefused",
		old: "if h.cipher > vault.KnownCiphers {", new: "if false {"},
	{name: "the segment's magic", file: walHeader, test: "TestJunkIsNoNewerVersion",
		old: "if len(b) < headerSizeV1 || string(b[:4]) != segmentMagic {", new: "if len(b) < headerSizeV1 {"},
	{name: "the number in a segment against its name", file: walOpen, test: "TestARenamedSegmentIsRefused",
		old: "if h.number != s.number {", new: "if false {"},
	{name: "what is missing between snapshot and log", file: walOpen, test: "TestALogThatBeginsLaterNeedsItsSnapshot",
		old: "case i == 0 && s.prevIndex > r.snapshot.Index:", new: "case false:"},
	{name: "that there is a log where there is a snapshot", file: walOpen, test: "TestALostLogIsMissed",
		old: "if snapshot.Index > 0 {", new: "if false {"},
	{name: "a missing segment", file: walOpen, test: "TestMissingSegmentIsRefused",
		old: "case i > 0 && s.number != segments[i-1].number+1:", new: "case false:"},
	{name: "that a segment which another follows is whole", file: walOpen, test: "TestDamage",
		old: "if at != end {", new: "if false {"},
	{name: "that what was durable is not a torn tail", file: walOpen, test: "TestDamage",
		old: "if t.mark > at {", new: "if false {"},
	{name: "that a sealed frame opens", file: walOpen, test: "TestFramesOpenInTheirPlaceOnly",
		old: `return at, &DamageError{r.log.path(s.name), at, "the frame " + err.Error()}`, new: "return at, nil"},
	{name: "that there is the snapshot which the log tells of", file: walOpen, test: "TestALostSnapshotIsMissed",
		old: "if f.index > r.snapshot.Index {", new: "if false {"},
	{name: "entries that do not follow each other", file: walOpen, test: "TestEntriesFollowEachOther",
		old: "case index > r.last+1:", new: "case false:"},
	{name: "that what is committed is not replaced", file: walOpen, test: "TestWhatIsCommittedIsNotReplaced",
		old: "case index <= r.handed:", new: "case false:"},
	{name: "writing again what no mark covers", file: walOpen, test: "TestOpenDoesNotTrustThePageCache",
		old: "rewrite := append([]byte(nil), t.data[from:t.end]...)", new: "rewrite := append([]byte(nil), t.data[t.end:t.end]...)"},
	{name: "the fsync of the repair", file: walOpen, test: "TestOpenDoesNotTrustThePageCache",
		old: "err = file.SyncData()", new: "err = nil"},
	{name: "zeros over frames behind a torn one", file: walOpen, test: "TestTornTailIsRepaired",
		old: "if t.stale > t.end {", new: "if false {"},
	{name: "that spares hold nothing readable once there are keys", file: walOpen, test: "TestAPlainLogBecomesSealed",
		old: "return err == nil && h.cipher != vault.None", new: "return err == nil && h.cipher <= vault.KnownCiphers"},
	{name: "that a log voided by a snapshot stays void", file: walOpen, test: "TestSnapshotFromAnotherMemberVoidsTheLog",
		old: "if r.void {\n\t\tif err", new: "if false {\n\t\tif err"},
	{name: "that the snapshot of a restart is there", file: walRestart, test: "TestRestartNeedsItsSnapshot",
		old: "if f.index > r.snapshot.Index {", new: "if false {"},
	{name: "that a restart drops what was before", file: walRestart, test: "TestSnapshotFromAnotherMemberVoidsTheLog",
		old: "r.state.Entries = nil\n", new: ""},
}
