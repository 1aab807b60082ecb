package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KindAccessToken is the kind's name.
const KindAccessToken = "AccessToken"

// AccessToken lets one application use a database or a job queue, of its own or of
// another namespace: a credential, what it permits, where it may be used from,
// how much and how long, in one object. An application mounts the secret of the
// token's name as a directory and reads "uri" (of a job queue "host", "port" and
// "token") and "ca.crt" from it, again after a rotation. Deleting the token ends all of it within seconds: the credential is
// refused, open sessions are closed, the network path and the secret are gone.
//
// Whoever may create an AccessToken may give itself access to all that stands in
// its namespace, and to those of others that allow the namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=accesstokens,scope=Namespaced,shortName=atok,categories=coffer
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the credential in the secret is accepted."
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.status`,description="What it permits, or what is wrong and what to do."
// +kubebuilder:printcolumn:name="Target",type=string,JSONPath=`.spec.targetRef.name`,description="What it gives access to."
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.spec.*.role`,description="What may be done; empty where it is listed one by one."
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.expiresAt`,description="When it ends; empty for never."
// +kubebuilder:printcolumn:name="Rotated",type=date,JSONPath=`.status.credentials.lastRotated`,description="Time since the credential was switched."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="User",type=string,priority=1,JSONPath=`.status.user`,description="The name that it logs in with."
// +kubebuilder:printcolumn:name="Secret",type=string,priority=1,JSONPath=`.status.binding.name`,description="The secret to mount."
// +kubebuilder:printcolumn:name="Endpoint",type=string,priority=1,JSONPath=`.status.endpoint`,description="Host and port for clients in the cluster."
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be one DNS label of at most 63 characters (a-z, 0-9 and '-', no dots): it becomes the name of a user"
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'default'",message="metadata.name must not be \"default\": that is the name of the database's own user"
type AccessToken struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the access as it should be.
	// +required
	Spec AccessTokenSpec `json:"spec"`

	// status is the access as it was last observed; written by the operator.
	// +optional
	Status AccessTokenStatus `json:"status,omitzero"`
}

// AccessTokenSpec is the access as it should be. Every field may change later:
// the secret keeps its name, open sessions follow.
//
// +kubebuilder:validation:XValidation:rule="self.targetRef.kind != 'KVDatabase' || has(self.keyValue)",message="keyValue is required with targetRef.kind KVDatabase: write a role and keys, for example {role: ReadWrite, keys: ['session:*']}"
// +kubebuilder:validation:XValidation:rule="self.targetRef.kind != 'JobQueue' || has(self.jobs)",message="jobs is required with targetRef.kind JobQueue: write a role and queues, for example {role: Worker, queues: ['email']}"
// +kubebuilder:validation:XValidation:rule="self.targetRef.kind == 'KVDatabase' || !has(self.keyValue)",message="keyValue is for targetRef.kind KVDatabase: remove it, and write jobs for a JobQueue"
// +kubebuilder:validation:XValidation:rule="self.targetRef.kind == 'JobQueue' || !has(self.jobs)",message="jobs is for targetRef.kind JobQueue: remove it, and write keyValue for a KVDatabase"
// +kubebuilder:validation:XValidation:rule="!has(self.expiresAfter) || !has(self.expiresAt)",message="expiresAfter and expiresAt exclude each other: remove one of them"
type AccessTokenSpec struct {
	// targetRef names what the token gives access to. Required.
	// +required
	TargetRef TargetRef `json:"targetRef"`

	// keyValue is what the token permits in a KVDatabase.
	// +optional
	KeyValue *KeyValueRules `json:"keyValue,omitempty"`

	// jobs is what the token permits in a JobQueue.
	// +optional
	Jobs *JobRules `json:"jobs,omitempty"`

	// from are the pods that may connect with the token: they are let through
	// the target's NetworkPolicy for as long as the token lives. Default: none;
	// the token opens no network path, and works from where the target's
	// networkPolicy.clients or another token let a pod through. At most 30.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=30
	From []TokenPeer `json:"from,omitempty"`

	// expiresAfter is how long the token is valid, from its creation; counted
	// anew when this changes, or when the annotation coffer.dev/renew gets
	// another value. From 1m to 87600h. Default: it does not expire.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|m|s))+$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="expiresAfter must be from 1m to 87600h, written in h, m and s (for example 720h)"
	ExpiresAfter *metav1.Duration `json:"expiresAfter,omitempty"`

	// expiresAt is when the token ends, for example 2027-06-30T00:00:00Z; a
	// later time renews it. Default: it does not expire.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// rotation says how the token's password changes hands. The annotations
	// coffer.dev/rotate-credentials, coffer.dev/rotate-complete and
	// coffer.dev/rotate-abort are heeded as on a database.
	// +optional
	// +kubebuilder:default={}
	Rotation Rotation `json:"rotation,omitzero"`

	// quota bounds how much the token's sessions may use together. Default: what
	// the target itself bears.
	// +optional
	Quota *TokenQuota `json:"quota,omitempty"`

	// secretName is the secret that applications mount, in the token's own
	// namespace. One that exists and is not the token's is left alone. Default:
	// the token's name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="secretName must be the name of a Secret (a-z, 0-9, '-' and '.')"
	SecretName string `json:"secretName,omitempty"`
}

// TargetKind is a kind that tokens give access to.
//
// +kubebuilder:validation:Enum=KVDatabase;JobQueue
type TargetKind string

// The kinds.
const (
	// TargetKVDatabase is a key-value database.
	TargetKVDatabase TargetKind = KindKVDatabase
	// TargetJobQueue is a job queue.
	TargetJobQueue TargetKind = KindJobQueue
)

// TargetRef names what a token gives access to.
type TargetRef struct {
	// kind of the target: KVDatabase or JobQueue. Default KVDatabase.
	// +optional
	// +kubebuilder:default=KVDatabase
	Kind TargetKind `json:"kind,omitempty"`

	// name of the target. Required.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// namespace of the target. Another one than the token's own must be allowed
	// by the target's spec.allowedNamespaces. Default: the token's own.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// TokenRole is a set of commands for a common purpose, or what one library needs:
// its commands, and where none are written its keys and channels.
//
// +kubebuilder:validation:Enum=ReadOnly;ReadWrite;Admin;BullMQ;Asynq;Sidekiq;Celery
type TokenRole string

// The roles.
const (
	// RoleReadOnly permits commands that read.
	RoleReadOnly TokenRole = "ReadOnly"
	// RoleReadWrite permits commands that read and write, publish and subscribe,
	// and scripts; none that concern the whole database.
	RoleReadWrite TokenRole = "ReadWrite"
	// RoleAdmin permits every command.
	RoleAdmin TokenRole = "Admin"
	// RoleBullMQ permits what BullMQ needs.
	RoleBullMQ TokenRole = "BullMQ"
	// RoleAsynq permits what asynq needs.
	RoleAsynq TokenRole = "Asynq"
	// RoleSidekiq permits what Sidekiq needs.
	RoleSidekiq TokenRole = "Sidekiq"
	// RoleCelery permits what Celery needs.
	RoleCelery TokenRole = "Celery"
)

// KeyValueRules are what a token permits in a key-value database: which
// commands, on which keys. Both must permit what a client asks for.
//
// +kubebuilder:validation:XValidation:rule="has(self.role) != has(self.commands)",message="keyValue needs either role or commands: write role: ReadOnly, ReadWrite, Admin, BullMQ, Asynq, Sidekiq or Celery, or list commands such as ['@read', 'incr']"
// +kubebuilder:validation:XValidation:rule="(has(self.role) && self.role in ['BullMQ', 'Asynq', 'Sidekiq', 'Celery']) || (has(self.keys) && size(self.keys) > 0) || (has(self.readKeys) && size(self.readKeys) > 0) || (has(self.writeKeys) && size(self.writeKeys) > 0) || (has(self.channels) && size(self.channels) > 0)",message="keyValue needs keys, readKeys, writeKeys or channels: a token without any permits nothing; write keys: ['*'] for every key"
type KeyValueRules struct {
	// role is a set of commands: ReadOnly, ReadWrite, or Admin for all of them;
	// or what a library needs and no more: BullMQ, Asynq, Sidekiq or Celery,
	// with the keys and channels of its default configuration where keys or
	// channels are not written. Either this or commands.
	// +optional
	Role TokenRole `json:"role,omitempty"`

	// commands are the commands that are permitted: names such as "get" or
	// "config|get", and Redis' categories such as "@read". With "-" before it,
	// one is taken away again: of those that a command matches, the last counts,
	// so ["@read", "-@dangerous"] permits what reads and is not dangerous. What
	// no entry names is refused. Either this or role. At most 64.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^-?(@[a-z]+|[a-z][a-z0-9._-]*([|][a-z0-9_-]+)?)$')",message="keyValue.commands are lower-case names such as get or config|get, or categories such as @read, each with '-' before it to take it away",messageExpression="'keyValue.commands are lower-case names such as get or config|get, or categories such as @read, not ' + self"
	// +kubebuilder:validation:items:XValidation:rule="!self.matches('^-?@') || self.replace('-', '') in ['@all', '@admin', '@bitmap', '@blocking', '@connection', '@dangerous', '@fast', '@geo', '@hash', '@hyperloglog', '@keyspace', '@list', '@pubsub', '@read', '@scripting', '@set', '@slow', '@sortedset', '@stream', '@string', '@transaction', '@write']",message="keyValue.commands has an unknown category: `redis-cli ACL CAT` lists them",messageExpression="'keyValue.commands has the unknown category ' + self + ': `redis-cli ACL CAT` lists them'"
	Commands []string `json:"commands,omitempty"`

	// keys are patterns of keys that may be read and written, as far as the
	// commands go: "session:*", with *, ?, [abc] and \ as in Redis. At most 64.
	// Default: none; with a library's role, that library's, unless readKeys or
	// writeKeys are written.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule=`self.matches(r'^([^\[\]\\\x00-\x1f]|\\.|\[(\\.|[^\]\\])+\])+$')`,message="a pattern of keyValue.keys is malformed: close every [ with ], and write \\ before a character that is meant as it is",messageExpression="'the pattern ' + self + ' of keyValue.keys is malformed: close every [ with ], and write a backslash before a character that is meant as it is'"
	Keys []string `json:"keys,omitempty"`

	// readKeys are patterns of keys that may be read and not written. At most 64.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule=`self.matches(r'^([^\[\]\\\x00-\x1f]|\\.|\[(\\.|[^\]\\])+\])+$')`,message="a pattern of keyValue.readKeys is malformed: close every [ with ], and write \\ before a character that is meant as it is",messageExpression="'the pattern ' + self + ' of keyValue.readKeys is malformed: close every [ with ], and write a backslash before a character that is meant as it is'"
	ReadKeys []string `json:"readKeys,omitempty"`

	// writeKeys are patterns of keys that may be written and not read. At most 64.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule=`self.matches(r'^([^\[\]\\\x00-\x1f]|\\.|\[(\\.|[^\]\\])+\])+$')`,message="a pattern of keyValue.writeKeys is malformed: close every [ with ], and write \\ before a character that is meant as it is",messageExpression="'the pattern ' + self + ' of keyValue.writeKeys is malformed: close every [ with ], and write a backslash before a character that is meant as it is'"
	WriteKeys []string `json:"writeKeys,omitempty"`

	// channels are patterns of the channels that may be published to and
	// subscribed to. At most 64. Default: none; with a library's role, that
	// library's.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule=`self.matches(r'^([^\[\]\\\x00-\x1f]|\\.|\[(\\.|[^\]\\])+\])+$')`,message="a pattern of keyValue.channels is malformed: close every [ with ], and write \\ before a character that is meant as it is",messageExpression="'the pattern ' + self + ' of keyValue.channels is malformed: close every [ with ], and write a backslash before a character that is meant as it is'"
	Channels []string `json:"channels,omitempty"`
}

// JobRole is a set of operations for a common purpose.
//
// +kubebuilder:validation:Enum=Producer;Worker;Admin
type JobRole string

// The roles in a job queue.
const (
	// RoleProducer pushes jobs, sees what becomes of them, and cancels them.
	RoleProducer JobRole = "Producer"
	// RoleWorker pulls jobs, acknowledges or fails them, and tells their progress.
	RoleWorker JobRole = "Worker"
	// RoleJobsAdmin may do everything.
	RoleJobsAdmin JobRole = "Admin"
)

// JobRules are what a token permits in a job queue: which operations, on which
// queues.
//
// +kubebuilder:validation:XValidation:rule="has(self.role) != has(self.rules)",message="jobs needs either role or rules: write role: Producer, Worker or Admin, or list rules such as {queues: ['email'], operations: [Push, Read]}"
// +kubebuilder:validation:XValidation:rule="has(self.role) == has(self.queues)",message="jobs.role and jobs.queues need each other: write queues: ['*'] beside the role for every queue; an entry of rules has its own"
type JobRules struct {
	// role is a set of operations: Producer for Push, Read and Cancel; Worker for
	// Pull, Ack, Fail, Progress and Read; Admin for all. Either this, with
	// queues, or rules.
	// +optional
	Role JobRole `json:"role,omitempty"`

	// queues are patterns of the queues that the role is for: "*" is any text
	// (also alone, for every queue), "?" any character, [ab] one of several. At
	// most 64.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule=`self.matches(r'^([^\[\]\\\x00-\x1f]|\\.|\[(\\.|[^\]\\])+\])+$')`,message="a pattern of jobs.queues is malformed: close every [ with ], and write \\ before a character that is meant as it is",messageExpression="'the pattern ' + self + ' of jobs.queues is malformed: close every [ with ], and write a backslash before a character that is meant as it is'"
	Queues []string `json:"queues,omitempty"`

	// rules permit operations on queues, each its own; what no rule permits is
	// refused. Either this or role. At most 32.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Rules []JobRule `json:"rules,omitempty"`
}

// JobRule permits operations on queues.
type JobRule struct {
	// queues are patterns of the queues that the rule is for, such as "jobs:*".
	// Required; at most 64.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule=`self.matches(r'^([^\[\]\\\x00-\x1f]|\\.|\[(\\.|[^\]\\])+\])+$')`,message="a pattern of jobs.rules[].queues is malformed: close every [ with ], and write \\ before a character that is meant as it is",messageExpression="'the pattern ' + self + ' of jobs.rules[].queues is malformed: close every [ with ], and write a backslash before a character that is meant as it is'"
	Queues []string `json:"queues"`

	// operations that are permitted: Push; Pull (with heartbeats); Ack; Fail;
	// Progress (with logs and partial results); Read (jobs, results, counts,
	// events); Cancel; Update (data, priority, delay); DeadLetter (try again,
	// purge); Schedule; Manage (pause, drain, obliterate, limits); Erase; Decrypt
	// (see encrypted fields in clear); "*" for all. Required.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=14
	Operations []JobOperation `json:"operations"`
}

// JobOperation is what may be done with jobs.
//
// +kubebuilder:validation:Enum=Push;Pull;Ack;Fail;Progress;Read;Cancel;Update;DeadLetter;Schedule;Manage;Erase;Decrypt;"*"
type JobOperation string

// TokenPeer selects pods that may connect with a token.
//
// +kubebuilder:validation:XValidation:rule="has(self.podSelector) || has(self.namespaceSelector)",message="an entry of from needs a podSelector ({} selects every pod of the token's namespace)"
type TokenPeer struct {
	// podSelector selects pods by their labels: in the token's own namespace, or
	// in those of namespaceSelector.
	// +optional
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`

	// namespaceSelector selects namespaces by their labels. Only where the
	// target is in the token's own namespace: whoever uses what is another
	// namespace's opens it to pods of its own and to no others.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
}

