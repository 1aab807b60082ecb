package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KindJobQueue is the kind's name.
const KindJobQueue = "JobQueue"

// JobQueue is a durable job queue: workers lease jobs, acknowledge them, and get
// again what others failed or lost. It speaks flashQ's protocol (JSON lines and
// MessagePack) over TLS 1.3 on port 6789, and HTTPS on port 6790. An application
// mounts the secret <name>-connection as a directory and reads "host", "port",
// "token" and "ca.crt" from it, again after a rotation.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=jobqueues,scope=Namespaced,shortName=jobq,categories=coffer
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether clients can push and pull."
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.status`,description="What it does, or what is wrong and what to do."
// +kubebuilder:printcolumn:name="Queues",type=integer,JSONPath=`.status.jobs.queues`,description="Queues that are declared or hold jobs."
// +kubebuilder:printcolumn:name="Waiting",type=integer,JSONPath=`.status.jobs.waiting`,description="Jobs that wait for a worker."
// +kubebuilder:printcolumn:name="Active",type=integer,JSONPath=`.status.jobs.active`,description="Jobs that a worker has."
// +kubebuilder:printcolumn:name="Dead",type=integer,JSONPath=`.status.jobs.dead`,description="Jobs that failed for good."
// +kubebuilder:printcolumn:name="Rotated",type=date,JSONPath=`.status.credentials.lastRotated`,description="Time since the credentials were switched."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Primary",type=string,priority=1,JSONPath=`.status.primary`,description="The member that leads: it takes the writes."
// +kubebuilder:printcolumn:name="Replicas",type=string,priority=1,JSONPath=`.status.readyReplicas`,description="Ready members of those wanted."
// +kubebuilder:printcolumn:name="Version",type=string,priority=1,JSONPath=`.status.members[0].version`,description="The engine's version."
// +kubebuilder:printcolumn:name="TLS-Expires",type=string,priority=1,JSONPath=`.status.tls.notAfter`,description="When the served certificate ends."
// +kubebuilder:printcolumn:name="Storage",type=string,priority=1,JSONPath=`.spec.storage.size`,description="Size of each member's volume."
// +kubebuilder:printcolumn:name="Endpoint",type=string,priority=1,JSONPath=`.status.endpoint`,description="Host and port for clients in the cluster."
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 52",message="metadata.name must have at most 52 characters: the names of its pods, certificates and secrets are made from it"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be one DNS label that begins with a letter (a-z, 0-9 and '-', no dots): it becomes a Service's name"
type JobQueue struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the job queue as it should be.
	// +required
	Spec JobQueueSpec `json:"spec"`

	// status is the job queue as it was last observed; written by the operator.
	// +optional
	Status JobQueueStatus `json:"status,omitzero"`
}

// JobQueueSpec is the job queue as it should be. Only storage.size is required.
// What is written of queues and schedules takes effect without a restart.
//
// +kubebuilder:validation:XValidation:rule="!has(self.undeclaredQueues) || self.undeclaredQueues != 'Deny' || !has(self.schedules) || self.schedules.all(s, has(self.queues) && self.queues.exists(q, q.name == s.queue))",message="a schedule names a queue that spec.queues does not list: list it, or set undeclaredQueues to Allow"
// +kubebuilder:validation:XValidation:rule="!has(self.undeclaredQueues) || self.undeclaredQueues != 'Deny' || !has(self.queues) || self.queues.all(d, !has(d.deadLetter) || self.queues.exists(q, q.name == d.deadLetter))",message="a deadLetter names a queue that spec.queues does not list: list it, or set undeclaredQueues to Allow"
// +kubebuilder:validation:XValidation:rule="!has(self.encryption) || !has(self.encryption.atRest) || self.encryption.atRest != 'Disabled' || !has(self.queues) || self.queues.all(q, !has(q.encryptFields) || size(q.encryptFields) == 0)",message="encryptFields needs encryption.atRest Enabled: the keys of queues are wrapped under its key"
type JobQueueSpec struct {
	InstanceSpec `json:",inline"`

	// queues are the queues that have rules of their own. One that is taken off
	// the list and holds jobs is kept, closed for pushes, until its jobs are done
	// or its deletionPolicy is Delete. At most 256.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Queues []Queue `json:"queues,omitempty"`

	// schedules push jobs by themselves, again and again. At most 256.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Schedules []Schedule `json:"schedules,omitempty"`

	// undeclaredQueues: Allow lets clients push to queues that are not listed,
	// which then have defaults for everything; Deny refuses it. Default Allow.
	// +optional
	// +kubebuilder:default=Allow
	UndeclaredQueues UndeclaredQueues `json:"undeclaredQueues,omitempty"`
}

// UndeclaredQueues says whether there may be queues that are not listed.
//
// +kubebuilder:validation:Enum=Allow;Deny
type UndeclaredQueues string

// What becomes of pushes to queues that are not listed.
const (
	// UndeclaredAllow makes the queue.
	UndeclaredAllow UndeclaredQueues = "Allow"
	// UndeclaredDeny refuses the push.
	UndeclaredDeny UndeclaredQueues = "Deny"
)

// Queue is one queue's rules.
//
// +kubebuilder:validation:XValidation:rule="!has(self.deadLetter) || self.deadLetter != self.name",message="deadLetter must be another queue than the one itself: leave it out to keep dead jobs where they failed",messageExpression="'deadLetter of queue ' + self.name + ' must be another queue than the one itself: leave it out to keep dead jobs where they failed'"
type Queue struct {
	// name of the queue, as clients push to it. Required; 1 to 256 letters,
	// digits and any of "_.:-".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_.:-]+$')",message="a queue's name has letters, digits, '_', '.', ':' and '-' only, such as jobs:email"
	Name string `json:"name"`

	// rateLimit is how many jobs workers get within a time, all of them together.
	// One that a client sets comes before it until it is cleared. Default: as fast
	// as they can.
	// +optional
	RateLimit *QueueRateLimit `json:"rateLimit,omitempty"`

	// concurrency is how many jobs workers may have at one time, all of them
	// together. One that a client sets comes before it until it is cleared. From 1
	// to 1000000. Default: no bound.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Concurrency *int32 `json:"concurrency,omitempty"`

	// schema is a JSON Schema (draft 2020-12, formats asserted) that the data of
	// a job must fit; a push that does not is refused with the path that fails.
	// It cannot refer to files or the network. Default: any JSON.
	// +optional
	// +kubebuilder:validation:Type=object
	Schema *apiextensionsv1.JSON `json:"schema,omitempty"`

	// encryptFields are paths of values in a job's data, such as card.number or
	// notes[0], that are encrypted under a key of the queue's before anything is
	// written. Only a token with the operation Decrypt sees them in clear. Needs
	// encryption.atRest Enabled. At most 32.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[^.\\\\x00-\\\\x1f]+([.][^.\\\\x00-\\\\x1f]+)*$')",message="encryptFields are paths of values: names of fields with a dot between one and that within it, such as card.number"
	EncryptFields []string `json:"encryptFields,omitempty"`

	// retries are for jobs that do not bring their own.
	// +optional
	Retries QueueRetries `json:"retries,omitzero"`

	// lease is how long a worker may go without a heartbeat before its job is
	// handed to another. Default 30s; from 1s to 24h.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|ms|m|s))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="lease must be from 1s to 24h, written in h, m, s and ms (for example 30s)"
	Lease *metav1.Duration `json:"lease,omitempty"`

	// retention says how long jobs are kept once they are done with.
	// +optional
	Retention QueueRetention `json:"retention,omitzero"`

	// maxWaiting is how many jobs may wait, the delayed ones among them; one more
	// is refused. From 1 to 1000000000. Default: what the memory bears.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	MaxWaiting *int64 `json:"maxWaiting,omitempty"`

	// deadLetter is the queue that a job moves to when it has failed for good.
	// Default: it stays in its queue, as dead, where it can be looked at and
	// tried again.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_.:-]+$')",message="deadLetter is a queue's name: letters, digits, '_', '.', ':' and '-' only"
	DeadLetter string `json:"deadLetter,omitempty"`

	// deletionPolicy says what becomes of the jobs when the queue is taken off
	// the list: Retain closes it for pushes until they are done, Delete removes
	// them at once. Default Retain.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// QueueRateLimit is a number of jobs within any window of a length.
type QueueRateLimit struct {
	// max is the number of jobs. Required; from 1 to 1000000.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Max int64 `json:"max"`

	// per is the length of the window. Default 1s; from 100ms to 24h.
	// +optional
	// +kubebuilder:default="1s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|ms|m|s))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('24h')",message="rateLimit.per must be from 100ms to 24h, written in h, m, s and ms (for example 1m)"
	Per *metav1.Duration `json:"per,omitempty"`
}

// Backoff says how the delay before another attempt grows.
//
// +kubebuilder:validation:Enum=Exponential;Fixed
type Backoff string

// The backoffs.
const (
	// BackoffExponential doubles the delay with every attempt.
	BackoffExponential Backoff = "Exponential"
	// BackoffFixed keeps it.
	BackoffFixed Backoff = "Fixed"
)

// QueueRetries are for jobs that do not bring their own.
type QueueRetries struct {
	// maxAttempts is how often a job is tried before it is dead; 0 is without
	// end. Default 3; from 0 to 1000.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	MaxAttempts *int32 `json:"maxAttempts,omitempty"`

	// backoff: Exponential doubles the delay with every attempt, up to ten times;
	// Fixed keeps it. Default Exponential.
	// +optional
	Backoff Backoff `json:"backoff,omitempty"`

	// delay before the second attempt. Default 1s; from 0s, which is at once, to
	// 24h.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|ms|m|s))+$') && duration(self) <= duration('24h')",message="retries.delay must be from 0s to 24h, written in h, m, s and ms (for example 500ms)"
	Delay *metav1.Duration `json:"delay,omitempty"`
}

// QueueRetention says how long jobs are kept once they are done with.
type QueueRetention struct {
	// completed jobs, with their results. Default: the latest 10000, and at most
	// 64 MiB of them.
	// +optional
	Completed Keep `json:"completed,omitzero"`

	// failed jobs: those that are dead. Default: until somebody removes them.
	// +optional
	Failed Keep `json:"failed,omitzero"`
}

// Keep bounds by age and by number, whichever comes first.
type Keep struct {
	// maxAge is how long one is kept. From 1s to 87600h. Default: no bound.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|ms|m|s))+$') && duration(self) >= duration('1s') && duration(self) <= duration('87600h')",message="maxAge must be from 1s to 87600h, written in h, m, s and ms (for example 24h)"
	MaxAge *metav1.Duration `json:"maxAge,omitempty"`

	// maxCount is how many of the queue are kept, the latest. From 1 to
	// 1000000000. Default: no bound.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	MaxCount *int64 `json:"maxCount,omitempty"`
}

// Schedule pushes a job again and again.
//
// +kubebuilder:validation:XValidation:rule="has(self.cron) != has(self.every)",message="a schedule needs either cron or every: write cron: '0 3 * * *' or every: 10m",messageExpression="'schedule ' + self.name + ' needs either cron or every: write cron: \\'0 3 * * *\\' or every: 10m'"
// +kubebuilder:validation:XValidation:rule="!has(self.timeZone) || has(self.cron)",message="a schedule's timeZone is for cron: remove it beside every"
type Schedule struct {
	// name of the schedule. Required; 1 to 256 letters, digits and any of "_.:-".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_.:-]+$')",message="a schedule's name has letters, digits, '_', '.', ':' and '-' only, such as report:nightly"
	Name string `json:"name"`

	// queue that the job is pushed to. Required.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_.:-]+$')",message="a schedule's queue has letters, digits, '_', '.', ':' and '-' only, such as jobs:email"
	Queue string `json:"queue"`

	// cron is when, in the five fields of crontab: minute, hour, day of the
	// month, month, day of the week (for example "0 3 * * 6": Saturdays at
	// three); or six, with seconds before them. What was missed while nothing ran
	// is made up for once. Either this or every.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-0-9A-Za-z*/,?]+( +[-0-9A-Za-z*/,?]+){4,5}$')",message="cron must be minute, hour, day of the month, month and day of the week, such as 0 3 * * 6, with seconds before them if there are six"
	Cron string `json:"cron,omitempty"`

	// timeZone of cron, as in the IANA database (for example Europe/Berlin).
	// Default UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$')",message="timeZone must be a name of the IANA database, such as Europe/Berlin"
	TimeZone string `json:"timeZone,omitempty"`

	// every is the time from one push to the next. From 100ms to 8760h. Either
	// this or cron.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(h|ms|m|s))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('8760h')",message="every must be from 100ms to 8760h, written in h, m, s and ms (for example 10m)"
	Every *metav1.Duration `json:"every,omitempty"`

	// data of the job. Default null.
	// +optional
	Data *apiextensionsv1.JSON `json:"data,omitempty"`
}

// JobQueueStatus is the job queue as it was last observed.
type JobQueueStatus struct {
	InstanceStatus `json:",inline"`

	// jobs counts those of all queues; refreshed at most once a minute.
	// +optional
	Jobs *JobTotals `json:"jobs,omitempty"`

	// queues counts the jobs of each: the declared ones first, then others, by
	// name; refreshed at most once a minute. At most 256 are shown.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Queues []QueueStatus `json:"queues,omitempty"`
}

// JobTotals counts jobs of all queues.
type JobTotals struct {
	// queues that are declared or hold jobs.
	// +required
	Queues int32 `json:"queues"`

	JobCounts `json:",inline"`
}

// JobCounts counts jobs by their state.
type JobCounts struct {
	// waiting for a worker.
	// +required
	Waiting int64 `json:"waiting"`

	// delayed jobs, which wait for their time.
	// +required
	Delayed int64 `json:"delayed"`

	// active jobs, which a worker has.
	// +required
	Active int64 `json:"active"`

	// completed jobs that are kept.
	// +required
	Completed int64 `json:"completed"`

	// dead jobs, which failed for good.
	// +required
	Dead int64 `json:"dead"`
}

// QueueStatus is one queue as it was last observed.
type QueueStatus struct {
	// name of the queue.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`

	// state: Open; Paused, which hands out no jobs; Closed, which takes none: it
	// is no longer declared and its jobs are not done.
	// +required
	State QueueState `json:"state"`

	// declared in spec.queues.
	// +optional
	Declared bool `json:"declared,omitempty"`

	JobCounts `json:",inline"`
}

