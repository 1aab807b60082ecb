package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// shown are the keys of our Secrets that hold nothing to hide.
var shown = map[string]bool{
	"ca.crt": true, "tls.crt": true, "type": true, "provider": true, "host": true, "port": true, "username": true, "generation": true,
	"notAfter": true, "users.json": true, "authorities.pem": true, "grant.json": true, "primary": true,
}

// shortest of what is hunted for: anything shorter is found by chance.
const shortest = 16

// issued are all secrets that there were since the suite began, by where they
// stood: also those that have been rotated away or deleted.
type issued struct {
	mu     sync.Mutex
	values map[string]string // value -> namespace/name/key
}

var secrets = &issued{values: map[string]string{}}

// follow takes down every Secret that the operator sees, until ctx ends.
func (i *issued) follow(ctx context.Context) error {
	selector := metav1.ListOptions{LabelSelector: v1alpha1.LabelWatch + "=true"}
	w, err := cluster.Logs.CoreV1().Secrets("").Watch(ctx, selector)
	if err != nil {
		return err
	}
	go func() {
		defer GinkgoRecover()
		for {
			for event := range w.ResultChan() {
				if s, ok := event.Object.(*corev1.Secret); ok && event.Type != watch.Deleted {
					i.take(s)
				}
			}
			for {
				if ctx.Err() != nil {
					return
				}
				// A watch without a version begins with all that there is.
				if w, err = cluster.Logs.CoreV1().Secrets("").Watch(ctx, selector); err == nil {
					break
				}
				time.Sleep(tick)
			}
		}
	}()
	return nil
}

func (i *issued) take(s *corev1.Secret) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for key, data := range s.Data {
		value := strings.TrimSpace(string(data))
		if key == "tls.key" { // one line of it: PEM is broken in its own way in each place
			if lines := strings.Split(value, "\n"); len(lines) > 2 {
				value = lines[1]
			}
		}
		open := key == "uri" && strings.HasPrefix(value, "https://") // a job queue's, without a user
		if !shown[key] && !open && len(value) >= shortest {
			i.values[value] = s.Namespace + "/" + s.Name + "/" + key
		}
	}
}

// needles are the secrets as they are and as JSON of Kubernetes would have them.
func (i *issued) needles() map[string]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := map[string]string{}
	for value, where := range i.values {
		all[value] = where
		all[base64.StdEncoding.EncodeToString([]byte(value))] = where + " in base64"
	}
	return all
}

// hunt looks for every secret there was in every place but Secrets.
func hunt(ctx context.Context) {
	GinkgoHelper()
	needles := secrets.needles()
	Expect(len(needles)).To(BeNumerically(">", 10))
	found, places := search(ctx, needles)
	Expect(found).To(BeEmpty())
	figure("%d secrets in %d places: none", len(needles)/2, places)
}

// search tells where it found which of the needles, and never the needle.
func search(ctx context.Context, needles map[string]string) (found []string, places int) {
	GinkgoHelper()
	look := func(place string, content []byte) {
		places++
		for secret, what := range needles {
			finding := place + " shows " + what
			if bytes.Contains(content, []byte(secret)) && !slices.Contains(found, finding) {
				found = append(found, finding)
			}
		}
	}
	objects(ctx, look)
	pods := &corev1.PodList{}
	Expect(cluster.List(ctx, pods)).To(Succeed())
	for _, pod := range pods.Items {
		logs(ctx, &pod, look)
	}
	processes(pods.Items, look)
	volumes(ctx, look)
	audits(ctx, look)
	return found, places
}

// objects of every kind that can be listed, but Secrets.
func objects(ctx context.Context, look func(string, []byte)) {
	GinkgoHelper()
	lists, err := cluster.Logs.Discovery().ServerPreferredResources()
	Expect(err).NotTo(HaveOccurred())
	all, err := dynamic.NewForConfig(cluster.Rest)
	Expect(err).NotTo(HaveOccurred())
	var kinds []string
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		Expect(err).NotTo(HaveOccurred())
		for _, resource := range list.APIResources {
			kind := version.WithResource(resource.Name)
			if !slices.Contains(resource.Verbs, "list") || kind.GroupResource() == corev1.Resource("secrets") {
				continue
			}
			objects, err := all.Resource(kind).List(ctx, metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue // announced and not served
			}
			Expect(err).NotTo(HaveOccurred())
			text, err := objects.MarshalJSON()
			Expect(err).NotTo(HaveOccurred())
			look(kind.GroupResource().String(), text)
			kinds = append(kinds, kind.GroupResource().String())
		}
	}
	Expect(kinds).To(ContainElements("pods", "configmaps", "events.events.k8s.io", "kvdatabases.coffer.dev", "controllerrevisions.apps"))
}

