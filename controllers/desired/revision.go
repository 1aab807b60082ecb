package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// Keys of the ConfigMap that keeps a revision.
const (
	// KeyEngineConfig is the engine's start configuration; the only one mounted.
	KeyEngineConfig = "engine.json"
	// KeyTemplate is the pod's template.
	KeyTemplate = "template.json"
)

const volumeConfig = "config"

// Revision is what one version of the operator makes of what a user asks of a
// pod. It is kept, so that a later version can make the same pod again: a pod
// that is lost to a node comes back as it was, and what the later version would
// do otherwise waits until somebody wants it.
type Revision struct {
	// Engine is the engine's start configuration, in JSON.
	Engine string
	// Template is the pod's template, in JSON, as apply configuration, without
	// the revision's own name.
	Template string
}

// ErrNoRevision is returned for a ConfigMap that keeps none.
var ErrNoRevision = errors.New("not a revision")

// Render makes the revision that this version of the operator would.
func Render(in Inputs) Revision {
	return Revision{Engine: string(engineJSON(in)), Template: string(mustJSON(podTemplate(in)))}
}

// RevisionOf reads what EngineConfigMap has written.
func RevisionOf(m *corev1.ConfigMap) (Revision, error) {
	r := Revision{Engine: m.Data[KeyEngineConfig], Template: m.Data[KeyTemplate]}
	if r.Engine == "" || r.Template == "" {
		return Revision{}, fmt.Errorf("%w: ConfigMap %q has no %s or no %s", ErrNoRevision, m.Name, KeyEngineConfig, KeyTemplate)
	}
	if _, err := r.template(); err != nil {
		return Revision{}, fmt.Errorf("%w: ConfigMap %q, %s: %w", ErrNoRevision, m.Name, KeyTemplate, err)
	}
	if r.Name(m.Labels[v1alpha1.LabelInstance]) != m.Name {
		return Revision{}, fmt.Errorf("%w: ConfigMap %q is not named after its content", ErrNoRevision, m.Name)
	}
	return r, nil
}

// revision is the one to run: the pods' own while it is held.
func revision(in Inputs) Revision {
	if in.Held != nil {
		return *in.Held
	}
	return Render(in)
}

// Name is the ConfigMap's: another content has another name.
func (r Revision) Name(database string) string {
	sum := sha256.Sum256([]byte(r.Engine + "\n" + r.Template))
	return database + "-config-" + hex.EncodeToString(sum[:5])
}

// PodSpecHash is that of what the user had asked for.
func (r Revision) PodSpecHash() string {
	t, err := r.template()
	if err != nil || t.ObjectMetaApplyConfiguration == nil {
		return ""
	}
	return t.Annotations[v1alpha1.AnnotationPodSpecHash]
}

// template reads the template back.
func (r Revision) template() (*corev1ac.PodTemplateSpecApplyConfiguration, error) {
	t := &corev1ac.PodTemplateSpecApplyConfiguration{}
	if err := json.Unmarshal([]byte(r.Template), t); err != nil {
		return nil, err
	}
	if t.Spec == nil || len(t.Spec.Containers) == 0 {
		return nil, errors.New("no container")
	}
	return t, nil
}

// named is the template under the revision's name.
func (r Revision) named(database string) *corev1ac.PodTemplateSpecApplyConfiguration {
	t, err := r.template()
	if err != nil {
		panic(fmt.Sprintf("read back a template: %v", err)) // Render wrote it or RevisionOf has read it
	}
	name := r.Name(database)
	for i := range t.Spec.Volumes {
		if v := &t.Spec.Volumes[i]; v.Name != nil && *v.Name == volumeConfig && v.ConfigMap != nil {
			v.ConfigMap.WithName(name)
		}
	}
	return t.WithAnnotations(map[string]string{v1alpha1.AnnotationRevision: name})
}

// Changes says in words what another revision would change.
func (r Revision) Changes(next Revision) string {
	var words []string
	if a, b := r.image(), next.image(); a != b {
		words = append(words, fmt.Sprintf("image %s instead of %s", b, a))
	}
	if r.Engine != next.Engine {
		words = append(words, "the engine's configuration")
	}
	if strings.ReplaceAll(r.Template, r.image(), next.image()) != next.Template {
		words = append(words, "the pod's template")
	}
	return strings.Join(words, ", ")
}

func (r Revision) image() string {
	t, err := r.template()
	if err != nil || t.Spec.Containers[0].Image == nil {
		return ""
	}
	return *t.Spec.Containers[0].Image
}
