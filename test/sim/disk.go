package sim

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const sector = 512

// errPower is what a disk answers when its host has lost power.
var errPower = errors.New("the power is off")

// disk is a file system that keeps after a crash what was synced, and of the
// rest what the seed says: any of the sectors written, and of the directory's
// changes the first few or any. (pebble's crashable MemFS draws in the order of
// Go's maps, which no seed replays.) Directories themselves are durable at
// once.
type disk struct {
	vfs.FS // the methods that nothing here calls

	dirs map[string]*directory
	fuse int // operations until the power goes; -1 for never
	off  bool
}

// directory holds names, and what has happened to them since its sync.
type directory struct {
	names  map[string]*inode
	synced map[string]*inode
	ops    []dirOp
}

// dirOp is atomic: one name goes, another comes, or one of both.
type dirOp struct {
	gone, come string
	node       *inode
}

func (o dirOp) apply(names map[string]*inode) {
	if o.gone != "" {
		delete(names, o.gone)
	}
	if o.come != "" {
		names[o.come] = o.node
	}
}

// inode is a file's content, now and as synced.
type inode struct {
	data   []byte
	synced []byte
	dirty  map[int]struct{} // sectors written since
}

func newDisk() *disk { return &disk{dirs: map[string]*directory{}, fuse: -1} }

// spend counts an operation that changes something. The one during which the
// power goes may have happened or not, as what was not synced before it.
func (d *disk) spend(change func()) error {
	if d.off {
		return errPower
	}
	change()
	if d.fuse == 0 {
		d.off = true
		return errPower
	}
	if d.fuse > 0 {
		d.fuse--
	}
	return nil
}

// crash leaves what a loss of power leaves.
func (d *disk) crash(rng *rand.Rand) {
	keep := []int{0, 0, 50, 90, 100}[rng.IntN(5)]
	prefix := rng.IntN(3) > 0
	paths := make([]string, 0, len(d.dirs))
	for p := range d.dirs {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths {
		dir := d.dirs[p]
		after := dir.synced
		n := len(dir.ops)
		if prefix && n > 0 {
			n = rng.IntN(n + 1)
		}
		for _, op := range dir.ops[:n] {
			if prefix || rng.IntN(100) < keep {
				op.apply(after)
			}
		}
		dir.ops, dir.names = nil, copyNames(after)
		dir.synced = after
		names := make([]string, 0, len(after))
		for name := range after {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			after[name].crash(rng, keep)
		}
	}
	d.fuse, d.off = -1, false
}

func (n *inode) crash(rng *rand.Rand, keep int) {
	sectors := make([]int, 0, len(n.dirty))
	for s := range n.dirty {
		sectors = append(sectors, s)
	}
	slices.Sort(sectors)
	for _, s := range sectors {
		if rng.IntN(100) < keep {
			n.settle(s)
		}
	}
	clear(n.dirty)
	n.data = append(n.data[:0], n.synced...)
}

// settle makes a sector durable.
func (n *inode) settle(s int) {
	from, to := s*sector, min((s+1)*sector, len(n.data))
	if to > len(n.synced) {
		n.synced = append(n.synced, make([]byte, to-len(n.synced))...)
	}
	copy(n.synced[from:to], n.data[from:to])
}

func copyNames(from map[string]*inode) map[string]*inode {
	to := make(map[string]*inode, len(from))
	for name, node := range from {
		to[name] = node
	}
	return to
}

func (d *disk) find(name string) (*directory, string, error) {
	dir := d.dirs[path.Dir(name)]
	if dir == nil {
		return nil, "", os.ErrNotExist
	}
	return dir, path.Base(name), nil
}

func (d *disk) change(dir *directory, op dirOp) error {
	return d.spend(func() {
		op.apply(dir.names)
		dir.ops = append(dir.ops, op)
	})
}

// Create implements vfs.FS.
func (d *disk) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	dir, base, err := d.find(name)
	if err != nil {
		return nil, err
	}
	node := &inode{dirty: map[int]struct{}{}}
	if err := d.change(dir, dirOp{come: base, node: node}); err != nil {
		return nil, err
	}
	return &file{disk: d, node: node}, nil
}

