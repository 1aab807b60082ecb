package v1alpha1

// AnnotationRenew on an AccessToken: a new value counts spec.expiresAfter anew.
const AnnotationRenew = GroupName + "/renew"

// Annotations that the operator writes for tokens.
const (
	// AnnotationValidFrom on an AccessToken: from when spec.expiresAfter counts
	// (RFC 3339). On the token itself, because whoever may change this may renew
	// it anyway, and nobody else may.
	AnnotationValidFrom = GroupName + "/valid-from"
	// AnnotationValidFor on an AccessToken: the value of spec.expiresAfter that
	// was counted from then.
	AnnotationValidFor = GroupName + "/valid-for"
	// AnnotationRenewed on an AccessToken: the value of coffer.dev/renew that has
	// been carried out.
	AnnotationRenewed = GroupName + "/renewed"

	// AnnotationToken on a grant: the AccessToken behind it, namespace/name.
	AnnotationToken = GroupName + "/access-token"
	// AnnotationTokenUID on a grant: that token's UID. A grant of another one is
	// void.
	AnnotationTokenUID = GroupName + "/access-token-uid"
)

// LabelGrant with the value "true" marks the secrets in which AccessTokens
// reach their targets.
const LabelGrant = GroupName + "/grant"

// Conditions of an AccessToken, beside Ready, Reconciling, Stalled,
// CredentialsSynced and RotationInProgress.
const (
	// ConditionTargetAccepted (True is good) says that the target exists and
	// lets the token in as it is written.
	ConditionTargetAccepted = "TargetAccepted"
	// ConditionNetworkPathOpen (True is good) says that the pods of spec.from are
	// let through the target's NetworkPolicy; False where none are named.
	ConditionNetworkPathOpen = "NetworkPathOpen"
	// ConditionExpiringSoon (True is bad) says that the token ends within a tenth
	// of its lifetime, and within seven days.
	ConditionExpiringSoon = "ExpiringSoon"
	// ConditionExpired (True is bad) says that the token has ended: its
	// credential is refused until it is renewed.
	ConditionExpired = "Expired"
)

// Reasons of an AccessToken's conditions, beside those of others.
const (
	// ReasonAccepted: the target lets the token in.
	ReasonAccepted = "Accepted"
	// ReasonGranted: the credential in the secret may be used.
	ReasonGranted = "Granted"
	// ReasonValid: the token does not end soon.
	ReasonValid = "Valid"
	// ReasonExpiringSoon: the token ends soon.
	ReasonExpiringSoon = "ExpiringSoon"
	// ReasonExpired: the token has ended.
	ReasonExpired = "Expired"
	// ReasonNoPeers: spec.from names no pods.
	ReasonNoPeers = "NoPeers"
	// ReasonTargetNotFound: what spec.targetRef names is missing.
	ReasonTargetNotFound = "TargetNotFound"
	// ReasonTargetNotReady: the target does not serve yet.
	ReasonTargetNotReady = "TargetNotReady"
	// ReasonNamespaceNotAllowed: the target does not let tokens of this namespace in.
	ReasonNamespaceNotAllowed = "NamespaceNotAllowed"
	// ReasonNamespaceNotReadable: the target allows namespaces by their labels,
	// and the operator may not read Namespaces.
	ReasonNamespaceNotReadable = "NamespaceNotReadable"
	// ReasonPeerNotAllowed: spec.from has an entry that cannot be let through.
	ReasonPeerNotAllowed = "PeerNotAllowed"
	// ReasonRulesInvalid: spec.keyValue has a rule that cannot be carried out.
	ReasonRulesInvalid = "RulesInvalid"
	// ReasonSecretClaimed: another token has the secret of that name.
	ReasonSecretClaimed = "SecretClaimed"
	// ReasonTargetFull: the target has as many tokens as fit.
	ReasonTargetFull = "TargetFull"
	// ReasonEngineTooOld: the pods run an engine from before what is asked for:
	// tokens, audit, another CA.
	ReasonEngineTooOld = "EngineTooOld"
)
