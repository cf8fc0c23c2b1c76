package cfn

import "slipway.dev/internal/cfn/schema"

// suggestion is "did you mean X?" for the closest known word, or "".
func suggestion(word string, known []string) string {
	if best := schema.Closest(word, known); best != "" {
		return "did you mean " + best + "?"
	}
	return ""
}
