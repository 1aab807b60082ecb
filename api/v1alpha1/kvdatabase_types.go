package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KindKVDatabase is the kind's name.
const KindKVDatabase = "KVDatabase"

// KVDatabase is a key-value database that speaks the Redis protocol (RESP2 and
// RESP3) over TLS 1.3 on port 6379; any Redis client works unmodified. An
// application mounts the secret <name>-connection as a directory and reads
// "uri" and "ca.crt" from it, again after a rotation.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=kvdatabases,scope=Namespaced,shortName=kvdb,categories=coffer
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether clients can read and write."
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.status`,description="What it does, or what is wrong and what to do."
// +kubebuilder:printcolumn:name="Primary",type=string,JSONPath=`.status.primary`,description="The member that leads: it takes the writes."
// +kubebuilder:printcolumn:name="Replicas",type=string,JSONPath=`.status.readyReplicas`,description="Ready members of those wanted."
// +kubebuilder:printcolumn:name="Rotated",type=date,JSONPath=`.status.credentials.lastRotated`,description="Time since the credentials were switched."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Version",type=string,priority=1,JSONPath=`.status.members[0].version`,description="The engine's version."
// +kubebuilder:printcolumn:name="TLS-Expires",type=string,priority=1,JSONPath=`.status.tls.notAfter`,description="When the served certificate ends."
// +kubebuilder:printcolumn:name="Storage",type=string,priority=1,JSONPath=`.spec.storage.size`,description="Size of each member's volume."
// +kubebuilder:printcolumn:name="Endpoint",type=string,priority=1,JSONPath=`.status.endpoint`,description="Host and port for clients in the cluster."
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 52",message="metadata.name must have at most 52 characters: the names of its pods, certificates and secrets are made from it"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be one DNS label that begins with a letter (a-z, 0-9 and '-', no dots): it becomes a Service's name"
type KVDatabase struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the database as it should be.
	// +required
	Spec KVDatabaseSpec `json:"spec"`

	// status is the database as it was last observed; written by the operator.
	// +optional
	Status KVDatabaseStatus `json:"status,omitzero"`
}

// KVDatabaseSpec is the database as it should be. Only storage.size is
// required; every default is the secure one.
//
// +kubebuilder:validation:XValidation:rule="!has(self.memory) || !has(self.memory.limit) || (has(self.resources) && (has(self.resources.requests) || has(self.resources.limits)) ? !has(self.resources.limits) || !('memory' in self.resources.limits) || quantity(string(self.memory.limit)).asApproximateFloat() <= quantity(string(self.resources.limits['memory'])).asApproximateFloat() * 0.63 : quantity(string(self.memory.limit)).compareTo(quantity('645Mi')) <= 0)",message="memory.limit must not exceed 63% of resources.limits.memory (1Gi unless resources says otherwise): the rest is for connections, the log and snapshots; raise resources.limits.memory or leave memory.limit out"
type KVDatabaseSpec struct {
	InstanceSpec `json:",inline"`

	// memory is what the data may take in memory, and what happens when they
	// would take more. A change replaces the pods, one after the other.
	// +optional
	// +kubebuilder:default={}
	Memory *KVDatabaseMemory `json:"memory,omitempty"`

	// limits bounds what one client can make the database do. A request over a
	// limit gets an error that names it.
	// +optional
	// +kubebuilder:default={}
	Limits *KVDatabaseLimits `json:"limits,omitempty"`

	// retention are rules by which keys that have no expiry get one: how long data
	// of a kind are kept where the application does not say. The first rule whose
	// pattern matches a key counts. A change takes effect within seconds, without a
	// restart; expiries that were given stay. At most 32.
	// +optional
	// +listType=map
	// +listMapKey=match
	// +kubebuilder:validation:MaxItems=32
	Retention []RetentionRule `json:"retention,omitempty"`

	// notifyKeyspaceEvents says what is published of keys, on the channels
	// __keyspace@0__:KEY and __keyevent@0__:EVENT, as notify-keyspace-events does
	// for Redis. K, E or both are the channels, and of what: g events of all
	// types, $ strings, l lists, s sets, h hashes, z sorted sets, t streams, x
	// expired keys, e evicted keys, n new keys; A is all of these but n. "Ex" tells
	// of expired keys. m (misses) is not told. A change takes effect within
	// seconds, without a restart. Default: nothing is published.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[KEg$lshzxetdnA]*$')",message="notifyKeyspaceEvents must have of the letters K, E, g, $, l, s, h, z, x, e, t, d, n and A alone; m (misses) is not told"
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('[KE]') && self.matches('[^KE]')",message="notifyKeyspaceEvents must have K (channels named after keys), E (channels named after events) or both, and of what: A for all, or some of g$lshzxetn, as in Ex"
	NotifyKeyspaceEvents string `json:"notifyKeyspaceEvents,omitempty"`
}

// RetentionRule gives keys that have no expiry one.
type RetentionRule struct {
	// match is a pattern of keys' names, as of the command KEYS: * is any
	// characters, ? any one, [ab] one of these, and a backslash has what follows
	// mean itself. The whole name must match. Required; 1 to 256 characters, and
	// no two rules have the same.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Match string `json:"match"`

	// maxAge is how long after the database notices that a key has no expiry the
	// key is removed: when it was written, when its expiry was taken away (by
	// PERSIST, or a SET that writes it anew), or when the rule was made. A longer
	// expiry of an application's own stays as it is. Required; from 1m to 87600h,
	// which is ten years.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}(h|m|s))+$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="maxAge must be from 1m to 87600h, written in h, m and s (for example 8760h, a year)"
	MaxAge metav1.Duration `json:"maxAge"`
}

// EvictionPolicy says which keys are evicted to make room for a write, as
// maxmemory-policy does for Redis.
//
// +kubebuilder:validation:Enum=NoEviction;AllKeysLRU;AllKeysLFU;AllKeysRandom;VolatileLRU;VolatileLFU;VolatileRandom;VolatileTTL
type EvictionPolicy string

// The policies.
const (
	EvictionNone           EvictionPolicy = "NoEviction"
	EvictionAllKeysLRU     EvictionPolicy = "AllKeysLRU"
	EvictionAllKeysLFU     EvictionPolicy = "AllKeysLFU"
	EvictionAllKeysRandom  EvictionPolicy = "AllKeysRandom"
	EvictionVolatileLRU    EvictionPolicy = "VolatileLRU"
	EvictionVolatileLFU    EvictionPolicy = "VolatileLFU"
	EvictionVolatileRandom EvictionPolicy = "VolatileRandom"
	EvictionVolatileTTL    EvictionPolicy = "VolatileTTL"
)

// KVDatabaseMemory is what the data may take, and what happens then.
type KVDatabaseMemory struct {
	// limit is the memory that the data may take, in bytes, keys and values with
	// what keeps them: maxmemory of Redis. Default, and at most: 63% of
	// resources.limits.memory. From 1Mi to 1Ti.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0",message="memory.limit must be from 1Mi to 1Ti"
	Limit *resource.Quantity `json:"limit,omitempty"`

	// evictionPolicy says which keys are evicted when a write would exceed the
	// limit. NoEviction: none, the write is refused with an OOM error. AllKeysLRU:
	// those that were not used for longest. AllKeysLFU: those that are used least.
	// AllKeysRandom: any. VolatileLRU, VolatileLFU, VolatileRandom: the same, of
	// the keys with an expiry; VolatileTTL: those that expire next. Where no key
	// can be evicted, the write is refused. LRU and LFU are approximated, as in
	// Redis, and take 5 bytes a key. Default NoEviction.
	// +optional
	// +kubebuilder:default=NoEviction
	EvictionPolicy EvictionPolicy `json:"evictionPolicy,omitempty"`
}

// KVDatabaseLimits bounds what clients can make a database do.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxKeyBytes) || !has(self.maxRequestBytes) || quantity(string(self.maxKeyBytes)).compareTo(quantity(string(self.maxRequestBytes))) <= 0",message="limits.maxKeyBytes must not exceed limits.maxRequestBytes: a key travels inside a request"
type KVDatabaseLimits struct {
	// maxClients is the number of connections open at one time. One more takes
	// the place of one that has not logged in yet; where there is none, it is
	// closed before its TLS handshake, which clients see as a reset connection.
	// Default 10000; from 1 to 100000.
	// +optional
	// +kubebuilder:default=10000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	MaxClients *int32 `json:"maxClients,omitempty"`

	// maxRequestBytes is the size of one command with all its arguments, in
	// bytes. A larger one is refused and its connection closed. One argument has
	// at most 64Mi, or maxRequestBytes when that is smaller. Default 256Mi; from
	// 1Ki to 1Gi.
	// +optional
	// +kubebuilder:default="256Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Gi')) <= 0",message="limits.maxRequestBytes must be from 1Ki to 1Gi"
	MaxRequestBytes *resource.Quantity `json:"maxRequestBytes,omitempty"`

	// maxKeyBytes is the length of one key, in bytes. Default 64Ki, or
	// maxRequestBytes when that is smaller; from 1 to 1Mi.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1')) >= 0 && quantity(string(self)).compareTo(quantity('1Mi')) <= 0",message="limits.maxKeyBytes must be from 1 to 1Mi"
	MaxKeyBytes *resource.Quantity `json:"maxKeyBytes,omitempty"`
}

// KVDatabaseStatus is the database as it was last observed.
type KVDatabaseStatus struct {
	InstanceStatus `json:",inline"`
}

// Conditions that KVDatabases alone have.
const (
	// ConditionSettingsApplied (True is good) says that members go by what takes
	// effect without a restart, spec.retention and spec.notifyKeyspaceEvents, as it
	// is written, by their own report.
	ConditionSettingsApplied = "SettingsApplied"
)

// Reasons of those, beside those of others.
const (
	// ReasonSettingsInvalid: a member does not take what is written.
	ReasonSettingsInvalid = "SettingsInvalid"
)

// KVDatabaseList is a list of KVDatabases.
//
// +kubebuilder:object:root=true
type KVDatabaseList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the databases.
	Items []KVDatabase `json:"items"`
}
