package store

// crcTable is that of CRC16-CCITT (XMODEM): polynomial 0x1021, initial 0, as
// in the Redis Cluster specification, appendix A.
var crcTable = func() (t [256]uint16) {
	for i := range t {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		t[i] = crc
	}
	return t
}()

// Slot is the slot of a key.
func Slot(key []byte) uint16 {
	var crc uint16
	for _, b := range key {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^b]
	}
	return crc % Slots
}
