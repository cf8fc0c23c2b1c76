package ecr

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// blobs are the files of the registry: blobs/sha256/<2 digits>/<digest>, each once however many repositories hold it, and
// uploads/<id> while they arrive. The store says who holds what; a file that it does not know is swept.
type blobs struct {
	dir string
	// lock keeps a blob from being swept between its arrival and the row that holds it.
	lock sync.Mutex
}

const sha256Prefix = "sha256:"

// path is the file of a digest; the digest has been checked by validDigest.
func (b *blobs) path(digest string) string {
	sum := strings.TrimPrefix(digest, sha256Prefix)
	return filepath.Join(b.dir, "blobs", "sha256", sum[:2], sum)
}

func (b *blobs) uploadPath(id string) string { return filepath.Join(b.dir, "uploads", id) }

// validDigest reports whether a digest is one of SHA-256, the only kind ECR takes.
func validDigest(digest string) bool {
	sum, ok := strings.CutPrefix(digest, sha256Prefix)
	decoded, err := hex.DecodeString(sum)
	return ok && err == nil && len(decoded) == sha256.Size && strings.ToLower(sum) == sum
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return sha256Prefix + hex.EncodeToString(sum[:])
}

// received is how many bytes of an upload have arrived.
func (b *blobs) received(id string) (int64, error) {
	info, err := os.Stat(b.uploadPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// add appends to an upload and returns how many bytes it has now. What arrived before the connection broke is kept, so
// that the client can go on from there.
func (b *blobs) add(id string, body io.Reader) (int64, error) {
	if err := os.MkdirAll(filepath.Join(b.dir, "uploads"), 0o700); err != nil {
		return 0, err
	}
	f, err := os.OpenFile(b.uploadPath(id), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(f, body)
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, fmt.Errorf("receive layer: %w", err)
	}
	return b.received(id)
}

// digest reads an upload whole and returns its digest and size.
func (b *blobs) digest(id string) (string, int64, error) {
	f, err := os.Open(b.uploadPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return digestOf(nil), 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return sha256Prefix + hex.EncodeToString(h.Sum(nil)), n, err
}

// keep makes an upload the blob of its digest.
func (b *blobs) keep(id, digest string) error {
	to := b.path(digest)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	err := os.Rename(b.uploadPath(id), to)
	if errors.Is(err, fs.ErrNotExist) { // nothing was sent: the empty blob
		return os.WriteFile(to, nil, 0o600)
	}
	return err
}

// files lists what is there: digests and ids of uploads.
func (b *blobs) files() (digests, uploads []string, err error) {
	sums, err := names(filepath.Join(b.dir, "blobs"))
	for _, sum := range sums {
		digests = append(digests, sha256Prefix+sum)
	}
	uploads, wrong := names(filepath.Join(b.dir, "uploads"))
	return digests, uploads, errors.Join(err, wrong)
}

func names(dir string) (all []string, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !d.IsDir() {
			all = append(all, d.Name())
		}
		return err
	})
	return all, err
}

// remove deletes a file; one that is gone is no error.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
