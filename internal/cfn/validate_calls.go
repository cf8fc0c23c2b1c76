package cfn

import "strings"

// arity is how many arguments a function takes when they are a list, and what
// is said when it gets others.
var arity = map[string]struct {
	least, most int
	usage       string
}{
	"Fn::Join":             {2, 2, "requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."},
	"Fn::Split":            {2, 2, "requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split."},
	"Fn::Select":           {2, 2, "requires a list argument with two elements: an integer index and a list"},
	"Fn::FindInMap":        {3, 4, "requires three parameters, the map name, map key and the attribute for return value"},
	"Fn::Cidr":             {2, 3, "requires two or three parameters, (1) an ip block, (2) a count and (3) the cidr bits"},
	"Fn::If":               {3, 3, "requires a list argument with three elements: a condition name and two values"},
	"Fn::And":              {2, 10, "requires a list of at least 2 and at most 10 boolean parameters."},
	"Fn::Or":               {2, 10, "requires a list of at least 2 and at most 10 boolean parameters."},
	"Fn::Not":              {1, 1, "requires a list of 1 boolean parameter."},
	"Fn::Equals":           {2, 2, "requires a list of 2 string parameters."},
	"Fn::Contains":         {2, 2, "requires a list of strings and a string"},
	"Fn::EachMemberEquals": {2, 2, "requires a list of strings and a string"},
	"Fn::EachMemberIn":     {2, 2, "requires two lists of strings"},
	"Fn::ValueOf":          {2, 2, "requires a parameter name and an attribute"},
	"Fn::ValueOfAll":       {2, 2, "requires a parameter type and an attribute"},
	"Fn::GetAtt":           {2, 9, "requires two non-empty parameters, the resource name and the resource attribute"},
	"Fn::GetStackOutput":   {0, 0, "requires an object with StackName and OutputName, and if need be Region and RoleArn"},
}

// misuse is the text about a function that is called wrongly.
func misuse(function string) string {
	return "Template error: every " + function + " object " + arity[function].usage
}

// calls checks the shape of every function call and where it stands.
func (v *validator) calls() {
	extended := v.t.extended || v.t.HasTransform(LanguageExtensions)
	for _, entry := range v.t.Root.Entries {
		for n := range entry.Value.Walk() {
			if n.Kind != Func {
				continue
			}
			v.shape(n, extended)
			if entry.Key != "Conditions" && entry.Key != "Rules" && isBooleanFunction(n.Name) {
				v.report.add(n.Pos, "Template error: %s can be used in the Conditions and Rules sections only", n.Name).
					Hint = "name the condition, and use Fn::If or the attribute Condition"
			}
			if entry.Key != "Rules" && isRuleFunction(n.Name) {
				v.report.add(n.Pos, "Template error: %s can be used in the Rules section only", n.Name)
			}
		}
	}
	v.mappingsStatic()
}

func (v *validator) shape(n *Node, extended bool) {
	if rule, ok := arity[n.Name]; ok && rule.most > 0 {
		if _, ok := args(n, rule.least, rule.most); !ok {
			v.report.add(n.Pos, "%s", misuse(n.Name))
			return
		}
	}
	switch n.Name {
	case "Fn::GetAtt":
		if id := n.Arg.Items[0]; !extended && (!id.IsScalar() || id.Text == "" || n.Arg.Items[1].IsScalar() && n.Arg.Items[1].Text == "") {
			v.report.add(n.Pos, "%s", misuse(n.Name))
		}
	case "Ref":
		if !n.Arg.IsScalar() && !(extended && n.Arg.Kind == Func) {
			v.report.add(n.Pos, "Template error: every Ref object must have a single String value.")
		}
	case "Fn::Sub":
		v.subShape(n)
	case "Fn::FindInMap":
		v.findInMapShape(n, extended)
	case "Fn::Length", "Fn::ToJsonString":
		if !extended {
			v.report.add(n.Pos, "Template error: %s needs Transform: %s", n.Name, LanguageExtensions)
		}
	case "Fn::GetStackOutput":
		if n.Arg.Get("StackName") == nil || n.Arg.Get("OutputName") == nil {
			v.report.add(n.Pos, "%s", misuse(n.Name))
		}
	case "Fn::ImportValue":
		v.importShape(n)
	}
}

func (v *validator) subShape(n *Node) {
	text, vars, ok := subArguments(n)
	if n.Arg.Is("Fn::Transform") {
		return
	}
	if !ok {
		v.report.add(n.Pos, subUsage)
		return
	}
	if _, err := subParts(text.Text); err != nil {
		v.report.add(text.Pos, "%s", err.Error())
		return
	}
	if vars == nil {
		return
	}
	for _, entry := range vars.Entries {
		if !alphanumeric(strings.NewReplacer("_", "", ".", "", ":", "").Replace(entry.Key)) {
			v.report.add(entry.KeyPos, "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons")
		}
	}
}

func (v *validator) findInMapShape(n *Node, extended bool) {
	if len(n.Arg.Items) == 4 && !extended {
		v.report.add(n.Pos, "Template error: a DefaultValue in Fn::FindInMap needs Transform: %s", LanguageExtensions)
	}
	name := n.Arg.Items[0]
	if name.IsScalar() && v.complete && v.t.mappings[name.Text] == nil && len(n.Arg.Items) == 3 {
		var known []string
		for _, m := range v.t.Mappings {
			known = append(known, m.Name)
		}
		v.report.add(name.Pos, "Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", name.Text).
			Hint = v.report.suggestion(name.Text, known)
	}
}

// importShape refuses names that are not known before the stack exists.
func (v *validator) importShape(n *Node) {
	bad := false
	for inner := range n.Arg.Walk() {
		bad = bad || inner.Is("Fn::ImportValue") || inner.Is("Fn::GetAZs")
	}
	references(n.Arg, nil, func(ref reference) { bad = bad || v.t.resources[ref.id] != nil })
	if bad {
		v.report.add(n.Pos, "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs")
	}
}

// mappingsStatic refuses functions in sections that take literals only.
func (v *validator) mappingsStatic() {
	for _, section := range []string{"Mappings", "Parameters"} {
		for n := range v.t.Root.Get(section).Walk() {
			if n.Kind == Func && n.Name != "Fn::Transform" && !v.t.extended {
				v.report.add(n.Pos, "Template format error: %s cannot contain functions, this is %s", section, n.Name)
			}
		}
	}
}
