package e2e

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/hack/image/images"
	"github.com/coffer-dev/coffer/test/fixture"
	"github.com/coffer-dev/coffer/test/fixture/npm"
)

// pageExamples is how many lines the program has to print: each example in
// each of two forms of connecting.
const pageExamples = 12

// pageSpec runs the code of an application's security page in a pod that mounts
// an AccessToken's secret. The pod's image has nothing that runs JavaScript:
// Node, the libraries that it needs, and the page's folder are volumes.
func pageSpec(ctx context.Context, target string) {
	GinkgoHelper()
	node, err := npm.Program("../conformance/flashqjs")
	Expect(err).NotTo(HaveOccurred())
	root, err := filepath.Abs("../..")
	Expect(err).NotTo(HaveOccurred())
	token := fixture.JobToken(shop, "page", target, v1alpha1.RoleJobsAdmin, "*")
	makeToken(ctx, token)
	granted(ctx, token)
	node, err = filepath.Rel(root, node)
	Expect(err).NotTo(HaveOccurred())

	pod := pagePod(filepath.Join("/project", node), nodeVolume(ctx, "page-system", "/usr"), nodeVolume(ctx, "page-project", readable(root)))
	start := time.Now()
	makeForSpec(ctx, pod)
	Eventually(func(g Gomega) {
		g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(pod), pod)).To(Succeed())
		g.Expect(pod.Status.Phase).To(BeElementOf(corev1.PodSucceeded, corev1.PodFailed))
	}, soon, tick).Should(Succeed())
	figure("the security page's examples ran in a pod within %s", fixture.Age(start))
	out, err := cluster.Logs.CoreV1().Pods(shop).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(strings.Count(string(out), " ok\n")).To(Equal(pageExamples), "%s", out)
	Expect(pod.Status.Phase).To(Equal(corev1.PodSucceeded), "%s", out)
}

// readable copies what of the project the pod needs to where anybody may read it,
// whatever the umask of who checked it out.
func readable(root string) string {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	for _, args := range [][]string{{"cp", "-r", "--parents", "engine/client/js", "test/conformance/flashqjs", dir}, {"chmod", "-R", "a+rX", dir}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "%s", out)
	}
	return dir
}

// makeForSpec creates an object, and deletes it when the spec is over.
func makeForSpec(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(cluster.Create(ctx, o)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(client.IgnoreNotFound(cluster.Delete(ctx, o, client.GracePeriodSeconds(0)))).To(Succeed())
	})
}

// nodeVolume makes a claim of a directory of the node, as pods of the restricted
// profile may mount it, and returns the volume of the claim.
func nodeVolume(ctx context.Context, name, path string) corev1.Volume {
	GinkgoHelper()
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany}
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	none := ""
	makeForSpec(ctx, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: modes, Capacity: size, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}},
			ClaimRef:               &corev1.ObjectReference{Namespace: shop, Name: name},
		},
	})
	makeForSpec(ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: modes, VolumeName: name, StorageClassName: &none,
			Resources: corev1.VolumeResourceRequirements{Requests: size},
		},
	})
	claim := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name, ReadOnly: true}
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: claim}}
}

// pagePod mounts what README.md tells an application to mount.
func pagePod(node string, system, project corev1.Volume) *corev1.Pod {
	yes, no, nobody, mode := true, false, int64(65532), int32(0o440)
	secret := corev1.Volume{Name: "connection", VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: "page", DefaultMode: &mode},
	}}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "page", Labels: map[string]string{"app": "page"}},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: &no,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &nobody, RunAsGroup: &nobody, FSGroup: &nobody,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "page", Image: images.DemoClient, ImagePullPolicy: corev1.PullIfNotPresent,
				WorkingDir: "/project/test/conformance/flashqjs",
				Command:    []string{node, "page.mjs", "/etc/coffer-connection"},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
				VolumeMounts: []corev1.VolumeMount{
					{Name: secret.Name, MountPath: "/etc/coffer-connection", ReadOnly: true},
					{Name: project.Name, MountPath: "/project", ReadOnly: true},
					{Name: system.Name, MountPath: "/usr", ReadOnly: true},
					{Name: system.Name, MountPath: "/lib", SubPath: "lib", ReadOnly: true},
					{Name: system.Name, MountPath: "/lib64", SubPath: "lib64", ReadOnly: true},
				},
			}},
			Volumes: []corev1.Volume{secret, system, project},
		},
	}
}
