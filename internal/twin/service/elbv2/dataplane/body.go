package dataplane

import "errors"

type bodyKind uint8

const (
	bodyNone bodyKind = iota
	bodyLength
	bodyChunked
	bodyUntilClose
)

// body knows where a message body ends in a stream of bytes.
type body struct {
	kind   bodyKind
	left   int64 // bodyLength: bytes to come
	chunks chunkScanner
}

var errChunk = errors.New("malformed chunked body")

// take says how many of the bytes belong to the body, framing included, and whether the body ends with them.
func (b *body) take(p []byte) (n int, done bool, err error) {
	switch b.kind {
	case bodyNone:
		return 0, true, nil
	case bodyLength:
		n = int(min(int64(len(p)), b.left))
		b.left -= int64(n)
		return n, b.left == 0, nil
	case bodyChunked:
		return b.chunks.scan(p)
	}
	return len(p), false, nil
}

// chunkScanner follows the chunked transfer coding (RFC 9112 §7.1). Strict as parseFields is: lines end with CRLF, sizes
// are hexadecimal digits alone, extensions and trailers are bounded and well formed.
type chunkScanner struct {
	state    chunkState
	left     uint64 // data bytes of the current chunk to come
	digits   int
	overhead int    // bytes of extensions and trailers so far
	line     []byte // the trailer line so far
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExtension
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailer
	chunkTrailerLF
	chunkDone
)

const maxChunkOverhead = 16 << 10

// scan consumes framing and data until the end of the body or of p.
func (s *chunkScanner) scan(p []byte) (n int, done bool, err error) {
	for n < len(p) && s.state != chunkDone {
		used, _, err := s.next(p[n:])
		if err != nil {
			return n, false, err
		}
		n += used
	}
	return n, s.state == chunkDone, nil
}

// next consumes either a run of data, which it returns, or some framing.
func (s *chunkScanner) next(p []byte) (used int, data []byte, err error) {
	for used < len(p) && s.state != chunkDone {
		if s.state == chunkData {
			if used > 0 {
				return used, nil, nil
			}
			run := int(min(uint64(len(p)), s.left))
			if s.left -= uint64(run); s.left == 0 {
				s.state = chunkDataCR
			}
			return run, p[:run], nil
		}
		if err := s.step(p[used]); err != nil {
			return used, nil, err
		}
		used++
	}
	return used, nil, nil
}

func (s *chunkScanner) step(c byte) error {
	switch s.state {
	case chunkSize:
		return s.sizeByte(c)
	case chunkExtension:
		if s.overhead++; s.overhead > maxChunkOverhead {
			return errChunk
		}
		if c == '\r' {
			s.state = chunkSizeLF
			return nil
		}
		return expect(byteClasses[c]&classValue != 0)
	case chunkSizeLF:
		s.endSize()
		return expect(c == '\n')
	case chunkDataCR:
		s.state = chunkDataLF
		return expect(c == '\r')
	case chunkDataLF:
		s.state, s.digits = chunkSize, 0
		return expect(c == '\n')
	case chunkTrailer:
		return s.trailerByte(c)
	}
	return s.endTrailerLine(c)
}

func expect(ok bool) error {
	if !ok {
		return errChunk
	}
	return nil
}

func (s *chunkScanner) sizeByte(c byte) error {
	if digit, ok := unhex(c); ok {
		s.left = s.left<<4 | uint64(digit)
		s.digits++
		return expect(s.digits <= 15)
	}
	if s.digits == 0 {
		return errChunk
	}
	switch c {
	case '\r':
		s.state = chunkSizeLF
	case ';':
		s.state = chunkExtension
	default:
		return errChunk
	}
	return nil
}

func (s *chunkScanner) endSize() {
	if s.left > 0 {
		s.state = chunkData
		return
	}
	s.state = chunkTrailer
}

func (s *chunkScanner) trailerByte(c byte) error {
	if s.overhead++; s.overhead > maxChunkOverhead {
		return errChunk
	}
	s.line = append(s.line, c)
	if c == '\r' {
		s.state = chunkTrailerLF
	}
	return nil
}

// endTrailerLine checks a whole trailer line; the empty one ends the body. A trailer must not frame or route a message
// (RFC 9110 §6.5.1).
func (s *chunkScanner) endTrailerLine(c byte) error {
	if c != '\n' {
		return errChunk
	}
	if len(s.line) == 1 {
		s.state = chunkDone
		return nil
	}
	s.line = append(s.line, '\n')
	f, ok := parseField(s.line)
	if !ok || f.id == headerContentLength || f.id == headerTransferEncoding || f.id == headerHost {
		return errChunk
	}
	s.line, s.state = s.line[:0], chunkTrailer
	return nil
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= lower(c) && lower(c) <= 'f':
		return lower(c) - 'a' + 10, true
	}
	return 0, false
}
