package s3

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"strings"

	"slipway.dev/internal/twin/wire"
)

// The algorithms of S3's additional checksums.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
const (
	crc32Name     = "CRC32"
	crc32cName    = "CRC32C"
	crc64Name     = "CRC64NVME"
	fullObject    = "FULL_OBJECT"
	compositeType = "COMPOSITE"
	crc64NVME     = 0x9a6c9329ac4bc9b5 // polynomial, reflected
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	nvme       = crc64.MakeTable(crc64NVME)
)

// algorithms are those that are computed here; the XXHash family is refused.
var algorithms = map[string]func() hash.Hash{
	crc32Name:  func() hash.Hash { return crc32.NewIEEE() },
	crc32cName: func() hash.Hash { return crc32.New(castagnoli) },
	crc64Name:  func() hash.Hash { return crc64.New(nvme) },
	"SHA1":     sha1.New,
	"SHA256":   sha256.New,
	"SHA512":   sha512.New,
	"MD5":      md5.New,
}

// checksum is a value of one of the algorithms, base64; composite ones end in "-<parts>".
type checksum struct {
	Algorithm string
	Value     string
	Type      string // FULL_OBJECT or COMPOSITE
}

// claims are the checksums that a request gives in its headers.
type claims struct{ CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128 *string }

// claim is the one checksum that a request gives.
func (c claims) claim() (checksum, error) {
	var found checksum
	for name, value := range map[string]*string{crc32Name: c.CRC32, crc32cName: c.CRC32C, crc64Name: c.CRC64NVME, "SHA1": c.SHA1, "SHA256": c.SHA256,
		"SHA512": c.SHA512, "MD5": c.MD5, "XXHASH64": c.XXHASH64, "XXHASH3": c.XXHASH3, "XXHASH128": c.XXHASH128} {
		if value == nil {
			continue
		}
		if found.Algorithm != "" {
			return found, wire.Errorf("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		found = checksum{Algorithm: name, Value: *value}
	}
	return found, supported(found.Algorithm)
}

func supported(algorithm string) error {
	if _, ok := algorithms[algorithm]; ok || algorithm == "" {
		return nil
	}
	return notImplemented("The checksum algorithm " + algorithm + " is not computed by the twin; CRC64NVME, CRC32, CRC32C, SHA1, SHA256, SHA512 and MD5 are.")
}

// trailed is a body whose checksum comes after it.
type trailed interface{ Trailer(name string) string }

// intake reads a body once and computes what is wanted of it.
type intake struct {
	body    io.Reader
	md5     hash.Hash
	sum     hash.Hash
	claimed checksum
	wantMD5 string
}

// newIntake prepares to read a body. fallback is the algorithm where the request names none.
func newIntake(body io.Reader, c claims, algorithm, contentMD5 *string, fallback string) (*intake, error) {
	claimed, err := c.claim()
	if err != nil {
		return nil, err
	}
	if claimed.Algorithm == "" {
		claimed.Algorithm = wire.Value(algorithm)
	}
	if claimed.Algorithm == "" {
		claimed.Algorithm = announced(body)
	}
	if claimed.Algorithm == "" {
		claimed.Algorithm = fallback
	}
	if err := supported(claimed.Algorithm); err != nil {
		return nil, err
	}
	if contentMD5 != nil {
		if raw, err := base64.StdEncoding.DecodeString(*contentMD5); err != nil || len(raw) != md5.Size {
			return nil, wire.Errorf("InvalidDigest", "The Content-MD5 you specified was invalid.")
		}
	}
	return &intake{body: body, md5: md5.New(), sum: algorithms[claimed.Algorithm](), claimed: claimed, wantMD5: wire.Value(contentMD5)}, nil
}

// announced is the algorithm of the checksum that the request says will follow its body.
func announced(body io.Reader) string {
	t, ok := body.(trailed)
	if !ok {
		return ""
	}
	name, ok := strings.CutPrefix(strings.ToLower(t.Trailer("X-Amz-Trailer")), "x-amz-checksum-")
	if !ok {
		return ""
	}
	return strings.ToUpper(name)
}

func (i *intake) Read(p []byte) (int, error) {
	n, err := i.body.Read(p)
	i.md5.Write(p[:n])
	i.sum.Write(p[:n])
	return n, err
}

// check compares what was read with what was claimed and returns the checksum.
func (i *intake) check() (checksum, error) {
	if i.wantMD5 != "" && i.wantMD5 != base64.StdEncoding.EncodeToString(i.md5.Sum(nil)) {
		return checksum{}, wire.Errorf("BadDigest", "The Content-MD5 you specified did not match what we received.")
	}
	got := checksum{Algorithm: i.claimed.Algorithm, Value: base64.StdEncoding.EncodeToString(i.sum.Sum(nil)), Type: fullObject}
	want := i.claimed.Value
	if t, ok := i.body.(trailed); ok && want == "" {
		want = t.Trailer("X-Amz-Checksum-" + got.Algorithm)
	}
	if want != "" && want != got.Value {
		return got, wire.Errorf("BadDigest", "The %s you specified did not match the calculated checksum.", got.Algorithm)
	}
	return got, nil
}

// combine is the checksum of an object made of parts: of the whole content for the CRCs where that is asked for, otherwise of the
// parts' checksums.
func combine(algorithm, kind string, parts []part) checksum {
	if kind == fullObject {
		return checksum{Algorithm: algorithm, Type: fullObject, Value: wholeCRC(algorithm, parts)}
	}
	h := algorithms[algorithm]()
	for _, p := range parts {
		raw, _ := base64.StdEncoding.DecodeString(p.Checksum.Value)
		h.Write(raw)
	}
	return checksum{Algorithm: algorithm, Type: compositeType, Value: base64.StdEncoding.EncodeToString(h.Sum(nil)) + suffix(len(parts))}
}

// wholeCRC joins the parts' CRCs into that of the whole without reading it again.
func wholeCRC(algorithm string, parts []part) string {
	poly, width := uint64(crc64NVME), 64
	switch algorithm {
	case crc32Name:
		poly, width = crc32.IEEE, 32
	case crc32cName:
		poly, width = crc32.Castagnoli, 32
	}
	var crc uint64
	for n, p := range parts {
		raw, _ := base64.StdEncoding.DecodeString(p.Checksum.Value)
		next := binary.BigEndian.Uint64(append(make([]byte, 8-len(raw)), raw...))
		if n == 0 {
			crc = next
		} else {
			crc = shift(crc, poly, width, p.Size) ^ next
		}
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc)[8-width/8:])
}

// shift is the effect that n zero bytes have on a CRC: the CRC times x^(8n) modulo the polynomial, by squaring.
func shift(crc, poly uint64, width int, n int64) uint64 {
	factor := uint64(1) << (width - 1 - 1) // x^1, reflected
	power := uint64(1) << (width - 1)      // x^0
	for bits := uint64(n) * 8; bits > 0; bits >>= 1 {
		if bits&1 == 1 {
			power = times(power, factor, poly, width)
		}
		factor = times(factor, factor, poly, width)
	}
	return times(crc, power, poly, width)
}

// times multiplies two polynomials over GF(2), reflected, modulo poly.
func times(a, b, poly uint64, width int) (product uint64) {
	for bit := uint64(1) << (width - 1); bit > 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		if b&1 == 1 {
			b = b>>1 ^ poly
		} else {
			b >>= 1
		}
	}
	return product
}
