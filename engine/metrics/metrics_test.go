package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHandler(t *testing.T) {
	h := Handler(func() Sample {
		return Sample{
			Version: "v1", Instance: "shop/kv", Member: "kv-0", Connections: 5, Unauthenticated: 2, Commands: 7, LogSyncs: 9, Leader: true,
			Sessions:     []Sessions{{"default", 2, 3}},
			Certificates: []Certificate{{"client", time.Unix(1000, 0)}},
			Retained:     map[string]int64{"user:*": 4},
			ReloadErrors: []ReloadError{{"users", true}},
		}
	})
	for range 2 { // a second scrape finds the same collectors
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		for _, want := range []string{
			`coffer_build_info{instance="shop/kv",member="kv-0",version="v1"} 1`,
			`coffer_connections{state="authenticated"} 3`, `coffer_connections{state="unauthenticated"} 2`,
			`coffer_sessions{generation="2",user="default"} 3`, "coffer_commands_total 7", "coffer_log_syncs_total 9", "coffer_raft_leader 1",
			`coffer_certificate_not_after_seconds{use="client"} 1000`, `coffer_credential_reload_failed{source="users"} 1`, "go_goroutines",
			`coffer_retention_expiries_total{match="user:*"} 4`,
		} {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("lacks %s", want)
			}
		}
	}
}
