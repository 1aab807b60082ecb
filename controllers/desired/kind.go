package desired

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
)

// bindingTypes is what a connection secret's type begins with, as
// servicebinding.io has it; the rest is its key "type".
const bindingTypes = "servicebinding.io/"

// Port is where clients connect.
type Port struct {
	Name   string
	Number int32
}

// Kind is what the objects of one kind of instance have of their own.
type Kind struct {
	// Name as the API has it; Label, the value of app.kubernetes.io/name; Short,
	// as kubectl has it.
	Name, Label, Short string
	// Ports of clients, all with one certificate. The first is the one in the
	// connection secret, and where the operator looks at the certificate.
	Ports []Port
	// Reads is where members of a group have reads that may be stale; nil for a
	// kind without them.
	Reads *Port
	// UsersVersion of the users file has room for all that the kind's users need.
	UsersVersion int
	// ConnectionType of the secrets that applications mount.
	ConnectionType corev1.SecretType
	// New is an empty object.
	New func() v1alpha1.Instance

	// permitAll gives a user all that a users file of that version can say.
	permitAll func(u *acl.User, version int)
	// connect adds to a connection secret what the kind's clients read beside
	// host, port, username and password.
	connect func(data map[string][]byte)
	// configure sets what the engine is started with.
	configure func(o v1alpha1.Instance, c *config.Config)
}

// Kinds are all that run the engine.
func Kinds() []*Kind { return []*Kind{&kvDatabase, &jobQueue} }

// KindOf an object.
func KindOf(o v1alpha1.Instance) *Kind {
	if _, ok := o.(*v1alpha1.JobQueue); ok {
		return &jobQueue
	}
	return &kvDatabase
}

// ApproveRollout is the command by which pods are replaced that wait for it.
func ApproveRollout(o v1alpha1.Instance) string {
	return fmt.Sprintf("kubectl annotate %s %s %s=$(date +%%s) --overwrite", KindOf(o).Short, o.GetName(), v1alpha1.AnnotationApproveRollout)
}

// KindNamed is the kind of that name; nil for one that this operator does not know.
func KindNamed(name string) *Kind {
	for _, k := range Kinds() {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// kindLabelled is the kind whose objects have that label.
func kindLabelled(label string) *Kind {
	for _, k := range Kinds() {
		if k.Label == label {
			return k
		}
	}
	return nil
}

// ports are those of clients, on members that are made for a group or not.
func (k *Kind) ports(grouped bool) []Port {
	if grouped && k.Reads != nil {
		return append(slices.Clone(k.Ports), *k.Reads)
	}
	return k.Ports
}

func numbers(ports []Port) []int32 {
	var out []int32
	for _, p := range ports {
		out = append(out, p.Number)
	}
	return out
}
