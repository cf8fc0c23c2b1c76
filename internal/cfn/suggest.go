package cfn

import "slipway.dev/internal/cfn/schema"

// mostSuggestions bounds the work a template full of unknown names can cause.
const mostSuggestions = 50

// suggestion is "did you mean X?" for the closest known word, or "".
func (f *faults) suggestion(word string, known []string) string {
	if f.suggested++; f.suggested > mostSuggestions {
		return ""
	}
	if best := schema.Closest(word, known); best != "" {
		return "did you mean " + best + "?"
	}
	return ""
}
