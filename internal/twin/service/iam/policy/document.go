// Package policy reads IAM policy documents: identity policies, trust policies of roles, and policies of resources such as keys.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
package policy

import (
	"errors"
	"slices"
)

// Kind says where a document is used; the grammar differs a little.
type Kind int

// The kinds of documents.
const (
	Identity Kind = iota // of a user, group or role: without a principal
	Trust                // of a role: who may assume it
	Resource             // of a key, queue, bucket, …: with a principal
)

// The versions of the language.
const (
	Version2012 = "2012-10-17"
	Version2008 = "2008-10-17"
)

// Document is a policy that was read and found valid.
type Document struct {
	Version    string
	ID         string
	Statements []Statement
}

// Statement is one rule of a document.
type Statement struct {
	Sid          string
	Effect       string // "Allow" or "Deny"
	Principal    *Principal
	NotPrincipal *Principal
	Action       []string
	NotAction    []string
	Resource     []string
	NotResource  []string
	// Condition is operator → key → values: "StringEquals" → "sts:ExternalId" → ["x"].
	Condition map[string]map[string][]string
}

// Principal is whom a statement speaks of.
type Principal struct {
	Any           bool // "*"
	AWS           []string
	Service       []string
	Federated     []string
	CanonicalUser []string
}

// Error says what is wrong with a document, in AWS's words.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

// Parse reads a document and checks it against the grammar of its kind. Its error is an *Error.
func Parse(text string, kind Kind) (*Document, error) {
	r := reader{kind: kind}
	d, err := r.document(text)
	if err != nil {
		return nil, err
	}
	if err := r.check(d); err != nil {
		return nil, err
	}
	return d, nil
}

// Message is the text of a parse error.
func Message(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

func (s Statement) actions() []string   { return slices.Concat(s.Action, s.NotAction) }
func (s Statement) resources() []string { return slices.Concat(s.Resource, s.NotResource) }
