package gateway

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"slipway.dev/internal/twin/operation"
)

const (
	algorithm       = "AWS4-HMAC-SHA256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	stamp           = "20060102T150405Z"
	maxSignedBody   = 64 << 20
)

// Credential is what the gateway needs of an access key to check a signature.
type Credential struct {
	Secret       string
	SessionToken string    // set for temporary credentials, which must send it
	Expires      time.Time // zero: never
	Caller       operation.Caller
}

// Credentials finds access keys. It returns ErrUnknownKey for one that does not exist or is inactive.
type Credentials interface {
	Credential(ctx context.Context, accessKeyID string) (Credential, error)
}

// signature is a request's claim: who signs what, for which service and when. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
type signature struct {
	accessKeyID   string
	date          string // yyyymmdd
	region        string
	service       string
	signedHeaders []string
	value         string
	at            time.Time
	token         string
	presigned     bool
	expires       time.Duration
}

// parseSignature reads the claim from the Authorization header or from the query of a presigned URL; nil where there is none.
func parseSignature(r *http.Request) (*signature, error) {
	if header := r.Header.Get("Authorization"); strings.HasPrefix(header, algorithm) {
		return parseHeader(r, strings.TrimPrefix(header, algorithm))
	}
	if q := r.URL.Query(); q.Get("X-Amz-Algorithm") == algorithm {
		return parsePresigned(q)
	}
	return nil, nil
}

func parseHeader(r *http.Request, fields string) (*signature, error) {
	s := &signature{token: r.Header.Get("X-Amz-Security-Token")}
	for part := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			if err := s.scope(value); err != nil {
				return nil, err
			}
		case "SignedHeaders":
			s.signedHeaders = strings.Split(value, ";")
		case "Signature":
			s.value = value
		}
	}
	var err error
	if date := r.Header.Get("X-Amz-Date"); date != "" {
		s.at, err = time.Parse(stamp, date)
	} else {
		s.at, err = http.ParseTime(r.Header.Get("Date"))
	}
	if err != nil || s.value == "" || len(s.signedHeaders) == 0 {
		return nil, errIncomplete
	}
	return s, nil
}

func parsePresigned(q url.Values) (*signature, error) {
	s := &signature{presigned: true, value: q.Get("X-Amz-Signature"), token: q.Get("X-Amz-Security-Token"), signedHeaders: strings.Split(q.Get("X-Amz-SignedHeaders"), ";")}
	if err := s.scope(q.Get("X-Amz-Credential")); err != nil {
		return nil, err
	}
	at, err := time.Parse(stamp, q.Get("X-Amz-Date"))
	if err != nil {
		return nil, errIncomplete
	}
	seconds, err := time.ParseDuration(q.Get("X-Amz-Expires") + "s")
	if err != nil || seconds <= 0 || seconds > 7*24*time.Hour {
		return nil, errIncomplete
	}
	s.at, s.expires = at, seconds
	return s, nil
}

func (s *signature) scope(credential string) error {
	parts := strings.Split(credential, "/")
	if len(parts) < 5 || parts[len(parts)-1] != "aws4_request" {
		return errIncomplete
	}
	n := len(parts)
	s.accessKeyID = strings.Join(parts[:n-4], "/")
	s.date, s.region, s.service = parts[n-4], parts[n-3], parts[n-2]
	return nil
}

func (s *signature) credentialScope() string {
	return s.date + "/" + s.region + "/" + s.service + "/aws4_request"
}

// check compares the claim with what the secret gives. It may replace r.Body by one that checks the payload as it is read.
func (s *signature) check(r *http.Request, secret string, now time.Time) error {
	if err := s.fresh(now); err != nil {
		return err
	}
	payload, err := s.payloadHash(r)
	if err != nil {
		return err
	}
	key := signingKey(secret, s.date, s.region, s.service)
	toSign := strings.Join([]string{algorithm, s.at.Format(stamp), s.credentialScope(), hexSum([]byte(s.canonical(r, payload)))}, "\n")
	if !hmac.Equal([]byte(hexMAC(key, toSign)), []byte(s.value)) {
		return errMismatch
	}
	return s.wrapBody(r, key, payload)
}

func (s *signature) fresh(now time.Time) error {
	if s.presigned {
		if now.After(s.at.Add(s.expires)) || s.at.After(now.Add(15*time.Minute)) {
			return &clockError{at: s.at, now: now, presigned: true}
		}
		return nil
	}
	window := 5 * time.Minute
	if s.service == "s3" {
		window = 15 * time.Minute
	}
	if d := now.Sub(s.at); d > window || d < -window || s.at.Format("20060102") != s.date {
		return &clockError{at: s.at, now: now, window: window}
	}
	return nil
}

// payloadHash is the hash that was signed. Except for S3, whose objects stream, the body is read and hashed here.
func (s *signature) payloadHash(r *http.Request) (string, error) {
	claimed := r.Header.Get("X-Amz-Content-Sha256")
	if s.presigned && s.service == "s3" {
		return unsignedPayload, nil
	}
	if s.service == "s3" && claimed != "" {
		return claimed, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxSignedBody))
	if err != nil {
		return "", fmt.Errorf("read body: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := hexSum(body)
	if claimed != "" && claimed != sum && claimed != unsignedPayload {
		return "", errMismatch
	}
	if claimed == unsignedPayload {
		return claimed, nil
	}
	return sum, nil
}

func (s *signature) wrapBody(r *http.Request, key []byte, payload string) error {
	switch {
	case s.service != "s3" || payload == unsignedPayload:
		return nil
	case strings.HasPrefix(payload, "STREAMING-"):
		r.Body = newChunkReader(r, s, key, payload)
		return nil
	}
	r.Body = &hashReader{ReadCloser: r.Body, want: payload, hash: sha256.New()}
	return nil
}

func (s *signature) canonical(r *http.Request, payload string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + s.canonicalPath(r) + "\n" + canonicalQuery(r.URL.RawQuery) + "\n")
	headers := slices.Sorted(slices.Values(s.signedHeaders))
	for _, name := range headers {
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(headers, ";") + "\n" + payload)
	return b.String()
}

// canonicalPath: S3 signs the path encoded once; every other service signs the path as sent, encoded again.
func (s *signature) canonicalPath(r *http.Request) string {
	if s.service == "s3" {
		return cmp.Or(encode(r.URL.Path, true), "/")
	}
	return cmp.Or(encode(r.URL.EscapedPath(), true), "/")
}

func canonicalQuery(raw string) string {
	var pairs []string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, value = unescape(name), unescape(value)
		if name == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, encode(name, false)+"="+encode(value, false))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return fmt.Sprint(r.ContentLength)
	}
	var values []string
	for _, v := range r.Header.Values(name) {
		values = append(values, strings.Join(strings.Fields(v), " "))
	}
	return strings.Join(values, ",")
}

// encode is SigV4's URI encoding: everything but unreserved characters, upper-case hex.
func encode(s string, path bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~', path && c == '/':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func signingKey(secret, date, region, service string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{date, region, service, "aws4_request"} {
		key = mac(key, part)
	}
	return key
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexMAC(key []byte, text string) string { return hex.EncodeToString(mac(key, text)) }

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
