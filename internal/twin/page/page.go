// Package page cuts listings into pages with AWS's opaque tokens.
package page

import (
	"encoding/base64"
	"strconv"
	"strings"

	"slipway.dev/internal/twin/wire"
)

// Cut returns the page of items that token asks for and the token of the next one, nil on the last. size is what the caller
// asked for, usual what the service gives otherwise. code is the service's error for a token that is none.
func Cut[T any](items []T, token *string, size *int, usual int, code string) ([]T, *string, error) {
	start := 0
	if token != nil && *token != "" {
		n, ok := read(*token)
		if !ok || n > len(items) {
			return nil, nil, wire.Errorf(code, "The specified nextToken is not valid.")
		}
		start = n
	}
	if size != nil && *size > 0 {
		usual = min(usual, *size)
	}
	end := min(start+usual, len(items))
	if end == len(items) {
		return items[start:], nil, nil
	}
	next := base64.RawURLEncoding.EncodeToString([]byte("slipway:" + strconv.Itoa(end)))
	return items[start:end], &next, nil
}

func read(token string) (int, bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, false
	}
	digits, ok := strings.CutPrefix(string(b), "slipway:")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 0
}
