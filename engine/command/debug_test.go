package command

import "testing"

// TestDebugObjectNamesItsKey, so that it is for those who may look at the key.
func TestDebugObjectNamesItsKey(t *testing.T) {
	c := argv("DEBUG", "object", "k")
	if keys := Lookup(c[0]).AppendKeys(nil, c); len(keys) != 1 || string(keys[0].Name) != "k" {
		t.Errorf("its keys are %v", keys)
	}
}
