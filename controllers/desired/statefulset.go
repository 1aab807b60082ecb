package desired

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

const (
	// ContainerEngine is the engine's container in a member's pod.
	ContainerEngine = "engine"
	// VolumeData is the claim template; a member's claim is data-<pod>.
	VolumeData = "data"

	nonRoot         = 65532
	readableByGroup = 0o440
	// graceSeconds lets a member finish what it acknowledged and write its state.
	graceSeconds = 60

	configMount = "/etc/coffer/config"
)

// StatefulSet runs the members. Parallel and OnDelete, which cannot be changed
// later: who is replaced, and when, is for the operator to say, one at a time.
func StatefulSet(in Inputs) Object {
	names := NamesOf(in.Instance)
	whenDeleted := appsv1.RetainPersistentVolumeClaimRetentionPolicyType
	if !in.spec().Retains() {
		whenDeleted = appsv1.DeletePersistentVolumeClaimRetentionPolicyType
	}
	return appsv1ac.StatefulSet(names.StatefulSet(), in.Instance.GetNamespace()).
		WithLabels(Labels(in)).
		WithOwnerReferences(owner(in)).
		WithSpec(appsv1ac.StatefulSetSpec().
			WithReplicas(in.members()).
			WithServiceName(names.MembersService()).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithUpdateStrategy(appsv1ac.StatefulSetUpdateStrategy().WithType(appsv1.OnDeleteStatefulSetStrategyType)).
			WithRevisionHistoryLimit(2).
			WithPersistentVolumeClaimRetentionPolicy(appsv1ac.StatefulSetPersistentVolumeClaimRetentionPolicy().
				WithWhenDeleted(whenDeleted).
				WithWhenScaled(appsv1.RetainPersistentVolumeClaimRetentionPolicyType)).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(in))).
			WithTemplate(template(in)).
			WithVolumeClaimTemplates(claimTemplate(in)))
}

// template is the revision's, with the last restart that was asked for.
func template(in Inputs) *corev1ac.PodTemplateSpecApplyConfiguration {
	t := revision(in).named(in.Instance.GetName())
	if in.Restart != "" {
		t.WithAnnotations(map[string]string{v1alpha1.AnnotationRestart: in.Restart})
	}
	return t
}

func claimTemplate(in Inputs) *corev1ac.PersistentVolumeClaimApplyConfiguration {
	storage := in.spec().Storage
	size := storage.Size
	if in.ClaimSize != nil {
		size = *in.ClaimSize
	}
	spec := corev1ac.PersistentVolumeClaimSpec().
		WithAccessModes(corev1.ReadWriteOnce).
		WithResources(corev1ac.VolumeResourceRequirements().WithRequests(corev1.ResourceList{corev1.ResourceStorage: size}))
	if storage.StorageClassName != nil {
		spec.WithStorageClassName(*storage.StorageClassName)
	}
	// No namespace and no kind: the StatefulSet's controller fills them in.
	claim := &corev1ac.PersistentVolumeClaimApplyConfiguration{}
	return claim.WithName(VolumeData).WithLabels(Labels(in)).WithSpec(spec)
}

func podTemplate(in Inputs) *corev1ac.PodTemplateSpecApplyConfiguration {
	spec := corev1ac.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(graceSeconds).
		WithSecurityContext(corev1ac.PodSecurityContext().
			WithRunAsNonRoot(true).
			WithRunAsUser(nonRoot).
			WithRunAsGroup(nonRoot).
			WithFSGroup(nonRoot).
			WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))).
		WithContainers(engineContainer(in)).
		WithVolumes(podVolumes(in)...)
	if s := in.spec().Scheduling; s != nil {
		schedule(spec, s)
	}
	spread(in, spec)
	return corev1ac.PodTemplateSpec().
		WithLabels(Labels(in)).
		WithAnnotations(map[string]string{v1alpha1.AnnotationPodSpecHash: PodSpecHash(in)}).
		WithSpec(spec)
}

func schedule(spec *corev1ac.PodSpecApplyConfiguration, s *v1alpha1.Scheduling) {
	if len(s.NodeSelector) > 0 {
		spec.WithNodeSelector(s.NodeSelector)
	}
	for i := range s.Tolerations {
		spec.WithTolerations(as[corev1ac.TolerationApplyConfiguration](s.Tolerations[i]))
	}
	if s.Affinity != nil {
		spec.WithAffinity(as[corev1ac.AffinityApplyConfiguration](s.Affinity))
	}
	if s.PriorityClassName != "" {
		spec.WithPriorityClassName(s.PriorityClassName)
	}
}

