package v1alpha1

// Annotations on a KVDatabase or JobQueue that ask for something once. Each new value is
// carried out once and copied to status.lastHandled.
const (
	// AnnotationRotateCredentials starts a rotation of the password.
	AnnotationRotateCredentials = GroupName + "/rotate-credentials"
	// AnnotationRotateComplete ends the running overlap now.
	AnnotationRotateComplete = GroupName + "/rotate-complete"
	// AnnotationRotateAbort gives up a rotation that has not yet reached
	// applications.
	AnnotationRotateAbort = GroupName + "/rotate-abort"
	// AnnotationRotateTLS renews the leaf certificates.
	AnnotationRotateTLS = GroupName + "/rotate-tls"
	// AnnotationRotateCA changes the instance's certificate authority.
	AnnotationRotateCA = GroupName + "/rotate-ca"
	// AnnotationApproveRollout lets a new version of the operator replace the
	// pods by its own: one at a time, as if the user had changed the spec.
	AnnotationApproveRollout = GroupName + "/approve-rollout"
)

// Annotations that the operator writes on objects of its own.
const (
	// AnnotationSwitchedAt on the connection secret: when it got its password (RFC 3339).
	AnnotationSwitchedAt = GroupName + "/switched-at"
	// AnnotationRotationTrigger on pending and connection secrets: the value of
	// rotate-credentials that started the rotation; on the CA's, of rotate-ca.
	AnnotationRotationTrigger = GroupName + "/rotation-trigger"
	// AnnotationUsersRevision on a pod: the users file it should have; a change
	// makes the kubelet deliver mounted secrets at once.
	AnnotationUsersRevision = GroupName + "/users-revision"
	// AnnotationTLSRevision on a pod: the fingerprint of the certificate it should
	// serve; a change makes the kubelet deliver mounted secrets at once.
	AnnotationTLSRevision = GroupName + "/tls-revision"
	// AnnotationPodSpecHash on a pod: what the user asked of the pod, as a hash.
	// A pod whose hash differs is rolled.
	AnnotationPodSpecHash = GroupName + "/pod-spec-hash"
	// AnnotationRevision on a pod: the ConfigMap that keeps the template and the
	// engine's configuration from which it was made.
	AnnotationRevision = GroupName + "/revision"
)

// Labels.
const (
	// LabelWatch with the value "true" marks the secrets that the operator
	// reads; it keeps no other in memory.
	LabelWatch = GroupName + "/watch"

	// LabelName is the kind of thing that an object belongs to.
	LabelName = "app.kubernetes.io/name"
	// LabelInstance is the name of the instance that an object belongs to.
	LabelInstance = "app.kubernetes.io/instance"
	// LabelComponent is the object's part in the instance.
	LabelComponent = "app.kubernetes.io/component"
	// LabelPartOf is the product.
	LabelPartOf = "app.kubernetes.io/part-of"
	// LabelManagedBy is who writes the object.
	LabelManagedBy = "app.kubernetes.io/managed-by"
)
