package kube

import (
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The requests of linux/fs.h that hold a file system still: whoever writes or
// syncs waits, as for a disk that does not answer.
const (
	fiFreeze = 0xC0045877
	fiThaw   = 0xC0045878
)

// slow has the disk below a directory stop again and again, each time for up to
// longest, until the time is over.
func slow(dir string, rng *rand.Rand, total, longest time.Duration) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	for end := time.Now().Add(total); time.Now().Before(end); {
		if err := unix.IoctlSetInt(int(f.Fd()), fiFreeze, 0); err != nil {
			return err
		}
		time.Sleep(50*time.Millisecond + time.Duration(rng.Int64N(int64(longest))))
		if err := thaw(f); err != nil {
			return err
		}
		time.Sleep(time.Duration(rng.Int64N(int64(200 * time.Millisecond))))
	}
	return nil
}

// thaw is safe for what is not frozen.
func thaw(f *os.File) error {
	if err := unix.IoctlSetInt(int(f.Fd()), fiThaw, 0); !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
