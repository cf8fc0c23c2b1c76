package schema

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The packed file: magic, then three lengths (uint32, big endian), then the
// deflated index, the deflated dictionary, and one deflated JSON text a type.
// The index has a line "name length" a type, sorted; the dictionary is what all
// types' compression starts from.
const magic = "CFNSCHEMA1\n"

//go:embed schemas.bin
var packed []byte

var errPacked = errors.New("the embedded resource schemas are damaged")

// pack is an opened packed file.
type pack struct {
	names      []string
	spans      map[string][2]int
	dictionary []byte
	blobs      []byte

	mu     sync.Mutex
	opened map[string]*Type
}

var embedded = sync.OnceValues(func() (*pack, error) { return openPack(packed) })

// Lookup returns the schema of a type such as "AWS::S3::Bucket". The Type is
// shared: do not change it.
func Lookup(name string) (*Type, bool) {
	p, err := embedded()
	if err != nil {
		return nil, false
	}
	return p.lookup(name)
}

// Types lists the names of all types, sorted.
func Types() []string {
	p, err := embedded()
	if err != nil {
		return nil
	}
	return p.names
}

func (p *pack) lookup(name string) (*Type, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, ok := p.opened[name]; ok {
		return t, true
	}
	span, ok := p.spans[name]
	if !ok {
		return nil, false
	}
	text, err := inflate(p.blobs[span[0]:span[1]], p.dictionary)
	if err != nil {
		return nil, false
	}
	t := &Type{Name: name}
	if err := json.Unmarshal(text, t); err != nil {
		return nil, false
	}
	p.opened[name] = t
	return t, true
}

func openPack(data []byte) (*pack, error) {
	rest, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok || len(rest) < 8 {
		return nil, errPacked
	}
	indexLength, dictionaryLength := int(binary.BigEndian.Uint32(rest)), int(binary.BigEndian.Uint32(rest[4:]))
	rest = rest[8:]
	if indexLength < 0 || dictionaryLength < 0 || indexLength+dictionaryLength > len(rest) {
		return nil, errPacked
	}
	index, err := inflate(rest[:indexLength], nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPacked, err)
	}
	p := &pack{spans: map[string][2]int{}, opened: map[string]*Type{}, blobs: rest[indexLength+dictionaryLength:]}
	if p.dictionary, err = inflate(rest[indexLength:indexLength+dictionaryLength], nil); err != nil {
		return nil, fmt.Errorf("%w: %w", errPacked, err)
	}
	return p, p.readIndex(string(index))
}

func (p *pack) readIndex(index string) error {
	offset := 0
	for line := range strings.Lines(index) {
		name, number, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		length, err := strconv.Atoi(number)
		if err != nil || length < 0 || offset+length > len(p.blobs) {
			return errPacked
		}
		p.names = append(p.names, name)
		p.spans[name] = [2]int{offset, offset + length}
		offset += length
	}
	return nil
}

func inflate(data, dictionary []byte) ([]byte, error) {
	return io.ReadAll(flate.NewReaderDict(bytes.NewReader(data), dictionary))
}

// Pack writes types as the embedded file; the generator's half of this format.
func Pack(types []*Type) ([]byte, error) {
	slices.SortFunc(types, func(a, b *Type) int { return strings.Compare(a.Name, b.Name) })
	texts := make([][]byte, len(types))
	for i, t := range types {
		var err error
		if texts[i], err = json.Marshal(t); err != nil {
			return nil, fmt.Errorf("pack %s: %w", t.Name, err)
		}
	}
	dictionary := buildDictionary(texts)
	var index, blobs bytes.Buffer
	for i, t := range types {
		blob, err := deflate(texts[i], dictionary)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&index, "%s %d\n", t.Name, len(blob))
		blobs.Write(blob)
	}
	packedIndex, err := deflate(index.Bytes(), nil)
	if err != nil {
		return nil, err
	}
	packedDictionary, err := deflate(dictionary, nil)
	if err != nil {
		return nil, err
	}
	out := []byte(magic)
	out = binary.BigEndian.AppendUint32(out, uint32(len(packedIndex)))
	out = binary.BigEndian.AppendUint32(out, uint32(len(packedDictionary)))
	return slices.Concat(out, packedIndex, packedDictionary, blobs.Bytes()), nil
}

func deflate(data, dictionary []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriterDict(&b, flate.BestCompression, dictionary)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// buildDictionary picks the pieces of JSON that occur in most types, the most
// useful last, where deflate reaches them cheapest.
func buildDictionary(texts [][]byte) []byte {
	const size = 32 << 10
	type piece struct {
		text  string
		value int
	}
	counts := map[string]int{}
	for _, text := range texts {
		seen := map[string]bool{}
		for part := range strings.SplitAfterSeq(string(text), "},") {
			if len(part) > 8 && len(part) < 400 && !seen[part] {
				seen[part] = true
				counts[part]++
			}
		}
	}
	pieces := make([]piece, 0, len(counts))
	for text, count := range counts {
		if count > 2 {
			pieces = append(pieces, piece{text, (count - 1) * len(text)})
		}
	}
	slices.SortFunc(pieces, func(a, b piece) int {
		if a.value != b.value {
			return b.value - a.value
		}
		return strings.Compare(a.text, b.text)
	})
	var chosen []string
	total := 0
	for _, p := range pieces {
		if total+len(p.text) > size {
			continue
		}
		total += len(p.text)
		chosen = append(chosen, p.text)
	}
	slices.Reverse(chosen)
	return []byte(strings.Join(chosen, ""))
}