// TokenQuota bounds what a token's sessions use together.
//
// +kubebuilder:validation:XValidation:rule="has(self.connections) || has(self.requestsPerSecond)",message="quota needs connections or requestsPerSecond: remove it where nothing is to be bounded"
type TokenQuota struct {
	// connections is the number of sessions at one time; one more is refused
	// when it logs in. From 1 to 100000. Default: no bound of its own.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	Connections *int32 `json:"connections,omitempty"`

	// requestsPerSecond is the number of commands of all sessions together. More
	// are slowed down; one that would have to wait for longer than two seconds
	// gets an error. From 1 to 10000000. Default: no bound.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	RequestsPerSecond *int32 `json:"requestsPerSecond,omitempty"`
}

// AccessTokenStatus is the access as it was last observed.
type AccessTokenStatus struct {
	// observedGeneration is the metadata.generation that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are the parts of the state. Ready sums them up.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// status is one line for people: what it permits, or what is wrong and what
	// to do about it.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Status string `json:"status,omitempty"`

	// credentials is the state of the token's password and its rotation.
	// +optional
	Credentials CredentialsStatus `json:"credentials,omitzero"`

	// expiresAt is when the token ends; absent for never.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// endpoint is host:port for clients in the cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=280
	Endpoint string `json:"endpoint,omitempty"`

	// user is the name that the token logs in with.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	User string `json:"user,omitempty"`

	// binding names the secret to mount (servicebinding.io).
	// +optional
	Binding *Binding `json:"binding,omitempty"`

	// lastHandled maps an annotation that asks for something once (for example
	// coffer.dev/rotate-credentials) to the last value that was carried out.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	LastHandled map[string]string `json:"lastHandled,omitempty"`
}

// AccessTokenList is a list of AccessTokens.
//
// +kubebuilder:object:root=true
type AccessTokenList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the tokens.
	Items []AccessToken `json:"items"`
}
