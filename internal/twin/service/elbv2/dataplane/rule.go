package dataplane

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// facts are what the conditions of a rule look at.
type facts struct {
	method, host, path, query []byte
	port                      []byte     // of the Host header, "" when it has none
	source                    netip.Addr // of the connection; X-Forwarded-For does not count
	headers                   headerSource
}

// headerSource is the header of a request, parsed here or by net/http.
type headerSource interface {
	// any says whether match holds for a value of the header, whose name is in lower case.
	any(name string, match func(value []byte) bool) bool
}

func (h *requestHead) any(name string, match func([]byte) bool) bool {
	for i := range h.fields {
		if equalFold(h.fields[i].name, name) && match(h.fields[i].value) {
			return true
		}
	}
	return false
}

func (h *requestHead) facts(source netip.Addr) facts {
	host := hostWithoutPort(h.host)
	return facts{method: h.method, host: host, port: portOf(h.host, host), path: h.path, query: h.query, source: source, headers: h}
}

// hostWithoutPort cuts ":8080" off a Host header.
func hostWithoutPort(host []byte) []byte {
	colon := bytes.LastIndexByte(host, ':')
	if colon < 0 || bytes.IndexByte(host[colon:], ']') >= 0 {
		return host
	}
	return host[:colon]
}

// portOf is what hostWithoutPort cut off, without the colon.
func portOf(whole, host []byte) []byte {
	if len(whole) <= len(host)+1 {
		return nil
	}
	return whole[len(host)+1:]
}

// rule is a Rule made ready: patterns in the right case, one action, target groups found.
type rule struct {
	conditions []condition
	action     action
}

type condition func(*facts) bool

func (r *rule) matches(f *facts) bool {
	for _, holds := range r.conditions {
		if !holds(f) {
			return false
		}
	}
	return true
}

func compileConditions(conditions []Condition) ([]condition, error) {
	compiled := make([]condition, 0, len(conditions))
	for _, c := range conditions {
		holds, err := compileCondition(c)
		if err != nil {
			return nil, err
		}
		compiled = append(compiled, holds)
	}
	return compiled, nil
}

func compileCondition(c Condition) (condition, error) {
	switch c.Field {
	case FieldPath:
		match, err := textMatcher(c, false)
		return func(f *facts) bool { return match(f.path) }, err
	case FieldHost:
		match, err := textMatcher(c, true)
		return func(f *facts) bool { return match(f.host) }, err
	case FieldHeader:
		match, err := textMatcher(c, true)
		name := strings.ToLower(c.Header)
		return func(f *facts) bool { return f.headers.any(name, match) }, err
	case FieldMethod:
		return func(f *facts) bool { return oneOf(c.Values, f.method) }, nil
	case FieldQueryString:
		pairs := lowerPairs(c.Query)
		return func(f *facts) bool { return matchQuery(pairs, f.query) }, nil
	case FieldSourceIP:
		return func(f *facts) bool { return within(c.CIDRs, f.source) }, nil
	}
	return nil, fmt.Errorf("condition field %q is not known", c.Field)
}

// textMatcher matches with any of the patterns or regular expressions of a condition.
func textMatcher(c Condition, fold bool) (func([]byte) bool, error) {
	patterns := make([]string, len(c.Values))
	for i, value := range c.Values {
		patterns[i] = value
		if fold {
			patterns[i] = strings.ToLower(value)
		}
	}
	expressions := make([]*regexp.Regexp, len(c.Regex))
	for i, source := range c.Regex {
		expression, err := regexp.Compile(source)
		if err != nil {
			return nil, fmt.Errorf("condition %s: %w", c.Field, err)
		}
		expressions[i] = expression
	}
	return func(text []byte) bool {
		for _, pattern := range patterns {
			if wildcard(pattern, text, fold) {
				return true
			}
		}
		for _, expression := range expressions {
			if expression.Match(text) {
				return true
			}
		}
		return false
	}, nil
}

func oneOf(values []string, text []byte) bool {
	for _, value := range values {
		if value == string(text) {
			return true
		}
	}
	return false
}

func lowerPairs(pairs []QueryPair) []QueryPair {
	lowered := make([]QueryPair, len(pairs))
	for i, pair := range pairs {
		lowered[i] = QueryPair{Key: strings.ToLower(pair.Key), Value: strings.ToLower(pair.Value)}
	}
	return lowered
}

func matchQuery(pairs []QueryPair, query []byte) bool {
	for len(query) > 0 {
		var parameter []byte
		parameter, query, _ = bytes.Cut(query, []byte{'&'})
		key, value, _ := bytes.Cut(parameter, []byte{'='})
		for _, pair := range pairs {
			if (pair.Key == "" || wildcard(pair.Key, key, true)) && wildcard(pair.Value, value, true) {
				return true
			}
		}
	}
	return false
}

func within(ranges []netip.Prefix, source netip.Addr) bool {
	source = source.Unmap()
	for _, prefix := range ranges {
		if prefix.Contains(source) {
			return true
		}
	}
	return false
}
