package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// sealer encrypts what must not lie open in the state file, with a key of its own beside it (mode 0600).
type sealer struct{ gcm cipher.AEAD }

func openSealer(path string) (*sealer, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return nil, err
		}
		err = os.WriteFile(path, key, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("%w: %s holds %d bytes, not 32; it was left untouched. Restore it from a copy, or begin anew with: slipway twin reset", ErrCorrupt, path, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return &sealer{gcm}, err
}

// Seal encrypts a secret for the state file with AES-256-GCM; context must be the same when it is opened.
func (s *Store) Seal(plain []byte, context string) []byte {
	nonce := make([]byte, s.seal.gcm.NonceSize())
	rand.Read(nonce)
	return s.seal.gcm.Seal(nonce, nonce, plain, []byte(context))
}

// Unseal is the reverse of Seal.
func (s *Store) Unseal(sealed []byte, context string) ([]byte, error) {
	n := s.seal.gcm.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("sealed value is too short")
	}
	plain, err := s.seal.gcm.Open(nil, sealed[:n], sealed[n:], []byte(context))
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", err)
	}
	return plain, nil
}
