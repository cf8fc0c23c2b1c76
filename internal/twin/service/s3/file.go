package s3

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"slipway.dev/internal/twin/store"
)

// files hold what objects consist of, encrypted: chunks of 64 KiB, each sealed with AES-256-GCM under the file's own key, so that
// any range can be read and no bit can be changed unseen. The key lies in the object's row, sealed with the store's.
//
// A file is written beside its place, renamed into it, and only then named by a row; one without a row is swept at the next start.
type files struct {
	dir   string
	store *store.Store

	lock sync.Mutex
	own  map[string]bool // written by this process and not to be swept; nil once the sweep is over
}

func newFiles(dir string, s *store.Store) *files {
	return &files{dir: dir, store: s, own: map[string]bool{}}
}

// note remembers a file that is about to be written, as long as there is a sweep to come.
func (f *files) note(id string) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.own != nil {
		f.own[id] = true
	}
}

func (f *files) noted(id string) bool {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.own[id]
}

// stored is a file as rows name it.
type stored struct {
	File string
	Key  []byte // sealed
	Size int64  // of the plain content
}

const (
	chunkSize  = 64 << 10
	overhead   = 16 // GCM's tag
	unfinished = ".new"
)

func (f *files) path(id string) string { return filepath.Join(f.dir, id[:2], id) }

func keyUse(id string) string { return "s3/" + id }

// write stores what r gives.
func (f *files) write(r io.Reader) (s stored, err error) {
	id, key := make([]byte, 16), make([]byte, 32)
	rand.Read(id)
	rand.Read(key)
	s.File = hex.EncodeToString(id)
	s.Key = f.store.Seal(key, keyUse(s.File))
	f.note(s.File)
	path := f.path(s.File)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return s, err
	}
	file, err := os.OpenFile(path+unfinished, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return s, err
	}
	s.Size, err = seal(file, r, key)
	if err := errors.Join(err, file.Close()); err != nil {
		return s, errors.Join(err, os.Remove(path+unfinished))
	}
	return s, os.Rename(path+unfinished, path)
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// nonce is the chunk's number: a key seals one file, once.
func nonce(chunk int64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4, 12), uint64(chunk))
}

func seal(w io.Writer, r io.Reader, key []byte) (size int64, err error) {
	aead, err := gcm(key)
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriterSize(w, 4*chunkSize)
	plain, sealed := make([]byte, chunkSize), make([]byte, 0, chunkSize+overhead)
	for chunk := int64(0); ; chunk++ {
		n, err := io.ReadFull(r, plain)
		if n > 0 {
			size += int64(n)
			if _, err := out.Write(aead.Seal(sealed, nonce(chunk), plain[:n], nil)); err != nil {
				return size, err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && n < chunkSize && atEnd(r) {
			return size, out.Flush()
		}
		if err != nil {
			return size, err
		}
	}
}

// atEnd tells ReadFull's short read at the end of a body from a connection that broke, which net/http reports with the same
// error: it does so again.
func atEnd(r io.Reader) bool {
	n, err := r.Read(make([]byte, 1))
	return n == 0 && errors.Is(err, io.EOF)
}

// open returns the plain bytes from start, length of them.
func (f *files) open(s stored, start, length int64) (io.ReadCloser, error) {
	key, err := f.store.Unseal(s.Key, keyUse(s.File))
	if err != nil {
		return nil, fmt.Errorf("object file %s: %w", s.File, err)
	}
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(f.path(s.File))
	if err != nil {
		return nil, err
	}
	first := start / chunkSize
	if _, err := file.Seek(first*(chunkSize+overhead), io.SeekStart); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &opened{file: file, aead: aead, chunk: first, skip: start % chunkSize, left: length}, nil
}

// opened reads a file chunk by chunk.
type opened struct {
	file   *os.File
	aead   cipher.AEAD
	chunk  int64
	skip   int64
	left   int64
	sealed [chunkSize + overhead]byte
	plain  []byte
}

func (o *opened) Close() error { return o.file.Close() }

func (o *opened) Read(p []byte) (int, error) {
	if o.left == 0 {
		return 0, io.EOF
	}
	if len(o.plain) == 0 {
		if err := o.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.plain[:min(int64(len(o.plain)), o.left)])
	o.plain = o.plain[n:]
	o.left -= int64(n)
	return n, nil
}

func (o *opened) next() error {
	n, err := io.ReadFull(o.file, o.sealed[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("object file is cut short: %w", err)
	}
	plain, err := o.aead.Open(o.sealed[:0], nonce(o.chunk), o.sealed[:n], nil)
	if err != nil || int64(len(plain)) <= o.skip {
		return fmt.Errorf("object file is damaged at chunk %d", o.chunk)
	}
	o.plain, o.skip = plain[o.skip:], 0
	o.chunk++
	return nil
}

// join reads several files as one, opening each when it is reached.
type join struct {
	files   *files
	parts   []stored
	start   int64 // in the first part
	left    int64
	current io.ReadCloser
}

// read returns length bytes from start of the content that the parts make up.
func (f *files) read(parts []stored, start, length int64) io.ReadCloser {
	for len(parts) > 0 && start >= parts[0].Size {
		start -= parts[0].Size
		parts = parts[1:]
	}
	return &join{files: f, parts: parts, start: start, left: length}
}

func (j *join) Read(p []byte) (int, error) {
	for {
		if j.current == nil {
			if j.left == 0 || len(j.parts) == 0 {
				return 0, io.EOF
			}
			length := min(j.left, j.parts[0].Size-j.start)
			current, err := j.files.open(j.parts[0], j.start, length)
			if err != nil {
				return 0, err
			}
			j.current, j.parts, j.start = current, j.parts[1:], 0
			j.left -= length
		}
		n, err := j.current.Read(p)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if err := j.Close(); err != nil || n > 0 {
			return n, err
		}
	}
}

func (j *join) Close() error {
	if j.current == nil {
		return nil
	}
	err := j.current.Close()
	j.current = nil
	return err
}

// remove deletes files; what is gone already is no error.
func (f *files) remove(all []stored) error {
	var failures []error
	for _, s := range all {
		failures = append(failures, gone(os.Remove(f.path(s.File))))
	}
	return errors.Join(failures...)
}

// sweep removes the files of earlier processes that nothing refers to. It is run once.
func (f *files) sweep(known func(id string) (bool, error)) error {
	err := filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		id := strings.TrimSuffix(d.Name(), unfinished)
		if f.noted(id) {
			return nil
		}
		if keep, err := known(d.Name()); keep || err != nil {
			return err
		}
		return gone(os.Remove(path))
	})
	f.lock.Lock()
	defer f.lock.Unlock()
	f.own = nil
	return err
}

// gone is nil for a file that is not there.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
