package audit

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/coffer-dev/coffer/engine/adminapi"
)

// writeQueue writes what waits. Until it is on its way to the disk and to who
// follows the stream, it counts as waiting.
func (l *Log) writeQueue() {
	for {
		l.mu.Lock()
		entries, bytes := l.queue, l.queued.Load()
		l.queue = nil
		l.mu.Unlock()
		if len(entries) == 0 {
			return
		}
		records := make([]adminapi.AuditRecord, 0, len(entries)+1)
		for i := range entries {
			e := &entries[i]
			switch {
			case e.Operation != Login || !e.Denied:
			case l.opts.IsSecret != nil && l.opts.IsSecret(e.Identity):
				e.Identity = "(somebody's password)"
			default:
				e.Identity = Name(e.Identity)
			}
			records = append(records, e.record(0, l.opts.Member, 0))
		}
		l.write(records)
		l.queued.Add(-bytes)
	}
}

// tellCounts records what was counted.
func (l *Log) tellCounts() {
	l.mu.Lock()
	counts := l.counts
	l.counts = map[Entry]int64{}
	l.mu.Unlock()
	now := time.Now()
	var records []adminapi.AuditRecord
	for e, count := range counts {
		e.Time = now
		records = append(records, e.record(0, l.opts.Member, count))
	}
	l.write(records)
}

// write gives records their indexes and writes them, a block at a time.
func (l *Log) write(records []adminapi.AuditRecord) {
	if len(records) > 0 && l.untold > 0 {
		l.tellLost()
	}
	for len(records) > 0 {
		var lines []byte
		count := 0
		for ; count < len(records); count++ {
			r := &records[count]
			r.Index = l.next + uint64(count)
			line, err := json.Marshal(r)
			if err != nil || count > 0 && len(lines)+len(line) >= maxBlock {
				break // texts and numbers always have a form: it is the size
			}
			lines = append(append(lines, line...), '\n')
		}
		if err := l.writeBlock(lines, count); err != nil {
			l.lose(err, count)
		}
		records = records[count:]
	}
}

// tellLost records how many were lost, if that can be written.
func (l *Log) tellLost() {
	line, err := json.Marshal(adminapi.AuditRecord{
		Index: l.next, Time: time.Now().UTC().Format(timeFormat), Member: l.opts.Member, Operation: "audit",
		Decision: adminapi.AuditLost, Count: l.untold, Reason: l.why,
	})
	if err == nil && l.writeBlock(append(line, '\n'), 1) == nil {
		l.untold = 0
	}
}

// writeBlock writes records to the file and to the stream.
func (l *Log) writeBlock(lines []byte, count int) error {
	now := time.Now()
	err := l.ready(now)
	if err == nil {
		h := head{synced: uint64(l.synced), first: l.next, records: uint32(count), time: uint64(now.UnixMilli())}
		_, err = l.out.Write(l.current.appendBlock(nil, l.current.size, h, lines))
	}
	if l.opts.Stream != nil {
		if _, streamErr := l.opts.Stream.Write(lines); streamErr != nil {
			l.opts.Log.Error("nobody reads the stream of audit records any more", "error", streamErr)
			l.opts.Stream = nil
		}
	}
	if err != nil {
		l.sync()    // of what stands before
		l.abandon() // it may hold half a block: nothing may stand behind that
		return fmt.Errorf("write audit records: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current.size += int64(blockHead + len(lines) + l.current.overhead())
	l.next += uint64(count)
	l.unsynced += count
	l.current.next, l.current.last, l.problem = l.next, now.UnixMilli(), ""
	return nil
}

// lose counts records that could not be written, or made durable.
func (l *Log) lose(err error, count int) {
	l.opts.Log.Error("audit records are lost", "records", count, "error", err)
	l.untold += int64(count)
	l.why = err.Error()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost += int64(count)
	l.problem = err.Error()
}
