package desired

import (
	"encoding/json"
	"fmt"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/config"
)

// EngineConfig is what the engine reads at its start. Ports, paths and limits
// that the API does not have are the engine's own defaults.
func EngineConfig(in Inputs) config.Config {
	names := NamesOf(in.Instance)
	c := config.Default()
	c.Instance = names.Instance()
	c.Files.OperatorName = names.OperatorHost()
	if in.spec().Durability == v1alpha1.DurabilityEverySecond {
		c.Durability = config.EverySecond
	}
	if EncryptionSecretOf(in) != "" {
		c.Files.EncryptionKeys = keysMount
	}
	if in.grouped() {
		c.Peers = peersConfig(in)
		if reads := in.kind().Reads; reads != nil {
			c.Listen.Reads = fmt.Sprintf(":%d", reads.Number)
		}
	}
	in.kind().configure(in.Instance, &c)
	return c
}

// engineLimits puts the user's limits over the defaults, and draws in those
// that would exceed them.
func engineLimits(user *v1alpha1.KVDatabaseLimits, l config.Limits) config.Limits {
	if user == nil {
		return l
	}
	if user.MaxClients != nil {
		l.MaxClients = int(*user.MaxClients)
	}
	if user.MaxRequestBytes != nil {
		l.MaxRequestBytes = user.MaxRequestBytes.Value()
	}
	l.MaxUnauthenticated = min(l.MaxUnauthenticated, l.MaxClients)
	l.MaxUnauthenticatedPerHost = min(l.MaxUnauthenticatedPerHost, l.MaxUnauthenticated)
	l.MaxBulkBytes = min(l.MaxBulkBytes, l.MaxRequestBytes)
	if user.MaxKeyBytes != nil {
		l.MaxKeyBytes = int(user.MaxKeyBytes.Value())
	}
	l.MaxKeyBytes = int(min(int64(l.MaxKeyBytes), l.MaxRequestBytes))
	return l
}

// engineMemory leaves out what is the engine's own default.
func engineMemory(user *v1alpha1.KVDatabaseMemory) (m config.Memory) {
	if user == nil {
		return m
	}
	if user.Limit != nil {
		m.LimitBytes = user.Limit.Value()
	}
	if user.EvictionPolicy != v1alpha1.EvictionNone {
		m.EvictionPolicy = config.EvictionPolicy(user.EvictionPolicy)
	}
	return m
}

// EngineConfigMap keeps a revision. It is immutable and named after its
// content: a pod that restarts reads what its own revision read.
func EngineConfigMap(in Inputs) Object {
	r := revision(in)
	return corev1ac.ConfigMap(r.Name(in.Instance.GetName()), in.Instance.GetNamespace()).
		WithLabels(Labels(in)).
		WithOwnerReferences(owner(in)).
		WithImmutable(true).
		WithData(map[string]string{KeyEngineConfig: r.Engine, KeyTemplate: r.Template})
}

func engineJSON(in Inputs) []byte {
	text, err := json.MarshalIndent(EngineConfig(in), "", "  ")
	if err != nil {
		panic(fmt.Sprintf("marshal the engine's configuration: %v", err)) // a struct of strings and numbers
	}
	return append(text, '\n')
}

// mustJSON marshals structs of strings, numbers, lists and maps, which cannot fail.
func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("marshal %T: %v", v, err))
	}
	return text
}
