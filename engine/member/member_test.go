package member

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/replica"
)

func open(t *testing.T, fs vfs.FS, id uint64, voters ...uint64) *Member {
	t.Helper()
	if err := fs.MkdirAll("data", 0o700); err != nil {
		t.Fatal(err)
	}
	m, err := Open(Options{
		FS: fs, Dir: "data", ID: id, Voters: voters, Parse: command.Parse, Log: slog.New(slog.DiscardHandler),
		SegmentSize: 16 << 10, Tail: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// turns lets a member work until there is nothing to do.
func turns(t *testing.T, m *Member) (all Result) {
	t.Helper()
	for {
		work, err := m.Write()
		if err == nil && work {
			all.Messages = append(all.Messages, m.Early()...)
			err = m.Sync()
		}
		if err != nil {
			t.Fatal(err)
		}
		if !work {
			return all
		}
		r, err := m.Finish()
		if err != nil {
			t.Fatal(err)
		}
		all.Messages = append(all.Messages, r.Messages...)
		all.Proposals = append(all.Proposals, r.Proposals...)
		all.Reads = append(all.Reads, r.Reads...)
	}
}

func lead(t *testing.T, m *Member) {
	t.Helper()
	if err := m.Campaign(); err != nil {
		t.Fatal(err)
	}
	turns(t, m)
	if !m.Leading() {
		t.Fatal("does not lead its group of one")
	}
}

func items(t *testing.T, write bool, argv ...string) []machine.Item {
	t.Helper()
	raw := make([][]byte, len(argv))
	for i, a := range argv {
		raw[i] = []byte(a)
	}
	op, err := command.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return []machine.Item{{Op: op, Argv: raw, Write: write}}
}

func set(t *testing.T, m *Member, key, value string) {
	t.Helper()
	p := &Proposal{Items: items(t, true, "SET", key, value), Now: 1}
	if err := m.Propose(p); err != nil {
		t.Fatal(err)
	}
	r := turns(t, m)
	if len(r.Proposals) != 1 || p.Err != nil || string(p.Items[0].Reply.Str) != "OK" {
		t.Fatalf("%d proposals answered, %v, %q", len(r.Proposals), p.Err, p.Items[0].Reply.Str)
	}
}

func get(t *testing.T, m *Member, key, want string) {
	t.Helper()
	read := &Read{Items: items(t, false, "GET", key), Now: 1}
	if err := m.Read(read); err != nil {
		t.Fatal(err)
	}
	r := turns(t, m)
	if len(r.Reads) != 1 || read.Err != nil || string(read.Items[0].Reply.Str) != want {
		t.Fatalf("%d reads answered, %v, %s is %q, want %q", len(r.Reads), read.Err, key, read.Items[0].Reply.Str, want)
	}
}

func snapshotOf(t *testing.T, m *Member) {
	t.Helper()
	s, err := m.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.BeginSnapshot(); !errors.Is(err, ErrBusy) {
		t.Fatalf("two snapshots at once: %v", err)
	}
	if err := s.Write(func() ([]byte, bool, error) { chunk, done := s.Next(100); return chunk, done, nil }); err != nil {
		t.Fatal(err)
	}
	if err := m.EndSnapshot(s); err != nil {
		t.Fatal(err)
	}
}

func TestAMemberAloneSurvivesItsCrash(t *testing.T) {
	fs := vfs.NewCrashableMem()
	m := open(t, fs, 1, 1)
	if err := m.Propose(&Proposal{}); !errors.Is(err, replica.ErrNotLeader) {
		t.Fatalf("proposed without a leader: %v", err)
	}
	if err := m.Read(&Read{}); !errors.Is(err, replica.ErrNotLeader) {
		t.Fatalf("read without a leader: %v", err)
	}
	lead(t, m)
	set(t, m, "k", "1")
	snapshotOf(t, m)
	set(t, m, "k", "2")
	get(t, m, "k", "2")
	root, err := fs.OpenDir("/") // the directory itself is the caller's
	if err != nil || root.Sync() != nil {
		t.Fatal(err)
	}
	m = open(t, fs.CrashClone(vfs.CrashCloneCfg{}), 1, 1)
	lead(t, m)
	get(t, m, "k", "2")
	file, log := m.SnapshotSize()
	if file == 0 || log == 0 {
		t.Fatalf("snapshot of %d bytes, %d in the log", file, log)
	}
}

// TestASnapshotIsHandedOver brings a newcomer up by hand: it has nothing, the
// log in the leader's memory begins later.
func TestASnapshotIsHandedOver(t *testing.T) {
	old := open(t, vfs.NewMem(), 1, 1)
	lead(t, old)
	for i := range 40 {
		set(t, old, "k", string(rune('a'+i%26)))
	}
	fs := vfs.NewMem()
	young := open(t, fs, 2, 1)
	if err := old.Change(replica.AddLearner, 2); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for range 40 {
		for _, m := range turns(t, old).Messages {
			err := error(nil)
			if m.GetType() == raftpb.MsgSnap {
				if err := young.Step(m); !errors.Is(err, ErrNoState) {
					t.Fatalf("took a snapshot without its bytes: %v", err)
				}
				sent++
				err = young.StepSnapshot(m, stateFor(t, old, m))
				old.ReportSnapshot(2, true)
			} else {
				err = young.Step(m)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if old.SnapshotWanted() {
			snapshotOf(t, old)
		}
		for _, m := range turns(t, young).Messages {
			if err := old.Step(m); err != nil {
				t.Fatal(err)
			}
		}
		old.Tick()
	}
	if sent == 0 || young.Machine().Hash() != old.Machine().Hash() {
		t.Fatalf("%d snapshots sent; at %d and %d", sent, old.Machine().Index(), young.Machine().Index())
	}
	if young.Leader() != 1 || len(young.Members().GetLearners()) != 1 {
		t.Fatalf("leader %d, members %v", young.Leader(), young.Members())
	}
	if err := young.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, fs, 2, 1)
	if turns(t, again); again.Machine().Index() == 0 || len(again.Members().GetLearners()) != 1 {
		t.Fatalf("read back at %d with %v", again.Machine().Index(), again.Members())
	}
}

// TestANewerSnapshotReplacesTheOneNamed ends a snapshot between the message
// that names the one before and the turn that would send it.
func TestANewerSnapshotReplacesTheOneNamed(t *testing.T) {
	m := open(t, vfs.NewMem(), 1, 1)
	lead(t, m)
	for range 40 {
		set(t, m, "k", "v")
	}
	snapshotOf(t, m)
	if err := m.Change(replica.AddLearner, 2); err != nil {
		t.Fatal(err)
	}
	s, probe := beginAnother(t, m), uint64(0)
	answer := func(kind raftpb.MessageType, reject bool) {
		from, to, term := uint64(2), uint64(1), m.Term()
		if err := m.Step(&raftpb.Message{Type: &kind, From: &from, To: &to, Term: &term, Index: &probe, Reject: &reject}); err != nil {
			t.Fatal(err)
		}
	}
	answer(raftpb.MsgHeartbeatResp, false)
	for _, message := range turns(t, m).Messages {
		if message.GetType() == raftpb.MsgApp {
			probe = message.GetIndex()
		}
	}
	answer(raftpb.MsgAppResp, true) // the learner has nothing: the replica names the first snapshot
	if err := m.EndSnapshot(s); err != nil {
		t.Fatal(err)
	}
	sent := turns(t, m).Messages
	answer(raftpb.MsgHeartbeatResp, false)
	for _, message := range append(sent, turns(t, m).Messages...) {
		if message.GetType() == raftpb.MsgSnap {
			stateFor(t, m, message)
			if message.GetSnapshot().GetMetadata().GetIndex() != s.Meta.Index {
				t.Fatalf("sent the snapshot at %d, the newest is at %d", message.GetSnapshot().GetMetadata().GetIndex(), s.Meta.Index)
			}
			return
		}
	}
	t.Fatal("no snapshot sent")
}

// beginAnother writes a snapshot's file and does not end it.
func beginAnother(t *testing.T, m *Member) *Snapshot {
	t.Helper()
	turns(t, m)
	s, err := m.BeginSnapshot()
	if err == nil {
		err = s.Write(func() ([]byte, bool, error) { chunk, done := s.Next(100); return chunk, done, nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stateFor(t *testing.T, m *Member, message *raftpb.Message) io.Reader {
	t.Helper()
	r, err := m.OpenSnapshot(message)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	state, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(state)
}

// TestWhoLosesTheLeadershipSaysSo cuts a leader off: what it was asked is
// answered as lost, or to be asked again.
func TestWhoLosesTheLeadershipSaysSo(t *testing.T) {
	m := open(t, vfs.NewMem(), 1, 1, 2, 3)
	if err := m.Campaign(); err != nil {
		t.Fatal(err)
	}
	vote := func(kind, answer raftpb.MessageType) {
		for _, q := range turns(t, m).Messages {
			if q.GetType() == kind && q.GetTo() == 2 {
				from, to, term := uint64(2), uint64(1), q.GetTerm()
				if err := m.Step(&raftpb.Message{Type: &answer, From: &from, To: &to, Term: &term}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	vote(raftpb.MsgPreVote, raftpb.MsgPreVoteResp)
	vote(raftpb.MsgVote, raftpb.MsgVoteResp)
	turns(t, m)
	if !m.Leading() {
		t.Fatal("does not lead")
	}
	p, read := &Proposal{Items: items(t, true, "SET", "k", "1")}, &Read{Items: items(t, false, "GET", "k")}
	if err := errors.Join(m.Propose(p), m.Read(read)); err != nil {
		t.Fatal(err)
	}
	if r := turns(t, m); len(r.Proposals)+len(r.Reads) > 0 {
		t.Fatal("answered without a majority")
	}
	var r Result
	for range 40 {
		m.Tick()
		now := turns(t, m)
		r.Proposals, r.Reads = append(r.Proposals, now.Proposals...), append(r.Reads, now.Reads...)
	}
	if len(r.Proposals) != 1 || !errors.Is(p.Err, machine.ErrLost) || len(r.Reads) != 1 || !errors.Is(read.Err, replica.ErrNotLeader) {
		t.Fatalf("%d proposals with %v, %d reads with %v", len(r.Proposals), p.Err, len(r.Reads), read.Err)
	}
}
