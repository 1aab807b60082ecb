package machine

// scannedByStep is how many bytes are looked at in a step of a script.
const scannedByStep = 32

// Visited counts elements that were looked at.
func (tx *Tx) Visited(elements int) { tx.Work += int64(elements) }

// Scanned counts bytes that were looked at.
func (tx *Tx) Scanned(bytes int) { tx.Work += int64(bytes) / scannedByStep }

// Compared counts elements that were compared with one of so many bytes.
func (tx *Tx) Compared(elements, bytes int) {
	tx.Work += int64(elements) * (1 + int64(bytes)/scannedByStep)
}
