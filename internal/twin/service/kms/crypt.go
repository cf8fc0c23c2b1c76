package kms

import (
	"bytes"
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"

	api "slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// A ciphertext blob is: magic, the material's id (32 bytes), the length of the key's ARN (2 bytes), the ARN, a nonce, and what
// AES-256-GCM made of the plaintext. All before the nonce and the encryption context are authenticated with it.
var magic = []byte{1, 2, 2, 0, 'x'}

func blobHead(k masterKey, m material) ([]byte, error) {
	id, err := hex.DecodeString(m.ID)
	if err != nil {
		return nil, err
	}
	head := append(slices.Clone(magic), id...)
	head = binary.BigEndian.AppendUint16(head, uint16(len(k.arn())))
	return append(head, k.arn()...), nil
}

// takeApart returns what a blob says of itself.
func takeApart(blob []byte) (arn, materialID string, head, rest []byte, ok bool) {
	body, ok := bytes.CutPrefix(blob, magic)
	if !ok || len(body) < 34 {
		return "", "", nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(body[32:34]))
	if len(body) < 34+n {
		return "", "", nil, nil, false
	}
	end := len(magic) + 34 + n
	return string(body[34 : 34+n]), hex.EncodeToString(body[:32]), blob[:end], blob[end:], true
}

// authenticated binds the head and the encryption context. Names and values carry their lengths, so that no two contexts
// read the same.
func authenticated(head []byte, context map[string]string) []byte {
	out := slices.Clone(head)
	for _, name := range slices.Sorted(maps.Keys(context)) {
		for _, text := range []string{name, context[name]} {
			out = binary.BigEndian.AppendUint32(out, uint32(len(text)))
			out = append(out, text...)
		}
	}
	return out
}

func (s *Service) cipher(k masterKey, m material) (cipher.AEAD, error) {
	secret, err := s.Store.Unseal(m.Sealed, sealing(k, m))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (s *Service) seal(k masterKey, plain []byte, context map[string]string) ([]byte, error) {
	m := k.current()
	head, err := blobHead(k, m)
	if err != nil {
		return nil, err
	}
	gcm, err := s.cipher(k, m)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	rand.Read(nonce)
	blob := append(slices.Clone(head), nonce...)
	return gcm.Seal(blob, nonce, plain, authenticated(head, context)), nil
}

// errCiphertext has no text, as on AWS: it does not help those who guess.
var errCiphertext = &wire.Error{Code: "InvalidCiphertextException"}

// open decrypts a blob with the key that it names; wanted, where not nil, must be that key.
func (s *Service) open(ctx context.Context, blob []byte, encryption map[string]string, wanted *string) (k masterKey, m material, plain []byte, err error) {
	arn, id, head, rest, ok := takeApart(blob)
	if !ok {
		return k, m, nil, errCiphertext
	}
	if wanted != nil {
		given, err := s.resolve(ctx, *wanted)
		if err != nil {
			return k, m, nil, err
		}
		if given.arn() != arn {
			return k, m, nil, wire.Errorf("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
		}
	}
	if k, err = s.view(ctx, arn); err != nil {
		return k, m, nil, absentCiphertext(err)
	}
	if err := k.usable(); err != nil {
		return k, m, nil, err
	}
	i := slices.IndexFunc(k.Materials, func(m material) bool { return m.ID == id })
	if i < 0 {
		return k, m, nil, errCiphertext
	}
	m = k.Materials[i]
	gcm, err := s.cipher(k, m)
	if err != nil {
		return k, m, nil, err
	}
	if len(rest) < gcm.NonceSize() {
		return k, m, nil, errCiphertext
	}
	n := gcm.NonceSize()
	if plain, err = gcm.Open(nil, rest[:n], rest[n:], authenticated(head, encryption)); err != nil {
		return k, m, nil, errCiphertext
	}
	return k, m, plain, nil
}

// absentCiphertext: a blob of a key that is not to be found here cannot be decrypted, and more is not said.
func absentCiphertext(err error) error {
	if wire.HasCode(err, "NotFoundException") {
		return wire.Errorf("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	}
	return err
}

func algorithm(name *string) error {
	if given := cmp.Or(wire.Value(name), symmetric); given != symmetric {
		return wire.Errorf("InvalidKeyUsageException", "Algorithm %s is incompatible with key spec %s.", given, symmetric)
	}
	return nil
}

func dry(run *bool) error {
	if wire.Value(run) {
		return wire.Errorf("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
	}
	return nil
}

// forUse finds the key that is to encrypt.
func (s *Service) forUse(ctx context.Context, name string, dryRun *bool) (masterKey, error) {
	k, err := s.resolve(ctx, name)
	if err != nil {
		return k, err
	}
	return k, cmp.Or(k.usable(), dry(dryRun))
}

// Encrypt encrypts up to 4096 bytes.
func (s *Service) Encrypt(ctx context.Context, in *api.EncryptInput) (*api.EncryptOutput, error) {
	if err := algorithm(in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	k, err := s.forUse(ctx, in.KeyId, in.DryRun)
	if err != nil {
		return nil, err
	}
	blob, err := s.seal(k, in.Plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &api.EncryptOutput{CiphertextBlob: blob, KeyId: new(k.arn()), EncryptionAlgorithm: new(symmetric)}, nil
}

// Decrypt decrypts what Encrypt or GenerateDataKey made, with the same encryption context.
func (s *Service) Decrypt(ctx context.Context, in *api.DecryptInput) (*api.DecryptOutput, error) {
	if in.Recipient != nil {
		return nil, errRecipient
	}
	if err := algorithm(in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	k, m, plain, err := s.open(ctx, in.CiphertextBlob, in.EncryptionContext, in.KeyId)
	if err = cmp.Or(err, dry(in.DryRun)); err != nil {
		return nil, err
	}
	return &api.DecryptOutput{Plaintext: plain, KeyId: new(k.arn()), KeyMaterialId: &m.ID, EncryptionAlgorithm: new(symmetric)}, nil
}

var errRecipient = wire.Errorf("UnsupportedOperationException", "The twin has no enclaves: Recipient is not supported.")

// ReEncrypt decrypts and encrypts again with another key or context, without showing the plaintext.
func (s *Service) ReEncrypt(ctx context.Context, in *api.ReEncryptInput) (*api.ReEncryptOutput, error) {
	if err := cmp.Or(algorithm(in.SourceEncryptionAlgorithm), algorithm(in.DestinationEncryptionAlgorithm)); err != nil {
		return nil, err
	}
	from, m, plain, err := s.open(ctx, in.CiphertextBlob, in.SourceEncryptionContext, in.SourceKeyId)
	if err != nil {
		return nil, err
	}
	to, err := s.forUse(ctx, in.DestinationKeyId, in.DryRun)
	if err != nil {
		return nil, err
	}
	blob, err := s.seal(to, plain, in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	return &api.ReEncryptOutput{
		CiphertextBlob: blob, KeyId: new(to.arn()), DestinationEncryptionAlgorithm: new(symmetric), DestinationKeyMaterialId: new(to.current().ID),
		SourceKeyId: new(from.arn()), SourceEncryptionAlgorithm: new(symmetric), SourceKeyMaterialId: &m.ID,
	}, nil
}

// GenerateDataKey makes a random key and returns it both in the clear and encrypted.
func (s *Service) GenerateDataKey(ctx context.Context, in *api.GenerateDataKeyInput) (*api.GenerateDataKeyOutput, error) {
	if in.Recipient != nil {
		return nil, errRecipient
	}
	size := wire.Value(in.NumberOfBytes)
	switch {
	case (in.KeySpec == nil) == (in.NumberOfBytes == nil):
		return nil, wire.Errorf("ValidationException", "Please specify either number of bytes or key spec.")
	case wire.Value(in.KeySpec) == "AES_128":
		size = 16
	case in.KeySpec != nil:
		size = 32
	}
	k, err := s.forUse(ctx, in.KeyId, in.DryRun)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, size)
	rand.Read(plain)
	blob, err := s.seal(k, plain, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &api.GenerateDataKeyOutput{Plaintext: plain, CiphertextBlob: blob, KeyId: new(k.arn()), KeyMaterialId: new(k.current().ID)}, nil
}

// GenerateDataKeyWithoutPlaintext makes a random key and returns it encrypted.
func (s *Service) GenerateDataKeyWithoutPlaintext(ctx context.Context, in *api.GenerateDataKeyWithoutPlaintextInput) (*api.GenerateDataKeyWithoutPlaintextOutput, error) {
	out, err := s.GenerateDataKey(ctx, &api.GenerateDataKeyInput{KeyId: in.KeyId, KeySpec: in.KeySpec, NumberOfBytes: in.NumberOfBytes,
		EncryptionContext: in.EncryptionContext, DryRun: in.DryRun})
	if err != nil {
		return nil, err
	}
	return &api.GenerateDataKeyWithoutPlaintextOutput{CiphertextBlob: out.CiphertextBlob, KeyId: out.KeyId, KeyMaterialId: out.KeyMaterialId}, nil
}

// GenerateRandom returns random bytes.
func (s *Service) GenerateRandom(_ context.Context, in *api.GenerateRandomInput) (*api.GenerateRandomOutput, error) {
	switch {
	case in.Recipient != nil:
		return nil, errRecipient
	case in.CustomKeyStoreId != nil:
		return nil, unsupported("The twin has no custom key stores.")
	case in.NumberOfBytes == nil:
		return nil, wire.Errorf("ValidationException", "1 validation error detected: Value null at 'numberOfBytes' failed to satisfy constraint: Member must not be null")
	}
	plain := make([]byte, *in.NumberOfBytes)
	rand.Read(plain)
	return &api.GenerateRandomOutput{Plaintext: plain}, nil
}

// resolve reads a key named by id, ARN, alias or alias ARN. The keys that AWS manages for a service are made when first named.
func (s *Service) resolve(ctx context.Context, name string) (k masterKey, err error) {
	at, ok, err := aliasKey(ctx, name)
	if err != nil || !ok {
		if err != nil {
			return k, err
		}
		return s.view(ctx, name)
	}
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		k, err = byAlias(tx, at)
		return err
	})
	if wire.HasCode(err, "NotFoundException") && managedHere(ctx, at) {
		return s.makeManaged(ctx, at)
	}
	return k, err
}