// Open implements vfs.FS.
func (d *disk) Open(name string, _ ...vfs.OpenOption) (vfs.File, error) {
	dir, base, err := d.find(name)
	if err != nil {
		return nil, err
	}
	node := dir.names[base]
	if node == nil {
		return nil, os.ErrNotExist
	}
	return &file{disk: d, node: node}, nil
}

// OpenReadWrite implements vfs.FS.
func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return d.Create(name, c)
	}
	return f, err
}

// OpenDir implements vfs.FS.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	dir := d.dirs[path.Clean(name)]
	if dir == nil {
		return nil, os.ErrNotExist
	}
	return &file{disk: d, dir: dir}, nil
}

// Remove implements vfs.FS.
func (d *disk) Remove(name string) error {
	dir, base, err := d.find(name)
	if err == nil && dir.names[base] == nil {
		err = os.ErrNotExist
	}
	if err != nil {
		return err
	}
	return d.change(dir, dirOp{gone: base})
}

// Rename implements vfs.FS.
func (d *disk) Rename(from, to string) error {
	dir, base, err := d.find(from)
	if err == nil && dir.names[base] == nil {
		err = os.ErrNotExist
	}
	if err != nil {
		return err
	}
	return d.change(dir, dirOp{gone: base, come: path.Base(to), node: dir.names[base]})
}

// MkdirAll implements vfs.FS.
func (d *disk) MkdirAll(name string, _ os.FileMode) error {
	for name = path.Clean(name); d.dirs[name] == nil; name = path.Dir(name) {
		d.dirs[name] = &directory{names: map[string]*inode{}, synced: map[string]*inode{}}
	}
	return nil
}

// List implements vfs.FS.
func (d *disk) List(name string) ([]string, error) {
	dir := d.dirs[path.Clean(name)]
	if dir == nil {
		return nil, os.ErrNotExist
	}
	names := make([]string, 0, len(dir.names))
	for n := range dir.names {
		names = append(names, n)
	}
	slices.Sort(names)
	return names, nil
}

// Stat implements vfs.FS.
func (d *disk) Stat(name string) (vfs.FileInfo, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	return f.Stat()
}

// PathJoin implements vfs.FS.
func (*disk) PathJoin(elem ...string) string { return path.Join(elem...) }

// PathDir implements vfs.FS.
func (*disk) PathDir(p string) string { return path.Dir(p) }

// PathBase implements vfs.FS.
func (*disk) PathBase(p string) string { return path.Base(p) }

// file is an open file, or directory.
type file struct {
	vfs.File // the methods that nothing here calls

	disk *disk
	node *inode
	dir  *directory
	at   int64
}

// Close implements vfs.File.
func (f *file) Close() error { return nil }

// Read implements vfs.File.
func (f *file) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.at)
	f.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, at int64) (int, error) {
	if f.disk.off {
		return 0, errPower
	}
	if at >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write implements vfs.File.
func (f *file) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.at)
	f.at += int64(n)
	return n, err
}

// WriteAt implements vfs.File.
func (f *file) WriteAt(p []byte, at int64) (int, error) {
	err := f.disk.spend(func() {
		n := f.node
		if grow := int(at) + len(p) - len(n.data); grow > 0 {
			n.data = append(n.data, make([]byte, grow)...)
		}
		copy(n.data[at:], p)
		for s := int(at) / sector; s*sector < int(at)+len(p); s++ {
			n.dirty[s] = struct{}{}
		}
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Sync implements vfs.File.
func (f *file) Sync() error {
	if err := f.disk.spend(func() {}); err != nil {
		return err
	}
	if f.dir != nil {
		f.dir.synced, f.dir.ops = copyNames(f.dir.names), nil
		return nil
	}
	for s := range f.node.dirty {
		f.node.settle(s)
	}
	clear(f.node.dirty)
	return nil
}

// Preallocate implements vfs.File: there is no space that it could take.
func (f *file) Preallocate(int64, int64) error { return nil }

// SyncData implements vfs.File.
func (f *file) SyncData() error { return f.Sync() }

// Stat implements vfs.File.
func (f *file) Stat() (vfs.FileInfo, error) { return fileInfo{size: int64(len(f.node.data))}, nil }

type fileInfo struct {
	vfs.FileInfo // the methods that nothing here calls
	size         int64
}

// Size implements vfs.FileInfo.
func (i fileInfo) Size() int64 { return i.size }

// ModTime implements vfs.FileInfo.
func (fileInfo) ModTime() time.Time { return time.Time{} }
