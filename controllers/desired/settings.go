package desired

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/config"
)

// KeySettings in the server's secret is the engine's settings file. It lies there
// since pods of every version mount that secret: what is set needs no other pod.
const KeySettings = "settings.json"

// Settings are what members are to go by while they run, as the spec has it. Their
// revision names their content; it is empty when there is nothing to be set.
func Settings(o v1alpha1.Instance) (s config.Settings) {
	db, ok := o.(*v1alpha1.KVDatabase)
	if !ok || len(db.Spec.Retention) == 0 && db.Spec.NotifyKeyspaceEvents == "" {
		return s
	}
	s.Version, s.KeyspaceEvents = config.SettingsVersion, db.Spec.NotifyKeyspaceEvents
	for _, r := range db.Spec.Retention {
		s.Retention = append(s.Retention, config.RetentionRule{Match: r.Match, MaxAgeSeconds: int64(r.MaxAge.Seconds())})
	}
	sum := sha256.Sum256(mustJSON(s))
	s.Revision = hex.EncodeToString(sum[:8])
	return s
}
