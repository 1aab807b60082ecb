package sim

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// unknown stands for the answer that never came: the command may have been
// carried out, at any time from its call on, or never.
const unknown = "?"

// history is what clients saw, by key.
type history struct {
	keys  []string // in the order of their first use
	byKey map[string][]porcupine.Operation
}

// checkTime bounds the search for an order; what it does not decide is counted.
const checkTime = 10 * time.Second

func (h *history) add(key string, client int, argv []string, call, back int64, answer string) {
	if h.byKey == nil {
		h.byKey = map[string][]porcupine.Operation{}
	}
	if h.byKey[key] == nil {
		h.keys = append(h.keys, key)
	}
	if answer == unknown {
		back = math.MaxInt64
	}
	h.byKey[key] = append(h.byKey[key], porcupine.Operation{ClientId: client, Input: argv, Call: call, Output: answer, Return: back})
}

// check finds for every key an order of the commands that explains all answers,
// each between its call and its answer.
func (w *world) check() {
	for _, key := range w.history.keys {
		operations := w.history.byKey[key]
		w.stats["operations"] += len(operations)
		switch porcupine.CheckOperationsTimeout(modelOf(key), operations, checkTime) {
		case porcupine.Illegal:
			w.fail("the answers about %s are not linearizable:\n%s", key, describe(operations))
			return
		case porcupine.Unknown:
			w.stats["keys undecided"]++
		case porcupine.Ok:
			w.stats["keys checked"]++
		}
	}
}

func modelOf(key string) porcupine.Model {
	k := kindNamed(kindOf(key))
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			next, answer := k.step(state.(string), input.([]string))
			return output == unknown || output == answer, next
		},
	}
}

// describe lists operations as they were called.
func describe(operations []porcupine.Operation) string {
	slices.SortStableFunc(operations, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, o := range operations {
		back := "never"
		if o.Return != math.MaxInt64 {
			back = fmt.Sprintf("%.6f", float64(o.Return)/float64(second))
		}
		fmt.Fprintf(&b, "  %.6f - %s client %d: %v -> %v\n", float64(o.Call)/float64(second), back, o.ClientId, o.Input, o.Output)
	}
	return b.String()
}

func kindNamed(name string) kind {
	return kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
}

func kindOf(key string) string {
	name, _, _ := strings.Cut(key, ":")
	return name
}
