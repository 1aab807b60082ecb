package desired

import (
	"net"
	"net/url"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
)

var kvDatabase = Kind{
	Name: v1alpha1.KindKVDatabase, Label: "kvdatabase", Short: "kvdb",
	Ports:          []Port{{"keys", PortKeys}},
	Reads:          &Port{portNameReads, PortReads},
	UsersVersion:   acl.TokensFileVersion,
	ConnectionType: bindingTypes + "redis",
	New:            func() v1alpha1.Instance { return &v1alpha1.KVDatabase{} },

	permitAll: func(u *acl.User, version int) {
		u.Commands, u.Keys = []string{"@all"}, []string{"*"}
		if version >= acl.TokensFileVersion {
			u.Channels = []string{"*"}
		}
	},
	connect: func(data map[string][]byte) {
		data[keyURI] = uri(data, keyHost)
		if data[KeyReadsHost] != nil {
			data[keyReadsURI] = uri(data, KeyReadsHost)
		}
	},
	configure: func(o v1alpha1.Instance, c *config.Config) {
		if db, ok := o.(*v1alpha1.KVDatabase); ok {
			c.Limits = engineLimits(db.Spec.Limits, c.Limits)
			c.Memory = engineMemory(db.Spec.Memory)
		}
	},
}

// uri is a host's of a connection secret. A password of the user's own may have
// any character: it is escaped.
func uri(data map[string][]byte, host string) []byte {
	u := url.URL{
		Scheme: "rediss", User: url.UserPassword(string(data[keyUsername]), string(data[KeyPassword])),
		Host: net.JoinHostPort(string(data[host]), string(data[keyPort])),
	}
	return []byte(u.String())
}
