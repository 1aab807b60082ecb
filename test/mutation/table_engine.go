package main

const (
	memberTurn     = "engine/member/turn.go"
	memberSnapshot = "engine/member/snapshot.go"
	memberOpen     = "engine/member/member.go"
	memberAsk      = "engine/member/ask.go"
	groupLoop      = "engine/node/group_loop.go"
	groupOpen      = "engine/node/group_open.go"
	group          = "engine/node/group.go"
	nodePkg        = "engine/node"
	simPkg         = "test/sim"
)

// members: what stands between the log and an acknowledgement.
var members = []safeguard{
	{name: "the fsync before an acknowledgement", file: memberTurn, in: nodePkg, test: "TestGroupSurvivesTheLossOfUnsyncedData",
		old: "if err := m.log.Sync(); err != nil {", new: "if err := error(nil); err != nil {"},
	{name: "the fsync of a new term in EverySecond", file: memberTurn, in: nodePkg, test: "TestTermOutlivesACrashInEverySecond",
		old: "(!m.opts.Lazy || newTerm || len(e.Entries) == 0)", new: "(!m.opts.Lazy || newTerm && false)"},
	{name: "that the group waits for the disk", file: groupLoop, in: nodePkg, test: "TestGroupSurvivesTheLossOfUnsyncedData",
		old: "if err := g.member.Sync(); err != nil {", new: "if err := error(nil); err != nil {"},
	{name: "that a failed fsync stops the group", file: groupLoop, in: nodePkg, test: "TestFailedFsyncStopsTheGroup",
		old: "if err := g.member.Sync(); err != nil {\n\t\t\treturn err", new: "if err := g.member.Sync(); err != nil {\n\t\t\treturn nil"},
	{name: "that nothing is read once the group has failed", file: group, in: nodePkg, test: "TestFailedFsyncStopsTheGroup",
		old: "if isClosed(g.done) {\n\t\treturn g.err\n\t}", new: ""},
	{name: "the fsync of every second", file: groupLoop, in: nodePkg, test: "TestEverySecondIsDurableAfterASecond",
		old: "if sync := g.member.Log().SyncBeside(); sync != nil {", new: "if sync := (func() wal.Synced)(nil); sync != nil {"},
	{name: "that a failed fsync beside the log stops the group", file: "engine/wal/log.go", in: nodePkg, test: "TestFailedFsyncBesideTheLogStopsTheGroup",
		old: "return l.fail(fmt.Errorf(\"fsync %s: %w\", s.name, s.err))", new: "return nil"},
	{name: "that a file stays open while it is made durable beside the log", file: "engine/wal/log.go", test: "TestCloseWaitsForSyncBeside",
		old: "l.beside.Lock()\n\tdefer l.beside.Unlock()\n\t_ = l.file.Close()", new: "_ = l.file.Close()"},
	{name: "that an fsync of the log waits for the one beside it", file: "engine/wal/log.go", test: "TestSyncHearsWhatTheOneBesideItWasTold",
		old: "l.beside.Lock()\n\tdefer l.beside.Unlock()\n\terr := l.lost", new: "err := l.lost"},
	{name: "that an fsync of the log fails with the one beside it", file: "engine/wal/log.go", test: "TestSyncHearsWhatTheOneBesideItWasTold",
		old: "err := l.lost", new: "err := error(nil)"},
	{name: "that only what was there when it began is durable", file: "engine/wal/log.go", test: "TestSyncBesideMarksWhatItHadSeen",
		old: "l.durable = max(l.durable, s.end)", new: "l.durable = l.end"},
	{name: "that writes are refused while the volume is full", file: groupLoop, in: nodePkg, test: "TestFullVolumeRefusesWritesAndHeals",
		old: "g.setFull(err, p.Bytes)\n\t\treturn g.refuse(items, replyFull)", new: "return err"},
	{name: "that a full volume heals", file: groupLoop, in: nodePkg, test: "TestFullVolumeRefusesWritesAndHeals",
		old: "g.full.Store(false)", new: ""},
	{name: "the fsync of the identity", file: groupOpen, in: nodePkg, test: "TestIdentityOutlivesACrash",
		old: "err = file.Sync()", new: "err = nil"},
	{name: "the fsync of the directory behind the identity", file: groupOpen, in: nodePkg, test: "TestIdentityOutlivesACrash",
		old: "return fmt.Errorf(\"write identity: %w\", err)\n\t}\n\treturn syncDir(g.opts.FS, g.opts.Dir)", new: "return fmt.Errorf(\"write identity: %w\", err)\n\t}\n\treturn nil"},
	{name: "the fsync of the directory above the data", file: groupOpen, in: nodePkg, test: "TestIdentityOutlivesACrash",
		old: "if err := syncDir(fs, fs.PathDir(dir)); err != nil {", new: "if err := error(nil); err != nil {"},
	{name: "the identity's version", file: groupOpen, in: nodePkg, test: "TestNewerIdentityIsRefused",
		old: "if id.Version > identityVersion {", new: "if false {"},
	{name: "whose data it is", file: groupOpen, in: nodePkg, test: "TestDirectoryOfAnother",
		old: "if id.Instance != g.opts.Instance {", new: "if false {"},
	{name: "that data without an identity is nobody's", file: groupOpen, in: nodePkg, test: "TestDirectoryOfAnother",
		old: "case data:", new: "case false && data:"},
	{name: "the lock of the directory", file: groupOpen, in: nodePkg, test: "TestDirectoryOfAnother",
		old: "lock, err := fs.Lock(g.path(lockName))", new: "lock, err := io.NopCloser(nil), error(nil)"},
	{name: "the fsync of the data directory", file: memberOpen, in: "engine/member", test: "TestAMemberAloneSurvivesItsCrash",
		old: "err = dir.Sync()", new: "err = nil"},
	{name: "that the snapshot's footer has the last word", file: memberOpen, in: nodePkg, test: "TestDamagedFooterIsRefused",
		old: "if n, err := io.Copy(io.Discard, r); err != nil || n > 0 {", new: "if n, err := io.Copy(io.Discard, io.LimitReader(r, 0)); err != nil || n > 0 {"},
	{name: "that a snapshot is due before the files take twice the data", file: memberSnapshot, test: "TestVolumeHoldsTwiceTheData",
		old: "state+state*2/5-m.size", new: "2*state"},
	{name: "that the log ends with the snapshot", file: memberSnapshot, test: "TestVolumeHoldsTwiceTheData",
		old: "if err := m.log.Release(meta.Index); err != nil {", new: "if err := error(nil); err != nil {"},
	{name: "that older snapshots are removed", file: memberSnapshot, test: "TestVolumeHoldsTwiceTheData",
		old: "return m.snapshots().Prune(meta.Index)", new: "return nil"},
	{name: "that only a proposal of this term is answered", file: memberAsk, test: "TestAnotherLeadersEntryIsNoAnswer",
		old: "if p.index == e.GetIndex() && p.term == e.GetTerm() {", new: "if true {"},
	{name: "the fsync before an acknowledgement, of a group", file: memberTurn, in: simPkg, test: "TestSeeds",
		old: "if err := m.log.Sync(); err != nil {", new: "if err := error(nil); err != nil {"},
	{name: "the read index", file: memberAsk, test: "TestWhoLosesTheLeadershipSaysSo",
		old: "if read.known && m.machine.Index() >= read.index {", new: "if true {"},
	{name: "that a leader whom nobody hears steps down", file: "engine/replica/replica.go", in: "engine/member", test: "TestWhoLosesTheLeadershipSaysSo",
		old: "CheckQuorum:     true", new: "CheckQuorum:     false"},
	{name: "the wait for an entry of the leader's own term before it reads", file: "engine/replica/replica.go", test: "TestAFreshLeaderAloneReadsAllThatWasAcknowledged",
		old: "if len(r.reads) == 0 || r.term != r.CurrentTerm() {", new: "if len(r.reads) == 0 {"},
	{name: "the semantics of a batch", file: "engine/machine/batch.go", test: "TestNewerBatchIsRefused",
		old: " || semantics > Semantics", new: ""},
	{name: "the format of a batch", file: "engine/machine/batch.go", test: "TestNewerBatchIsRefused",
		old: "data[0] > BatchFormat || ", new: ""},
	{name: "the semantics of a snapshot", file: "engine/machine/snapshot.go", test: "TestNewerSnapshotIsRefused",
		old: " || semantics > Semantics", new: ""},
	{name: "the version of a snapshot's stream", file: "engine/store/restore.go", test: "TestNewerStreamIsRefused",
		old: "v != SnapshotVersion", new: "false && v > 0"},
	{name: "time that never runs backwards", file: "engine/machine/machine.go", test: "TestAWriteNeverSeesAnOlderTime",
		old: "m.lastNow = max(m.lastNow, now)", new: "m.lastNow = now"},
	{name: "the state before a write, for a running snapshot", file: "engine/store/snapshot.go", test: "TestSnapshotIsOfItsBeginning",
		old: "if n == nil || int(p.slot) < n.next || n.slots != s.slots {", new: "if true {"},
	{name: "the order of keys in a snapshot", file: "engine/store/snapshot.go", in: "test/determinism", test: "TestMachinesAgree",
		old: "return strings.Compare(a.key, b.key)", new: "return strings.Compare(a.key[:0], b.key[:0])"},
	{name: "keys that stay findable when one before them goes", file: "engine/store/table.go", test: "TestTableIsAMap",
		old: "hole = next\n", new: "break\n"},
	{name: "stream nodes that end alike after a restart", file: "engine/store/stream.go", in: "test/determinism", test: "TestMachinesAgree",
		old: "n.bytes -= n.entries[i+k].packed()", new: "_ = k"},
}

// others: what stands between people.
var others = []safeguard{
	{name: "that a foreign object is left alone", file: "controllers/apply/apply.go", test: "TestForeignObjectsAreLeftAlone",
		old: "if !a.Owns(live) {", new: "if false {"},
	{name: "that an object of another instance is foreign", file: "controllers/apply/apply.go", test: "TestOwns",
		old: "return !labelled && metav1.GetControllerOf(o) == nil && appliedEntry(o) != nil", new: "return !labelled || true"},
	{name: "that the pods' revision is held", file: "controllers/lifecycle/rollout.go", test: "TestRevisionIsHeld",
		old: "s.inputs.Held = running\n\t\ts.waiting = running.Changes(next)", new: "s.waiting = running.Changes(next)"},
	{name: "that a lost revision stops the operator", file: "controllers/lifecycle/rollout.go", test: "TestRevisionIsHeld",
		old: "return nil, lostRevision(lost)", new: "_ = lost\n\treturn nil, nil"},
	{name: "that pods are not made anew while the keys are missing", file: "controllers/lifecycle/rollout.go", test: "TestRevisionIsHeld",
		old: "case running != nil && s.encryption.problem != nil:", new: "case false:"},
}
