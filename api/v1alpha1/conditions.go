package v1alpha1

// Condition types. "True is good" and "True is bad" give the polarity: what an
// alert should look for. Every condition is present from the first visit.
const (
	// ConditionReady (True is good) sums up: clients can read and write, and the
	// observed state is the one asked for.
	ConditionReady = "Ready"
	// ConditionReconciling (True is neutral; kstatus) says that the operator is
	// on its way to the state asked for.
	ConditionReconciling = "Reconciling"
	// ConditionStalled (True is bad; kstatus) says that the operator cannot go
	// on until somebody changes what the message names.
	ConditionStalled = "Stalled"
	// ConditionAvailable (True is good) says that clients can read and write now,
	// whether or not everything asked for has been carried out.
	ConditionAvailable = "Available"
	// ConditionDegraded (True is bad) says that it serves, but with less than
	// asked for: a full volume, a member that does not answer.
	ConditionDegraded = "Degraded"
	// ConditionTLSReady (True is good) says that the client port serves the
	// current certificate, proven by a handshake.
	ConditionTLSReady = "TLSReady"
	// ConditionCredentialsSynced (True is good) says that every member accepts
	// the password in the connection secret, proven by its own report.
	ConditionCredentialsSynced = "CredentialsSynced"
	// ConditionRotationInProgress (True is neutral) says that two passwords
	// exist: one being prepared, or both in their overlap.
	ConditionRotationInProgress = "RotationInProgress"
	// ConditionCARotationInProgress (True is neutral) says that two certificate
	// authorities exist. Its reason CAExpiring asks for a rotation.
	ConditionCARotationInProgress = "CARotationInProgress"
	// ConditionNetworkPolicyApplied (True is good) says that the NetworkPolicy is
	// in place; False with reason NetworkPolicyDisabled where none is wanted.
	ConditionNetworkPolicyApplied = "NetworkPolicyApplied"
	// ConditionStorageResized (True is good) says that every volume has at least
	// the size asked for.
	ConditionStorageResized = "StorageResized"
	// ConditionRolloutPending (True is neutral) says that this version of the
	// operator would make other pods than those that run, and waits to be let.
	ConditionRolloutPending = "RolloutPending"
)

// Reasons for what goes well or is under way.
const (
	// ReasonServing: members are up and answer.
	ReasonServing = "Serving"
	// ReasonReconciled: nothing is left to do.
	ReasonReconciled = "Reconciled"
	// ReasonProgressing: objects are being created or changed.
	ReasonProgressing = "Progressing"
	// ReasonStarting: a member's pod is not ready yet.
	ReasonStarting = "Starting"
	// ReasonRolling: a member's pod is being replaced.
	ReasonRolling = "Rolling"
	// ReasonProven: a member's report or a handshake shows it.
	ReasonProven = "Proven"
	// ReasonIdle: no rotation runs.
	ReasonIdle = "Idle"
	// ReasonSuppliedByUser: a rotation was asked for, but the password is the
	// user's own to change.
	ReasonSuppliedByUser = "SuppliedByUser"
	// ReasonPreparing: members are learning a new password.
	ReasonPreparing = "Preparing"
	// ReasonOverlap: the old and the new password both work.
	ReasonOverlap = "Overlap"
	// ReasonCompleting: members are dropping the old password.
	ReasonCompleting = "Completing"
	// ReasonApplied: the object is in place.
	ReasonApplied = "Applied"
	// ReasonCurrent: pods are what this version of the operator makes.
	ReasonCurrent = "Current"
	// ReasonOperatorChanged: pods run on as an earlier version made them.
	ReasonOperatorChanged = "OperatorChanged"
	// ReasonResizing: a volume is growing.
	ReasonResizing = "Resizing"
	// ReasonRotated: a rotation reached its end (events).
	ReasonRotated = "Rotated"
	// ReasonRepaired: an object that was edited or deleted by hand is back (events).
	ReasonRepaired = "Repaired"
)

// Reasons for what somebody has to look at.
const (
	// ReasonIssuerNotFound: the issuer that spec.tls.issuerRef names is missing.
	ReasonIssuerNotFound = "IssuerNotFound"
	// ReasonIssuerNotReady: the issuer is there but not ready.
	ReasonIssuerNotReady = "IssuerNotReady"
	// ReasonIssuerForbidden: the issuer is a ClusterIssuer, and the operator was
	// installed without the right to read those.
	ReasonIssuerForbidden = "IssuerForbidden"
	// ReasonHostnameNotAllowed: spec.service.hostnames has the name of a Service
	// of another namespace, and spec.tls.issuerRef somebody who may sign it.
	ReasonHostnameNotAllowed = "HostnameNotAllowed"
	// ReasonCertificateNotReady: a certificate has not been issued.
	ReasonCertificateNotReady = "CertificateNotReady"
	// ReasonCertificateNotServed: a renewed certificate is not served yet.
	ReasonCertificateNotServed = "CertificateNotServed"
	// ReasonSecretNotFound: the secret of spec.credentials.secretRef is missing,
	// or lacks the label that lets the operator see it.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretInvalid: that secret has no usable password.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonWindowInvalid: spec.rotation.window never comes, or not as written.
	ReasonWindowInvalid = "WindowInvalid"
	// ReasonCAExpiring: the instance's CA ends within a year.
	ReasonCAExpiring = "CAExpiring"
	// ReasonNameTaken: an object that is not ours has a name that we need.
	ReasonNameTaken = "NameTaken"
	// ReasonRevisionLost: what the pods were made from was deleted by hand.
	ReasonRevisionLost = "RevisionLost"
	// ReasonApplyFailed: the API server refused an object of ours.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonUnschedulable: no node takes the pod.
	ReasonUnschedulable = "Unschedulable"
	// ReasonVolumePending: no volume has been bound.
	ReasonVolumePending = "VolumePending"
	// ReasonVolumeFull: writes are refused for want of space.
	ReasonVolumeFull = "VolumeFull"
	// ReasonStorageNotExpandable: the storage class does not let a volume grow.
	ReasonStorageNotExpandable = "StorageNotExpandable"
	// ReasonImagePull: the image cannot be pulled.
	ReasonImagePull = "ImagePull"
	// ReasonCrashing: the engine ends again and again.
	ReasonCrashing = "Crashing"
	// ReasonMemberUnreachable: a running member does not answer on its admin port.
	ReasonMemberUnreachable = "MemberUnreachable"
	// ReasonMemberNotReady: a member answers and says why it is not ready.
	ReasonMemberNotReady = "MemberNotReady"
	// ReasonCredentialsNotProven: a member does not accept the password yet.
	ReasonCredentialsNotProven = "CredentialsNotProven"
	// ReasonNetworkPolicyDisabled: spec.networkPolicy.mode is Disabled.
	ReasonNetworkPolicyDisabled = "NetworkPolicyDisabled"
)
