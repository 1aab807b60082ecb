package node

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/audit"
	"github.com/coffer-dev/coffer/engine/credential"
)

// auditDir is the audit log's directory, beside the member's own files.
const auditDir = "audit"

// openAudit opens the audit log, which follows the users file and the keys.
func (n *Node) openAudit() (err error) {
	now := n.credentials.Current()
	n.audit, err = audit.Open(audit.Options{
		FS: vfs.Default, Dir: filepath.Join(n.opts.Config.DataDir, auditDir), Member: n.opts.Member,
		Keys: now.Keys, Policy: now.Users.Audit(), Stream: n.opts.AuditStream, Log: n.opts.Log,
		IsSecret: func(text string) bool { return n.credentials.Current().Users.Knows(text) },
	})
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	follow := func(s *credential.Snapshot) {
		n.audit.SetPolicy(s.Users.Audit())
		n.audit.SetKeys(s.Keys)
	}
	n.credentials.OnChange(follow)
	follow(n.credentials.Current()) // it may have changed meanwhile
	return nil
}

// countAudit adds the audit log's files to what the member says of its own.
func (n *Node) countAudit(e *adminapi.Encryption) {
	usage := n.audit.Usage()
	e.PlainFiles += usage.Plain
	ids := slices.Clone(e.InUse)
	for _, id := range usage.IDs {
		ids = append(ids, id.String())
	}
	slices.Sort(ids)
	e.InUse = slices.Compact(ids)
}
