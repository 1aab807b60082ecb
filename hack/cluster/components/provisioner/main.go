// Program provisioner gives the local cluster dynamic volumes whose size is real: each is an ext4 image file of
// the requested size, mounted through a loop device and published as a `local` volume of the node that its first pod was
// put on: all nodes are this machine's. A full volume is therefore full, fsGroup is honoured, and a claim that grows is
// grown online.
//
// Growing ext4 online takes CAP_SYS_RESOURCE, which root lacks on some virtual machines and in containers. There a
// file beside the volume, its ballast, takes up what the volume may not use yet, and shrinks when the claim grows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// name is what the StorageClass calls this provisioner.
const name = "local.coffer.dev/loop"

// growEvery bounds how long a claim that asks for more waits.
const growEvery = 2 * time.Second

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig of the cluster")
	dir := flag.String("dir", "", "directory of the images and their mount points")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatal(err)
	}
	p := &provisioner{client: client, dir: *dir, resizes: canResize()}
	go p.growLoop(ctx)
	pc := controller.NewProvisionController(ctx, client, name, p,
		controller.LeaderElection(false), controller.ResyncPeriod(time.Minute), controller.MetricsPort(0))
	pc.Run(ctx)
}

type provisioner struct {
	client kubernetes.Interface
	dir    string

	resizes bool // this process may grow a mounted file system
}

func (p *provisioner) image(pv string) string { return filepath.Join(p.dir, pv+".img") }
func (p *provisioner) mount(pv string) string { return filepath.Join(p.dir, pv) }

// volume is what a pod sees; the ballast is beside it, out of its reach.
func (p *provisioner) volume(pv string) string  { return filepath.Join(p.mount(pv), "volume") }
func (p *provisioner) ballast(pv string) string { return filepath.Join(p.mount(pv), "ballast") }

// Provision makes an image of the claim's size, mounts it and describes it as a volume of the pod's node. It is safe
// to repeat: a step that an interrupted attempt finished is not done again.
func (p *provisioner) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	size := o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]
	if o.SelectedNodeName == "" {
		return nil, controller.ProvisioningFinished, errors.New("no node is chosen: the StorageClass needs volumeBindingMode: WaitForFirstConsumer")
	}
	if err := p.makeVolume(o.PVName, size.Value()); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	mode := corev1.PersistentVolumeFilesystem
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			VolumeMode:                    &mode,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: size},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: p.volume(o.PVName)}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{o.SelectedNodeName},
				}},
			}}}},
		},
	}, controller.ProvisioningFinished, nil
}

// Delete unmounts and removes a volume; both may already be gone.
func (p *provisioner) Delete(_ context.Context, pv *corev1.PersistentVolume) error {
	if isMounted(p.mount(pv.Name)) {
		if err := run("umount", p.mount(pv.Name)); err != nil {
			return err
		}
	}
	return errors.Join(os.RemoveAll(p.mount(pv.Name)), os.RemoveAll(p.image(pv.Name)))
}

