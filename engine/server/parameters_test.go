package server

import (
	"io"
	"strings"
	"testing"
)

// TestConfigTellsWhatIsSo, and where it can be changed.
func TestConfigTellsWhatIsSo(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	_, port, _ := strings.Cut(f.addr, ":")
	exchange(t, c, r, "CONFIG GET maxclients tls-port\r\n", "*4\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n$8\r\ntls-port\r\n$5\r\n"+port+"\r\n")
	const failed = "-ERR CONFIG SET failed (possibly related to argument "
	exchange(t, c, r, "CONFIG SET maxclients 10000\r\nCONFIG SET maxclients 10\r\nCONFIG SET databases 16 MAXMEMORY 1gb\r\nCONFIG SET save x\r\nCONFIG REWRITE\r\n", "+OK\r\n"+
		failed+"'maxclients') - set spec.limits.maxClients of the KVDatabase instead\r\n"+
		failed+"'maxmemory') - set spec.memory.limit of the KVDatabase instead\r\n"+
		failed+"'save') - can't set immutable config\r\n"+
		"-ERR the configuration follows the fields of the KVDatabase, which the API server keeps: there is no file to rewrite\r\n")
	_, _ = io.WriteString(c, "CONFIG GET *\r\nQUIT\r\n")
	all, err := io.ReadAll(r)
	if err != nil || strings.Contains(string(all), f.password) || strings.Contains(string(all), "pass") {
		t.Errorf("%v, or a secret: %q", err, all)
	}
}

// TestResetStatistics: INFO begins again, and what is scraped does not.
func TestResetStatistics(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "PING\r\nPING\r\nAUTH x\r\nCONFIG RESETSTAT\r\n", "+PONG\r\n+PONG\r\n"+wrongPass+"+OK\r\n")
	_, _ = io.WriteString(c, "PING\r\nINFO stats\r\nQUIT\r\n")
	all, _ := io.ReadAll(r)
	for _, want := range []string{"total_connections_received:0\r\n", "acl_access_denied_auth:0\r\n"} {
		if !strings.Contains(string(all), want) {
			t.Errorf("%q is missing from %q", want, all)
		}
	}
	if st := f.Stats(); st.Accepted != 1 || st.AuthFailures != 1 {
		t.Errorf("what is scraped began again: %d connections, %d failed logins", st.Accepted, st.AuthFailures)
	}
}
