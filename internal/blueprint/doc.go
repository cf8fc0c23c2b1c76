// Package blueprint turns a manifest into CloudFormation stacks: their names,
// templates, parameters, tags and order.
//
// A template is an embedded CloudFormation file that anyone can read. What
// varies is said in parameters and conditions; the little that is not (the
// variables of a container) is put into the parsed tree. There is no text
// templating, so no value can break a template. What the manifest overrides
// is merged into the same tree, which keeps comments and the order of keys.
//
// Rendering needs no network, no credentials and no git: the same manifest
// and Facts give the same bytes.
package blueprint