func (p *provisioner) makeVolume(pv string, size int64) error {
	if isMounted(p.mount(pv)) {
		if _, err := os.Stat(p.volume(pv)); err == nil {
			return nil
		}
		// An attempt was interrupted after mounting: the rest is not known, so from the start.
		if err := run("umount", p.mount(pv)); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(p.mount(pv), 0o755); err != nil {
		return err
	}
	room := size
	if !p.resizes {
		room = max(size*ballastFactor, ballastLeast)
	}
	if err := os.WriteFile(p.image(pv), nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(p.image(pv), room); err != nil {
		return err
	}
	// No reserved blocks (root would see more room than the pod), and lazy initialisation so that even a large
	// volume is ready at once.
	if err := run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", p.image(pv)); err != nil {
		return err
	}
	if err := run("mount", "-o", "loop,nosuid,nodev", p.image(pv), p.mount(pv)); err != nil {
		return err
	}
	if !p.resizes {
		if err := p.layBallast(pv, size); err != nil {
			return errors.Join(err, run("umount", p.mount(pv)))
		}
	}
	return os.MkdirAll(p.volume(pv), 0o755)
}

// layBallast takes up everything but what a file system of the size would have for files.
func (p *provisioner) layBallast(pv string, size int64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(p.mount(pv), &fs); err != nil {
		return err
	}
	f, err := os.OpenFile(p.ballast(pv), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return unix.Fallocate(int(f.Fd()), 0, 0, int64(fs.Bavail)*fs.Bsize-usable(size))
}

// usable is about what ext4 leaves for files on a device of the size.
func usable(size int64) int64 { return size - size/16 }

// ballast volumes are made so much larger than asked for: how far they can grow.
const (
	ballastFactor = 4
	ballastLeast  = 1 << 30 // bytes
)

// canResize tells whether this process has CAP_SYS_RESOURCE.
func canResize() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(status), "CapEff:")
	hex, _, _ := strings.Cut(rest, "\n")
	effective, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
	return err == nil && effective>>unix.CAP_SYS_RESOURCE&1 == 1
}

// growLoop plays the part of the external resizer: it compares what bound claims ask for with what their volumes have.
func (p *provisioner) growLoop(ctx context.Context) {
	tick := time.NewTicker(growEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		claims, err := p.client.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			klog.ErrorS(err, "listing claims")
			continue
		}
		for i := range claims.Items {
			if err := p.grow(ctx, &claims.Items[i]); err != nil {
				klog.ErrorS(err, "growing", "claim", klog.KObj(&claims.Items[i]))
			}
		}
	}
}

func (p *provisioner) grow(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	want, have := claim.Spec.Resources.Requests[corev1.ResourceStorage], claim.Status.Capacity[corev1.ResourceStorage]
	pv := claim.Spec.VolumeName
	if claim.Status.Phase != corev1.ClaimBound || want.Cmp(have) <= 0 || !isMounted(p.mount(pv)) {
		return nil
	}
	enlarge := p.enlargeImage
	if !p.resizes {
		enlarge = p.shrinkBallast
	}
	if err := enlarge(pv, have.Value(), want.Value()); err != nil {
		return err
	}
	capacity := `{"storage":` + strconv.Quote(want.String()) + `}`
	if _, err := p.client.CoreV1().PersistentVolumes().Patch(ctx, pv, types.MergePatchType,
		[]byte(`{"spec":{"capacity":`+capacity+`}}`), metav1.PatchOptions{}); err != nil {
		return err
	}
	_, err := p.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Patch(ctx, claim.Name, types.MergePatchType,
		[]byte(`{"status":{"capacity":`+capacity+`,"conditions":null}}`), metav1.PatchOptions{}, "status")
	return err
}

func (p *provisioner) enlargeImage(pv string, _, want int64) error {
	if err := os.Truncate(p.image(pv), want); err != nil {
		return err
	}
	out, err := exec.Command("losetup", "--noheadings", "--output", "NAME", "--associated", p.image(pv)).Output()
	if err != nil {
		return err
	}
	device := strings.TrimSpace(string(out))
	if err := run("losetup", "--set-capacity", device); err != nil {
		return err
	}
	return run("resize2fs", device)
}

func (p *provisioner) shrinkBallast(pv string, have, want int64) error {
	info, err := os.Stat(p.ballast(pv))
	if err != nil {
		return err
	}
	left := info.Size() - (usable(want) - usable(have))
	if left < 0 {
		return fmt.Errorf("without CAP_SYS_RESOURCE volume %s cannot grow beyond %d bytes", pv, have+info.Size())
	}
	return os.Truncate(p.ballast(pv), left)
}

// isMounted tells whether dir is itself a mount point.
func isMounted(dir string) bool { return exec.Command("mountpoint", "-q", dir).Run() == nil }

func run(command string, args ...string) error {
	out, err := exec.Command(command, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", command, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
