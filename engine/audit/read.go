package audit

import (
	"encoding/json"
	"fmt"

	"github.com/coffer-dev/coffer/engine/adminapi"
)

// maxPageBytes bounds what Read returns; one record more may come.
const maxPageBytes = 512 << 10

// Read returns the records behind an index, limit of them and 512 KiB at most:
// who wants more asks again, behind the last one. What is damaged is left out; Status says of which file.
func (l *Log) Read(after uint64, limit int) adminapi.AuditPage {
	l.mu.Lock()
	page := adminapi.AuditPage{Version: adminapi.Version, Records: []adminapi.AuditRecord{}, FirstIndex: l.firstIndex(), NextIndex: l.next}
	var files []*file
	var seen []file // as they are now: the writer goes on
	for _, f := range l.files {
		if f.check != 0 && f.next > after+1 {
			files, seen = append(files, f), append(seen, *f)
		}
	}
	l.mu.Unlock()
	left := maxPageBytes
	for i := range seen {
		if err := l.readRecords(&seen[i], after, limit, &left, &page); err != nil {
			l.mu.Lock()
			files[i].broken = err.Error()
			l.mu.Unlock()
			l.opts.Log.Error("audit records cannot be read", "file", files[i].name, "error", err)
		}
		if len(page.Records) == limit || left <= 0 {
			break
		}
	}
	return page
}

// readRecords adds a file's records to the page, the readable ones if there are
// others.
func (l *Log) readRecords(f *file, after uint64, limit int, left *int, page *adminapi.AuditPage) (damage error) {
	data, err := readFile(l.opts.FS, l.path(f.name))
	if err != nil {
		return err
	}
	blocks, _, _ := f.walk(data[:min(int64(len(data)), f.size)])
	for _, b := range blocks {
		if b.first+uint64(b.records) <= after+1 {
			continue
		}
		lines, err := f.records(b)
		if err != nil {
			damage = err
			continue
		}
		for _, line := range lines {
			var r adminapi.AuditRecord
			if err := json.Unmarshal(line, &r); err != nil {
				damage = fmt.Errorf("offset %d: %w", b.offset, err)
				continue
			}
			if r.Index > after && len(page.Records) < limit && *left > 0 {
				*left -= len(line)
				page.Records = append(page.Records, r)
			}
		}
		if len(page.Records) == limit || *left <= 0 {
			break
		}
	}
	return damage
}
