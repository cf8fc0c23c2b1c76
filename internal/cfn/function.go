package cfn

import (
	"slices"
	"strings"
)

const (
	forEachPrefix = "Fn::ForEach::"
	// NoValue is the pseudo parameter that removes what it is assigned to.
	NoValue = "AWS::NoValue"
)

// functions are the intrinsic functions by full name.
var functions = []string{
	"Fn::Base64", "Fn::GetAtt", "Fn::GetAZs", "Fn::ImportValue", "Fn::Join", "Fn::Split", "Fn::FindInMap",
	"Fn::Select", "Ref", "Fn::Equals", "Fn::If", "Fn::Not", "Condition", "Fn::And", "Fn::Or", "Fn::Contains",
	"Fn::EachMemberEquals", "Fn::EachMemberIn", "Fn::ValueOf", "Fn::ValueOfAll", "Fn::RefAll", "Fn::Sub", "Fn::Cidr",
	"Fn::Transform", "Fn::Length", "Fn::ToJsonString", "Fn::GetStackOutput",
}

// pseudoParameters are the names Ref and Fn::Sub know in every template.
var pseudoParameters = []string{
	"AWS::AccountId", "AWS::NotificationARNs", NoValue, "AWS::Partition", "AWS::Region", "AWS::StackId",
	"AWS::StackName", "AWS::URLSuffix",
}

func isPseudo(name string) bool { return slices.Contains(pseudoParameters, name) }

// tagFunction returns the full name of a short-form tag such as "!Sub".
func tagFunction(tag string) (string, bool) {
	name := strings.TrimPrefix(tag, "!")
	if name == "Ref" || name == "Condition" {
		return name, true
	}
	full := "Fn::" + name
	return full, slices.Contains(functions, full)
}

// isFunctionKey tells whether a single-member map with this key is a function
// call. {Condition: x} is one only where a condition is expected, since IAM
// policies use the same key.
func isFunctionKey(key string) bool {
	return key == "Ref" || strings.HasPrefix(key, "Fn::") && slices.Contains(functions, key)
}

// newFunc makes a call and brings GetAtt's dotted form into its list form.
func newFunc(name string, arg *Node, pos Pos, short bool) *Node {
	if name == "Fn::GetAtt" && arg.Kind == String {
		if id, attribute, ok := strings.Cut(arg.Text, "."); ok {
			arg = &Node{Kind: List, Pos: arg.Pos, Items: []*Node{
				{Kind: String, Pos: arg.Pos, Text: id},
				{Kind: String, Pos: arg.Pos, Text: attribute},
			}}
		}
	}
	return &Node{Kind: Func, Pos: pos, Name: name, Arg: arg, Short: short}
}

// foldFunction turns {"Fn::X": arg} into a call and reports misuse.
func foldFunction(n *Node, report *faults) *Node {
	for i := range n.Entries {
		key := n.Entries[i].Key
		if !strings.HasPrefix(key, "Fn::") || strings.HasPrefix(key, forEachPrefix) {
			continue
		}
		if !isFunctionKey(key) {
			report.add(n.Entries[i].KeyPos, "Template error: Encountered unsupported function: %s Supported functions are: [%s]",
				key, strings.Join(functions, ", ")).Hint = report.suggestion(key, functions)
		} else if len(n.Entries) > 1 && key != "Fn::Transform" {
			report.add(n.Entries[i].KeyPos, "Template error: %s must be the only key of its object", key)
		}
	}
	if len(n.Entries) == 1 && isFunctionKey(n.Entries[0].Key) {
		return newFunc(n.Entries[0].Key, n.Entries[0].Value, n.Entries[0].KeyPos, false)
	}
	return n
}
