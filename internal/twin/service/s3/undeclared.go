package s3

import (
	"encoding/base64"
	"hash"
	"io"
	"net/http"
)

// undeclared is the body of a part whose upload was begun without naming a checksum algorithm. SDKs give a CRC32 with such a part all
// the same: it is checked, while the object gets the CRC64NVME that S3 computes by itself.
type undeclared struct {
	body io.Reader
	sum  hash.Hash
}

func newUndeclared(body io.ReadCloser) *undeclared {
	if body == nil {
		body = http.NoBody
	}
	return &undeclared{body: body, sum: algorithms[crc64Name]()}
}

func (u *undeclared) Read(p []byte) (int, error) {
	n, err := u.body.Read(p)
	u.sum.Write(p[:n])
	return n, err
}

// Trailer is that of the body, where it has trailers.
func (u *undeclared) Trailer(name string) string {
	if t, ok := u.body.(trailed); ok {
		return t.Trailer(name)
	}
	return ""
}

// settle gives a part the checksum that S3 computed, and keeps the one that the request gave.
func (u *undeclared) settle(p *part) {
	p.Given = p.Checksum
	p.Checksum = checksum{Algorithm: crc64Name, Value: base64.StdEncoding.EncodeToString(u.sum.Sum(nil)), Type: fullObject}
}
