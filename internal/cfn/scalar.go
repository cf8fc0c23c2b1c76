package cfn

import (
	"encoding/json"
	"strings"

	"slipway.dev/internal/cfn/schema"
)

// plainScalar classifies an unquoted YAML scalar. CloudFormation reads YAML 1.1,
// but keeps as text what looks like a date, an account id with leading zeros, an
// octal or a sexagesimal number: only what JSON calls a number is a Number.
func plainScalar(text string) (Kind, string) {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return Null, ""
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON":
		return Bool, "true"
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF":
		return Bool, "false"
	}
	if isJSONNumber(text) {
		return Number, text
	}
	return String, text
}

// isJSONNumber follows the grammar of RFC 8259 section 6.
func isJSONNumber(text string) bool {
	rest := strings.TrimPrefix(text, "-")
	whole := leadingDigits(rest)
	if whole == 0 || whole > 1 && rest[0] == '0' {
		return false
	}
	rest = rest[whole:]
	if after, ok := strings.CutPrefix(rest, "."); ok {
		fraction := leadingDigits(after)
		if fraction == 0 {
			return false
		}
		rest = after[fraction:]
	}
	if rest == "" {
		return true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return false
	}
	rest = rest[1:]
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		rest = rest[1:]
	}
	return rest != "" && leadingDigits(rest) == len(rest)
}

func leadingDigits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// scalarText is the text CloudFormation makes of a resolved scalar where it
// wants a string; ok is false for null, lists and objects.
func scalarText(value any) (text string, ok bool) { return schema.Text(value) }

// literal is the value of a scalar or null node.
func literal(n *Node) any {
	switch n.Kind {
	case Bool:
		return n.Text == "true"
	case Number:
		return json.Number(n.Text)
	case String:
		return n.Text
	}
	return nil
}
