package sim

import "github.com/anishathalye/porcupine"

// check finds for every key an order of the commands that explains all answers.
// What the search does not decide is counted.
func (w *world) check() {
	for _, key := range w.history.Keys {
		w.stats["operations"] += w.history.Operations(key)
		switch w.history.Check(key) {
		case porcupine.Illegal:
			w.fail("the answers about %s are not linearizable:\n%s", key, w.history.Describe(key, second))
			return
		case porcupine.Unknown:
			w.stats["keys undecided"]++
		case porcupine.Ok:
			w.stats["keys checked"]++
		}
	}
}
