package kms_test

import (
	"bytes"
	"strings"
	"testing"

	api "slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

func wantCode(t *testing.T, err error, code, text string) {
	t.Helper()
	if !wire.HasCode(err, code) || !strings.Contains(err.Error(), text) {
		t.Errorf("error = %v, want %s with %q", err, code, text)
	}
}

func made(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T, w *twintest.Twin) *api.KeyMetadata {
	t.Helper()
	out, err := api.Client{Invoker: w.Invoker}.CreateKey(w.Context, &api.CreateKeyInput{Description: new("of a test")})
	made(t, err)
	return out.KeyMetadata
}

func TestWhatAKeyEncryptsItDecryptsInTheSameContext(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	kms, ctx := api.Client{Invoker: w.Invoker}, w.Context
	key := newKey(t, w)
	_, err := kms.CreateAlias(ctx, &api.CreateAliasInput{AliasName: "alias/app", TargetKeyId: key.KeyId})
	made(t, err)
	bound := map[string]string{"a": "1", "b": "2"}
	for _, name := range []string{key.KeyId, *key.Arn, "alias/app", "arn:aws:kms:us-east-1:000000000000:alias/app"} {
		out, err := kms.Encrypt(ctx, &api.EncryptInput{KeyId: name, Plaintext: []byte("hush"), EncryptionContext: bound})
		made(t, err)
		if bytes.Contains(out.CiphertextBlob, []byte("hush")) || *out.KeyId != *key.Arn {
			t.Errorf("%s: %+v", name, out)
		}
		back, err := kms.Decrypt(ctx, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: bound})
		if err != nil || string(back.Plaintext) != "hush" || *back.KeyId != *key.Arn {
			t.Errorf("%s: %+v, %v", name, back, err)
		}
		for _, other := range []map[string]string{nil, {"a": "1"}, {"a": "1", "b": "3"}, {"a": "1b", "": "2"}} {
			_, err = kms.Decrypt(ctx, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: other})
			wantCode(t, err, "InvalidCiphertextException", "")
		}
	}
}

func TestDamagedAndForeignCiphertextIsRefused(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	kms, ctx := api.Client{Invoker: w.Invoker}, w.Context
	key, other := newKey(t, w), newKey(t, w)
	out, err := kms.Encrypt(ctx, &api.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("hush")})
	made(t, err)
	for i := range out.CiphertextBlob {
		broken := bytes.Clone(out.CiphertextBlob)
		broken[i] ^= 1
		if got, err := kms.Decrypt(ctx, &api.DecryptInput{CiphertextBlob: broken}); err == nil {
			t.Fatalf("byte %d flipped and decrypted to %q", i, got.Plaintext)
		}
	}
	for n := 1; n < len(out.CiphertextBlob); n++ {
		if _, err := kms.Decrypt(ctx, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob[:n]}); err == nil {
			t.Fatalf("%d bytes were enough", n)
		}
	}
	_, err = kms.Decrypt(ctx, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob, KeyId: &other.KeyId})
	wantCode(t, err, "IncorrectKeyException", "")
	_, err = kms.Encrypt(ctx, &api.EncryptInput{KeyId: key.KeyId, Plaintext: make([]byte, 4097)})
	wantCode(t, err, "ValidationException", "less than or equal to 4096")
}

