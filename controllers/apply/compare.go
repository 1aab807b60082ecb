package apply

import (
	"encoding/json"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// unchanged says whether applying want to the live object would change nothing:
// the fields recorded as ours in managedFields are exactly those of want, and
// the live values equal them. A field that somebody else changed is no longer
// recorded as ours, so an edit by hand is seen even where values look alike.
//
// This is what client-go's Extract functions do, without needing one for each
// kind (cert-manager's have none that know lists).
func unchanged(live client.Object, want map[string]any) (bool, error) {
	entry := appliedEntry(live)
	if entry == nil || entry.FieldsV1 == nil {
		return false, nil
	}
	owned := &fieldpath.Set{}
	if err := owned.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
		return false, fmt.Errorf("read managedFields of %s: %w", live.GetName(), err)
	}
	raw, err := json.Marshal(live)
	if err != nil {
		return false, fmt.Errorf("marshal %s: %w", live.GetName(), err)
	}
	var have map[string]any
	if err := json.Unmarshal(raw, &have); err != nil {
		return false, fmt.Errorf("read back %s: %w", live.GetName(), err)
	}
	return sameOwned(owned, withoutIdentity(want), have, ""), nil
}

func appliedEntry(o client.Object) *metav1.ManagedFieldsEntry {
	for i, e := range o.GetManagedFields() {
		if e.Manager == FieldOwner && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == "" {
			return &o.GetManagedFields()[i]
		}
	}
	return nil
}

// withoutIdentity drops what says which object it is: no manager owns that.
func withoutIdentity(want map[string]any) map[string]any {
	out := make(map[string]any, len(want))
	for k, v := range want {
		if k == "apiVersion" || k == "kind" {
			continue
		}
		if meta, ok := v.(map[string]any); ok && k == "metadata" {
			rest := make(map[string]any, len(meta))
			for mk, mv := range meta {
				if mk != "name" && mk != "namespace" {
					rest[mk] = mv
				}
			}
			if len(rest) == 0 {
				continue
			}
			v = rest
		}
		out[k] = v
	}
	return out
}

// sameOwned compares below one path. Where the set of owned fields goes deeper,
// it is followed; where it ends, the value there is owned as a whole.
func sameOwned(owned *fieldpath.Set, want, have any, field string) bool {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		return ok && sameFields(owned, w, h)
	case []any:
		h, ok := have.([]any)
		return ok && sameElements(owned, w, h)
	}
	return sameValue(want, have, field)
}

func sameFields(owned *fieldpath.Set, want, have map[string]any) bool {
	for name, w := range want {
		element := fieldpath.PathElement{FieldName: &name}
		h, ok := have[name]
		if !ok || !sameAt(owned, element, w, h, name) {
			return false
		}
	}
	extra := false
	check := func(e fieldpath.PathElement) {
		if e.FieldName != nil {
			if _, wanted := want[*e.FieldName]; !wanted {
				extra = true
			}
		}
	}
	owned.Members.Iterate(check)
	owned.Children.Iterate(check)
	return !extra
}

func sameAt(owned *fieldpath.Set, element fieldpath.PathElement, want, have any, field string) bool {
	if children, ok := owned.Children.Get(element); ok && !children.Empty() {
		return sameOwned(children, want, have, field)
	}
	return owned.Members.Has(element) && sameValue(want, have, field)
}

// sameElements compares lists whose elements are owned one by one: those with
// keys (containers by name), and sets.
func sameElements(owned *fieldpath.Set, want, have []any) bool {
	seen := map[string]fieldpath.PathElement{}
	note := func(e fieldpath.PathElement) { seen[e.String()] = e }
	owned.Members.Iterate(note)
	owned.Children.Iterate(note)
	for _, w := range want {
		found := false
		for name, element := range seen {
			h, ok := elementOf(have, element)
			if !ok || !matches(element, w, true) {
				continue
			}
			if !sameAt(owned, element, w, h, "") {
				return false
			}
			delete(seen, name)
			found = true
			break
		}
		if !found {
			return false
		}
	}
	return len(seen) == 0
}

func elementOf(list []any, element fieldpath.PathElement) (any, bool) {
	for _, v := range list {
		if matches(element, v, false) {
			return v, true
		}
	}
	return nil, false
}

// matches says whether v is the element of that key or value. A key field that
// a desired element leaves out was filled in by the API server.
func matches(element fieldpath.PathElement, v any, desired bool) bool {
	if element.Value != nil {
		return reflect.DeepEqual(normal((*element.Value).Unstructured()), normal(v))
	}
	m, ok := v.(map[string]any)
	if !ok || element.Key == nil {
		return false
	}
	for _, k := range *element.Key {
		have, ok := m[k.Name]
		if !ok && desired {
			continue
		}
		if !reflect.DeepEqual(normal(k.Value.Unstructured()), normal(have)) {
			return false
		}
	}
	return true
}

// normal gives whole numbers one type, however they were decoded.
func normal(v any) any {
	if f, ok := v.(float64); ok && f == float64(int64(f)) {
		return int64(f)
	}
	return v
}

// sameValue compares a value that is owned as a whole. It is exact, because a
// peer or a toleration that lost a field means something else; only claims'
// templates, which cannot change after creation, may have more than was written.
func sameValue(want, have any, field string) bool {
	lenient := field == "volumeClaimTemplates"
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return len(w) == 0 && have == nil
		}
		for k, v := range w {
			if !sameValue(v, h[k], field) {
				return false
			}
		}
		for k, v := range h {
			if _, ok := w[k]; !ok && !lenient && v != nil {
				return false
			}
		}
		return true
	case []any:
		h, ok := have.([]any)
		if !ok {
			return len(w) == 0 && have == nil
		}
		for i := range w {
			if i >= len(h) || !sameValue(w[i], h[i], field) {
				return false
			}
		}
		return len(w) == len(h)
	}
	return reflect.DeepEqual(want, have) || sameQuantity(want, have)
}

func sameQuantity(a, b any) bool {
	x, ok1 := a.(string)
	y, ok2 := b.(string)
	if !ok1 || !ok2 {
		return false
	}
	p, err1 := resource.ParseQuantity(x)
	q, err2 := resource.ParseQuantity(y)
	return err1 == nil && err2 == nil && p.Cmp(q) == 0
}