// logs of a pod's containers, those before a restart among them.
func logs(ctx context.Context, pod *corev1.Pod, look func(string, []byte)) {
	GinkgoHelper()
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		for _, previous := range []bool{false, true} {
			if previous && status.RestartCount == 0 {
				continue
			}
			options := &corev1.PodLogOptions{Container: status.Name, Previous: previous}
			text, err := cluster.Logs.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).DoRaw(ctx)
			if err != nil {
				continue // it has not begun, or has ended meanwhile
			}
			look(fmt.Sprintf("the log of %s/%s/%s", pod.Namespace, pod.Name, status.Name), text)
		}
	}
}

// processes of the pods: their arguments and environment.
func processes(pods []corev1.Pod, look func(string, []byte)) {
	GinkgoHelper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	Expect(err).NotTo(HaveOccurred())
	found := 0
	for _, dir := range dirs {
		cgroup, err := os.ReadFile(filepath.Join(dir, "cgroup"))
		if err != nil {
			continue // ended meanwhile
		}
		for i := range pods {
			if !strings.Contains(string(cgroup), string(pods[i].UID)) {
				continue
			}
			for _, name := range []string{"cmdline", "environ"} {
				text, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					continue
				}
				found++
				look("the "+name+" of a process of "+pods[i].Namespace+"/"+pods[i].Name, text)
			}
		}
	}
	Expect(found).To(BeNumerically(">=", 4), "processes of the operator and of a database")
}

// audits of the databases that serve, by a version that keeps one.
func audits(ctx context.Context, look func(string, []byte)) {
	GinkgoHelper()
	list := &v1alpha1.KVDatabaseList{}
	Expect(cluster.List(ctx, list)).To(Succeed())
	for i := range list.Items {
		db := &list.Items[i]
		if status, err := cluster.Member(ctx, db); err != nil || status.Audit == nil {
			continue
		}
		text, err := cluster.Audit(ctx, db)
		Expect(err).NotTo(HaveOccurred())
		look("the audit log of "+db.Namespace+"/"+db.Name, text)
	}
}

// volumes as they are on the disk: image files, which hold what was deleted too.
func volumes(ctx context.Context, look func(string, []byte)) {
	GinkgoHelper()
	list := &corev1.PersistentVolumeList{}
	Expect(cluster.List(ctx, list)).To(Succeed())
	syscall.Sync()
	for _, v := range list.Items {
		if v.Spec.Local == nil {
			continue
		}
		Expect(v.Spec.Local.Path).NotTo(BeEmpty())
		raw(filepath.Dir(v.Spec.Local.Path)+".img", look)
	}
}

// raw looks at a file's contents but for its holes, piece by piece. Pieces
// overlap, or a secret could lie across two.
func raw(path string, look func(string, []byte)) {
	GinkgoHelper()
	const piece, overlap = 4 << 20, 4 << 10
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return // the volume was removed since it was listed
	}
	Expect(err).NotTo(HaveOccurred())
	defer f.Close()
	buf, empty := make([]byte, piece+overlap), make([]byte, piece+overlap)
	for at := int64(0); ; at += piece {
		n, err := f.ReadAt(buf, at)
		if n > 0 && !bytes.Equal(buf[:n], empty[:n]) {
			look(filepath.Base(path), buf[:n])
		}
		if err != nil || n == 0 {
			return
		}
	}
}

// huntSpec shows that the hunt finds what is there to be found: a secret that
// somebody copied into a ConfigMap, and one on a volume.
func huntSpec(ctx context.Context, db *v1alpha1.KVDatabase) {
	GinkgoHelper()
	decoy := rand.Text()
	copied := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: db.Namespace, Name: "decoy"}, Data: map[string]string{"password": decoy}}
	Expect(cluster.Create(ctx, copied)).To(Succeed())
	defer func() { Expect(cluster.Delete(ctx, copied)).To(Succeed()) }()
	claim, volume := &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolume{}
	Expect(cluster.Get(ctx, client.ObjectKey{Namespace: db.Namespace, Name: "data-" + db.Name + "-0"}, claim)).To(Succeed())
	Expect(cluster.Get(ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, volume)).To(Succeed())
	path := filepath.Join(volume.Spec.Local.Path, "decoy")
	Expect(os.WriteFile(path, []byte(decoy), 0o600)).To(Succeed())
	defer func() { Expect(os.Remove(path)).To(Succeed()) }()
	found, _ := search(ctx, map[string]string{decoy: "the decoy"})
	Expect(found).To(ConsistOf("configmaps shows the decoy", volume.Name+".img shows the decoy"))
}