func TestKeyStates(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	kms, ctx := api.Client{Invoker: w.Invoker}, w.Context
	key := newKey(t, w)
	encrypt := func() error {
		_, err := kms.Encrypt(ctx, &api.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x")})
		return err
	}
	_, err := kms.DisableKey(ctx, &api.DisableKeyInput{KeyId: key.KeyId})
	made(t, err)
	wantCode(t, encrypt(), "DisabledException", *key.Arn+" is disabled.")
	_, err = kms.EnableKey(ctx, &api.EnableKeyInput{KeyId: key.KeyId})
	made(t, err)
	made(t, encrypt())
	for _, days := range []int{6, 31} {
		_, err = kms.ScheduleKeyDeletion(ctx, &api.ScheduleKeyDeletionInput{KeyId: key.KeyId, PendingWindowInDays: &days})
		wantCode(t, err, "ValidationException", "")
	}
	out, err := kms.ScheduleKeyDeletion(ctx, &api.ScheduleKeyDeletionInput{KeyId: key.KeyId, PendingWindowInDays: new(7)})
	if err != nil || *out.KeyState != "PendingDeletion" {
		t.Fatalf("%+v, %v", out, err)
	}
	wantCode(t, encrypt(), "KMSInvalidStateException", *key.Arn+" is pending deletion.")
	_, err = kms.EnableKey(ctx, &api.EnableKeyInput{KeyId: key.KeyId})
	wantCode(t, err, "KMSInvalidStateException", "is pending deletion.")
	_, err = kms.CancelKeyDeletion(ctx, &api.CancelKeyDeletionInput{KeyId: key.KeyId})
	made(t, err)
	wantCode(t, encrypt(), "DisabledException", "")
	_, err = kms.CancelKeyDeletion(ctx, &api.CancelKeyDeletionInput{KeyId: key.KeyId})
	wantCode(t, err, "KMSInvalidStateException", "is not pending deletion.")
}

func TestOldCiphertextOutlivesRotationAndRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := twintest.StartIn(t, dir)
	kms, ctx := api.Client{Invoker: w.Invoker}, w.Context
	key := newKey(t, w)
	old, err := kms.Encrypt(ctx, &api.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("old")})
	made(t, err)
	_, err = kms.RotateKeyOnDemand(ctx, &api.RotateKeyOnDemandInput{KeyId: key.KeyId})
	made(t, err)
	w.Stop(t)
	w = twintest.StartIn(t, dir)
	kms, ctx = api.Client{Invoker: w.Invoker}, w.Context
	back, err := kms.Decrypt(ctx, &api.DecryptInput{CiphertextBlob: old.CiphertextBlob})
	if err != nil || string(back.Plaintext) != "old" || *back.KeyMaterialId != *key.CurrentKeyMaterialId {
		t.Fatalf("%+v, %v", back, err)
	}
	fresh, err := kms.GenerateDataKey(ctx, &api.GenerateDataKeyInput{KeyId: key.KeyId, KeySpec: new("AES_256")})
	if err != nil || len(fresh.Plaintext) != 32 || *fresh.KeyMaterialId == *key.CurrentKeyMaterialId {
		t.Fatalf("%+v, %v", fresh, err)
	}
	rotations, err := kms.ListKeyRotations(ctx, &api.ListKeyRotationsInput{KeyId: key.KeyId})
	if err != nil || len(rotations.Rotations) != 1 || *rotations.Rotations[0].RotationType != "ON_DEMAND" {
		t.Errorf("%+v, %v", rotations, err)
	}
}

