package manifest

import (
	_ "embed"
	"fmt"
	"strings"
)

// ReferenceYAML is the commented manifest of every supported key. It loads,
// and it is where the reference documentation comes from.
//
//go:embed reference.yml
var ReferenceYAML string

// Reference is the reference documentation in Markdown: ReferenceYAML a
// section at a time, and the keys of mu that are not supported yet.
func Reference() string {
	var b strings.Builder
	b.WriteString("# The manifest\n\n")
	b.WriteString("<!-- Generated from internal/manifest/reference.yml; `go test ./internal/manifest -update` writes it. -->\n\n")
	b.WriteString("A manifest is one file, `slipway.yml` (else `mu.yml`), at the root of a repository. " +
		"`slipway validate` checks it, `slipway init` writes a first one, and `slipway schema` prints its JSON Schema for editors.\n\n")
	intro, sections, _ := strings.Cut(ReferenceYAML, "\n## ")
	b.WriteString(prose(intro) + "\n")
	for section := range strings.SplitSeq(sections, "\n## ") {
		writeSection(&b, section)
	}
	b.WriteString("\n## Not supported yet\n\nThese keys of mu are known, and refused until Slipway acts on them:\n\n")
	for _, path := range Unsupported() {
		fmt.Fprintf(&b, "- `%s`\n", path)
	}
	return b.String()
}

// writeSection writes a title, the comment that follows it as prose, and
// the YAML with its own comments as it is.
func writeSection(b *strings.Builder, section string) {
	title, body, _ := strings.Cut(section, "\n")
	body = strings.TrimSpace(body)
	lines := strings.Split(body, "\n")
	n := 0
	for n < len(lines) && strings.HasPrefix(lines[n], "#") {
		n++
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n```yaml\n%s\n```\n", title,
		prose(strings.Join(lines[:n], "\n")), strings.Join(lines[n:], "\n"))
}

// prose is a block of comment lines without their number signs.
func prose(comment string) string {
	lines := strings.Split(strings.TrimSpace(comment), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimPrefix(line, "#"), " ")
	}
	return strings.Join(lines, "\n")
}

// Unsupported lists the paths of the keys and values that are known and not
// supported yet, in the order of the tables.
func Unsupported() []string { return fileKeys().unsupported("") }

func (k *key) unsupported(path string) (paths []string) {
	for i := range k.keys {
		c := &k.keys[i]
		at := join(path, c.name)
		if c.state == later {
			paths = append(paths, at)
			continue
		}
		for _, choice := range c.choices {
			if choice.state == later {
				paths = append(paths, at+": "+choice.value)
			}
		}
		if c.shape == listShape {
			paths = append(paths, c.each.unsupported(at+"[]")...)
		}
		paths = append(paths, c.unsupported(at)...)
	}
	return paths
}
