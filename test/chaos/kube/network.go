package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/hack/cluster/local"
	"github.com/coffer-dev/coffer/test/fixture"
)

// cut has nothing that one node or its pods send arrive at another or its pods.
func cut(ctx context.Context, from, to local.Node) error {
	for _, source := range []string{from.IP(), from.PodCIDR()} {
		if err := drop(ctx, source, to); err != nil {
			return err
		}
	}
	return nil
}

// cutControl has nothing of the control plane arrive at a node, nor its answers.
func cutControl(ctx context.Context, cluster *local.Cluster, node local.Node) error {
	return drop(ctx, cluster.ControlIP(), node)
}

// drop is seen before anything else looks at a packet. No program of the cluster
// has rules in that table.
func drop(ctx context.Context, source string, at local.Node) error {
	return iptables(ctx, at, "--append", "PREROUTING", "--source", source, "--jump", "DROP")
}

// heal undoes all cuts.
func heal(ctx context.Context, nodes []local.Node) error {
	for _, n := range nodes {
		if err := iptables(ctx, n, "--flush", "PREROUTING"); err != nil {
			return err
		}
	}
	return nil
}

func iptables(ctx context.Context, node local.Node, rule ...string) error {
	_, err := fixture.Run(ctx, "", "nsenter", append([]string{"--net=" + node.Netns(), "iptables", "--wait", "--table", "raw"}, rule...)...)
	return err
}

// node is where a pod is.
func (w *world) node(pod *corev1.Pod) local.Node {
	for _, n := range w.nodes {
		if n.Name() == pod.Spec.NodeName {
			return n
		}
	}
	panic("pod " + pod.Name + " is on no node of this cluster: " + pod.Spec.NodeName)
}

// during has cuts for a while; one in two times the kubelets of some nodes lose
// the control plane too.
func (w *world) during(ctx context.Context, cuts [][2]local.Node, kubelets ...local.Node) (err error) {
	defer func() { err = errors.Join(err, heal(context.WithoutCancel(ctx), w.nodes)) }()
	for _, c := range cuts {
		if err := cut(ctx, c[0], c[1]); err != nil {
			return err
		}
	}
	if w.rng.IntN(2) == 0 {
		for _, n := range kubelets {
			if err := cutControl(ctx, w.local, n); err != nil {
				return err
			}
		}
	}
	if err := separate(cuts[0][0], cuts[0][1]); err != nil {
		return err
	}
	return sleep(ctx, w.between(0, 12*time.Second))
}

// separate is an error when a cut has no effect, by a port that every node has.
func separate(from, to local.Node) error {
	conn, err := dialFrom(from.Netns(), net.JoinHostPort(to.IP(), "10250"))
	if err == nil {
		return errors.Join(fmt.Errorf("%s reaches %s, from which it is cut off", from.Name(), to.Name()), conn.Close())
	}
	return nil
}

func (w *world) alone(ctx context.Context, pod *corev1.Pod) error {
	one := w.node(pod)
	var cuts [][2]local.Node
	for _, n := range w.nodes {
		if n != one {
			cuts = append(cuts, [2]local.Node{one, n}, [2]local.Node{n, one})
		}
	}
	return w.during(ctx, cuts, one)
}

func (w *world) apart(ctx context.Context, _ target) error {
	var cuts [][2]local.Node
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if a != b {
				cuts = append(cuts, [2]local.Node{a, b})
			}
		}
	}
	return w.during(ctx, cuts, w.nodes...)
}

// oneWay has the pod's node hear none of the others, or be heard by none.
func (w *world) oneWay(ctx context.Context, pod *corev1.Pod, deaf bool) error {
	one := w.node(pod)
	var cuts [][2]local.Node
	for _, n := range w.nodes {
		switch {
		case n == one:
		case deaf:
			cuts = append(cuts, [2]local.Node{n, one})
		default:
			cuts = append(cuts, [2]local.Node{one, n})
		}
	}
	return w.during(ctx, cuts, one)
}