func TestReEncryptMovesToAnotherKey(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	kms, ctx := api.Client{Invoker: w.Invoker}, w.Context
	from, to := newKey(t, w), newKey(t, w)
	data, err := kms.GenerateDataKeyWithoutPlaintext(ctx, &api.GenerateDataKeyWithoutPlaintextInput{KeyId: from.KeyId, NumberOfBytes: new(48)})
	made(t, err)
	moved, err := kms.ReEncrypt(ctx, &api.ReEncryptInput{CiphertextBlob: data.CiphertextBlob, DestinationKeyId: to.KeyId,
		DestinationEncryptionContext: map[string]string{"to": "b"}})
	if err != nil || *moved.SourceKeyId != *from.Arn || *moved.KeyId != *to.Arn {
		t.Fatalf("%+v, %v", moved, err)
	}
	before, err := kms.Decrypt(ctx, &api.DecryptInput{CiphertextBlob: data.CiphertextBlob})
	made(t, err)
	after, err := kms.Decrypt(ctx, &api.DecryptInput{CiphertextBlob: moved.CiphertextBlob, EncryptionContext: map[string]string{"to": "b"}})
	made(t, err)
	if len(before.Plaintext) != 48 || !bytes.Equal(before.Plaintext, after.Plaintext) {
		t.Error("the plaintext changed")
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	kms, ctx := api.Client{Invoker: w.Invoker}, w.Context
	one, two := newKey(t, w), newKey(t, w)
	create := func(name, target string) error {
		_, err := kms.CreateAlias(ctx, &api.CreateAliasInput{AliasName: name, TargetKeyId: target})
		return err
	}
	made(t, create("alias/app", one.KeyId))
	wantCode(t, create("alias/app", two.KeyId), "AlreadyExistsException", "An alias with the name arn:aws:kms:us-east-1:000000000000:alias/app already exists")
	wantCode(t, create("app", one.KeyId), "ValidationException", "alias/")
	wantCode(t, create("alias/aws/mine", one.KeyId), "NotAuthorizedException", "")
	wantCode(t, create("alias/other", "alias/app"), "ValidationException", "")
	wantCode(t, create("alias/other", "12345678-1234-1234-1234-123456789012"), "NotFoundException", "does not exist")
	_, err := kms.UpdateAlias(ctx, &api.UpdateAliasInput{AliasName: "alias/app", TargetKeyId: two.KeyId})
	made(t, err)
	d, err := kms.DescribeKey(ctx, &api.DescribeKeyInput{KeyId: "alias/app"})
	if err != nil || d.KeyMetadata.KeyId != two.KeyId {
		t.Errorf("%+v, %v", d, err)
	}
	_, err = kms.DeleteAlias(ctx, &api.DeleteAliasInput{AliasName: "alias/app"})
	made(t, err)
	_, err = kms.DescribeKey(ctx, &api.DescribeKeyInput{KeyId: "alias/app"})
	wantCode(t, err, "NotFoundException", "Alias arn:aws:kms:us-east-1:000000000000:alias/app is not found.")
}

func TestKeysThatAWSManagesAppearWhenUsed(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	kms, ctx := api.Client{Invoker: w.Invoker}, w.Context
	for range 2 {
		_, err := kms.Encrypt(ctx, &api.EncryptInput{KeyId: "alias/aws/ssm", Plaintext: []byte("x")})
		made(t, err)
	}
	d, err := kms.DescribeKey(ctx, &api.DescribeKeyInput{KeyId: "alias/aws/ssm"})
	if err != nil || *d.KeyMetadata.KeyManager != "AWS" {
		t.Fatalf("%+v, %v", d, err)
	}
	if all, err := kms.ListKeys(ctx, &api.ListKeysInput{}); err != nil || len(all.Keys) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	_, err = kms.ScheduleKeyDeletion(ctx, &api.ScheduleKeyDeletionInput{KeyId: d.KeyMetadata.KeyId})
	wantCode(t, err, "AccessDeniedException", "")
	_, err = kms.DescribeKey(ctx, &api.DescribeKeyInput{KeyId: "alias/aws/nothing"})
	wantCode(t, err, "NotFoundException", "")
}

func TestWhatIsNotSupportedIsSaid(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	kms, ctx := api.Client{Invoker: w.Invoker}, w.Context
	for _, in := range []api.CreateKeyInput{{KeySpec: new("RSA_2048"), KeyUsage: new("SIGN_VERIFY")}, {KeySpec: new("HMAC_256")}, {Origin: new("EXTERNAL")}, {MultiRegion: new(true)}} {
		_, err := kms.CreateKey(ctx, &in)
		wantCode(t, err, "UnsupportedOperationException", "")
	}
	_, err := kms.CreateKey(ctx, &api.CreateKeyInput{Policy: new("{}")})
	wantCode(t, err, "MalformedPolicyDocumentException", "")
}
