package blueprint

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// encode writes a template. Sections stand apart by an empty line, as do the
// resources among themselves.
func encode(root *yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return nil, err
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	return space(out.String()), nil
}

// space puts the empty lines in. Keys of a section stand in column 1 and
// resources in column 3, where the content of a block scalar never is: it is
// indented deeper than the key it belongs to, and that one has column 3 at
// least inside Resources.
func space(source string) []byte {
	var out strings.Builder
	inResources, commented := false, false
	for line := range strings.Lines(source) {
		top := startsKey(line, 0)
		if top {
			inResources = strings.HasPrefix(line, "Resources:")
		}
		comment := startsComment(line, 0) || inResources && startsComment(line, 2)
		apart := top && wantsSpace(line) || inResources && startsKey(line, 2) || comment
		if apart && !commented && out.Len() > 0 && !follows(out.String(), "Resources:\n") {
			out.WriteByte('\n')
		}
		commented = comment
		out.WriteString(line)
	}
	return []byte(out.String())
}

// wantsSpace keeps the one-line sections at the head of a template together.
func wantsSpace(line string) bool {
	return strings.HasSuffix(line, ":\n")
}

func follows(written, line string) bool { return strings.HasSuffix(written, line) }

func startsKey(line string, indent int) bool {
	return startsAt(line, indent) && line[indent] != '#' && line[indent] != '-'
}

func startsComment(line string, indent int) bool {
	return startsAt(line, indent) && line[indent] == '#'
}

func startsAt(line string, indent int) bool {
	return len(line) > indent+1 && strings.TrimLeft(line[:indent], " ") == "" && line[indent] != ' '
}