// engineContainer has no environment: the engine finds its memory limit in its
// own control group.
func engineContainer(in Inputs) *corev1ac.ContainerApplyConfiguration {
	return corev1ac.Container().
		WithName(ContainerEngine).
		WithImage(in.Image).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithCommand("/coffer-engine", "serve", "--config", configMount+"/"+KeyEngineConfig).
		WithPorts(containerPorts(in)...).
		WithResources(as[corev1ac.ResourceRequirementsApplyConfiguration](Resources(in))).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(corev1ac.Capabilities().WithDrop("ALL"))).
		// Replaying a long log takes its time: ten minutes before it counts as stuck.
		WithStartupProbe(probe("/healthz", 1, 600)).
		WithLivenessProbe(probe("/healthz", 10, 6)).
		WithReadinessProbe(probe("/readyz", 2, 3)).
		WithVolumeMounts(volumeMounts(in)...)
}

// Resources are the user's, or enough for a small database.
func Resources(in Inputs) corev1.ResourceRequirements {
	given := in.spec().Resources
	if len(given.Requests) > 0 || len(given.Limits) > 0 {
		return given
	}
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("100m"),
			corev1.ResourceMemory: resource.MustParse("256Mi"),
		},
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
}

func containerPorts(in Inputs) []*corev1ac.ContainerPortApplyConfiguration {
	var out []*corev1ac.ContainerPortApplyConfiguration
	for _, p := range in.kind().ports(in.grouped()) {
		out = append(out, containerPort(p.Name, p.Number))
	}
	out = append(out, containerPort(portNameAdmin, PortAdmin), containerPort(portNameMetrics, PortMetrics))
	if in.grouped() {
		out = append(out, containerPort(portNamePeers, PortPeers))
	}
	return out
}

func containerPort(name string, port int32) *corev1ac.ContainerPortApplyConfiguration {
	return corev1ac.ContainerPort().WithName(name).WithContainerPort(port).WithProtocol(corev1.ProtocolTCP)
}

func probe(path string, period, failures int32) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().
		WithHTTPGet(corev1ac.HTTPGetAction().
			WithScheme(corev1.URISchemeHTTPS).
			WithPath(path).
			WithPort(intstr.FromString(portNameMetrics))).
		WithPeriodSeconds(period).
		WithTimeoutSeconds(5).
		WithFailureThreshold(failures)
}

// volumeMounts are whole directories, never subPath, so that the kubelet
// delivers changes. Only the data is writable.
func volumeMounts(in Inputs) []*corev1ac.VolumeMountApplyConfiguration {
	files := EngineConfig(in).Files
	readOnly := func(name, path string) *corev1ac.VolumeMountApplyConfiguration {
		return corev1ac.VolumeMount().WithName(name).WithMountPath(path).WithReadOnly(true)
	}
	mounts := []*corev1ac.VolumeMountApplyConfiguration{
		corev1ac.VolumeMount().WithName(VolumeData).WithMountPath(EngineConfig(in).DataDir),
		readOnly(volumeConfig, configMount),
		readOnly("users", files.Users),
		readOnly("tls-client", files.ClientTLS),
		readOnly("tls-admin", files.AdminTLS),
	}
	if files.EncryptionKeys != "" {
		mounts = append(mounts, readOnly(volumeKeys, files.EncryptionKeys))
	}
	if files.Queues != "" {
		mounts = append(mounts, readOnly(volumeQueues, files.Queues))
	}
	return mounts
}

func podVolumes(in Inputs) []*corev1ac.VolumeApplyConfiguration {
	names := NamesOf(in.Instance)
	fromSecret := func(volume, name string) *corev1ac.VolumeApplyConfiguration {
		return corev1ac.Volume().WithName(volume).
			WithSecret(corev1ac.SecretVolumeSource().WithSecretName(name).WithDefaultMode(readableByGroup))
	}
	volumes := []*corev1ac.VolumeApplyConfiguration{
		corev1ac.Volume().WithName(volumeConfig). // the revision's name comes with it
								WithConfigMap(corev1ac.ConfigMapVolumeSource().WithDefaultMode(readableByGroup).
									WithItems(corev1ac.KeyToPath().WithKey(KeyEngineConfig).WithPath(KeyEngineConfig))),
		fromSecret("users", names.ServerSecret()),
		fromSecret("tls-client", names.ServerTLS()),
		fromSecret("tls-admin", names.AdminTLS()),
	}
	if keys := EncryptionSecretOf(in); keys != "" {
		volumes = append(volumes, fromSecret(volumeKeys, keys))
	}
	if EngineConfig(in).Files.Queues != "" {
		volumes = append(volumes, queuesVolume(in))
	}
	return volumes
}

// as rewrites an API value as its apply configuration: both describe the same
// JSON, so it cannot fail.
func as[T any](value any) *T {
	out := new(T)
	if err := json.Unmarshal(mustJSON(value), out); err != nil {
		panic(fmt.Sprintf("rewrite %T as %T: %v", value, out, err))
	}
	return out
}