// QueueState says what a queue does.
//
// +kubebuilder:validation:Enum=Open;Paused;Closed
type QueueState string

// The states of a queue.
const (
	// QueueOpen takes and hands out jobs.
	QueueOpen QueueState = "Open"
	// QueuePaused takes jobs and hands out none.
	QueuePaused QueueState = "Paused"
	// QueueClosed hands out jobs and takes none.
	QueueClosed QueueState = "Closed"
)

// Conditions that JobQueues alone have.
const (
	// ConditionQueuesApplied (True is good) says that members go by spec.queues
	// and spec.schedules as they are written, by their own report.
	ConditionQueuesApplied = "QueuesApplied"
	// ConditionQueuesClosed (True is neutral) says that queues are no longer
	// declared and hold jobs: they take no more, and are gone once those are done.
	ConditionQueuesClosed = "QueuesClosed"
)

// Reasons of those, beside those of others.
const (
	// ReasonQueuesInvalid: spec.queues or spec.schedules cannot be carried out.
	ReasonQueuesInvalid = "QueuesInvalid"
	// ReasonQueuesRemoved: queues that are no longer declared hold jobs.
	ReasonQueuesRemoved = "QueuesRemoved"
	// ReasonNoneClosed: no queue is closed.
	ReasonNoneClosed = "NoneClosed"
)

// JobQueueList is a list of JobQueues.
//
// +kubebuilder:object:root=true
type JobQueueList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the job queues.
	Items []JobQueue `json:"items"`
}
