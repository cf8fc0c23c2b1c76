package gateway

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"slipway.dev/internal/twin/wire"
)

// hashReader fails at the end of a body that is not the one that was signed.
type hashReader struct {
	io.ReadCloser
	hash hash.Hash
	want string
}

func (h *hashReader) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.hash.Write(p[:n])
	if err == io.EOF && hex.EncodeToString(h.hash.Sum(nil)) != h.want {
		return n, &wire.Error{Code: "XAmzContentSHA256Mismatch", Message: "The provided 'x-amz-content-sha256' header does not match what was computed."}
	}
	return n, err
}

// chunkReader decodes the aws-chunked encoding and checks each chunk's signature where the chunks are signed.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
type chunkReader struct {
	body     io.Closer
	in       *bufio.Reader
	request  *http.Request
	sig      *signature
	key      []byte
	signed   bool
	previous string
	left     int64
	chunk    hash.Hash
	claimed  string
	trailer  http.Header
	trailing bool // the trailing headers are signed too
	done     bool
}

func newChunkReader(r *http.Request, s *signature, key []byte, payload string) *chunkReader {
	if n, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil {
		r.ContentLength = n
	}
	return &chunkReader{
		body: r.Body, in: bufio.NewReader(r.Body), request: r, sig: s, key: key,
		signed: !strings.HasPrefix(payload, "STREAMING-UNSIGNED"), previous: s.value, trailer: http.Header{}, trailing: strings.HasSuffix(payload, "-TRAILER"),
	}
}

func (c *chunkReader) Close() error { return c.body.Close() }

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.done {
		return 0, io.EOF
	}
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
		if c.left == 0 {
			c.done = true
			return 0, c.finish()
		}
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.chunk.Write(p[:n])
	if err != nil {
		return n, wire.Errorf("IncompleteBody", "The request body terminated unexpectedly")
	}
	if c.left == 0 {
		return n, c.endChunk()
	}
	return n, nil
}

// next reads a chunk's head: size in hex, then ";chunk-signature=…".
func (c *chunkReader) next() error {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return wire.Errorf("IncompleteBody", "The request body terminated unexpectedly")
	}
	size, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ";")
	c.left, err = strconv.ParseInt(size, 16, 64)
	if err != nil || c.left < 0 {
		return wire.Errorf("InvalidRequest", "A chunk of the body has no valid size")
	}
	c.claimed = strings.TrimPrefix(rest, "chunk-signature=")
	c.chunk = sha256.New()
	return nil
}

func (c *chunkReader) endChunk() error {
	if _, err := c.in.Discard(2); err != nil {
		return wire.Errorf("IncompleteBody", "The request body terminated unexpectedly")
	}
	return c.verify()
}

func (c *chunkReader) verify() error {
	if !c.signed {
		return nil
	}
	empty := sha256.Sum256(nil)
	toSign := strings.Join([]string{algorithm + "-PAYLOAD", c.sig.at.Format(stamp), c.sig.credentialScope(), c.previous,
		hex.EncodeToString(empty[:]), hex.EncodeToString(c.chunk.Sum(nil))}, "\n")
	if !hmac.Equal([]byte(hexMAC(c.key, toSign)), []byte(c.claimed)) {
		return errMismatch.forS3()
	}
	c.previous = c.claimed
	return nil
}

// finish checks the last, empty chunk and reads the trailing headers into the request's.
func (c *chunkReader) finish() error {
	if err := c.verify(); err != nil {
		return err
	}
	var signed strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		switch name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value); {
		case !ok:
		case name == "x-amz-trailer-signature":
			c.claimed = value
		default:
			signed.WriteString(name + ":" + value + "\n")
			c.trailer.Set(name, value)
		}
		if err != nil {
			break
		}
	}
	return c.verifyTrailer(signed.String())
}

// verifyTrailer checks the signature of the trailing headers where the request says that they are signed.
func (c *chunkReader) verifyTrailer(headers string) error {
	if !c.signed || !c.trailing {
		return io.EOF
	}
	toSign := strings.Join([]string{algorithm + "-TRAILER", c.sig.at.Format(stamp), c.sig.credentialScope(), c.previous, hexSum([]byte(headers))}, "\n")
	if !hmac.Equal([]byte(hexMAC(c.key, toSign)), []byte(c.claimed)) {
		return errMismatch.forS3()
	}
	return io.EOF
}

// Trailer returns a header that came after the body, once that has been read, or the one that announces it (X-Amz-Trailer).
func (c *chunkReader) Trailer(name string) string {
	if value := c.trailer.Get(name); value != "" || !strings.EqualFold(name, "X-Amz-Trailer") {
		return value
	}
	return c.request.Header.Get(name)
}
