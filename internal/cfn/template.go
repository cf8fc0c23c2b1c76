package cfn

// Template is a parsed template. Slices are in file order.
type Template struct {
	Name          string // the file name given to Parse, used in positions
	Source        []byte // as given; nil when built from a tree
	Root          *Node
	FormatVersion string
	Description   string
	Transforms    []Transform // Transform section, in order
	Metadata      *Node
	Parameters    []*Parameter
	Mappings      []*Mapping
	Conditions    []*Condition
	Rules         []*Rule
	Resources     []*Resource
	Outputs       []*Output
	// Loops are the Fn::ForEach blocks of sections (Conditions, Resources,
	// Outputs) and resources that have not been expanded yet.
	Loops []*Loop

	parameters map[string]*Parameter
	conditions map[string]*Condition
	mappings   map[string]*Mapping
	resources  map[string]*Resource
	lines      []string
	extended   bool // AWS::LanguageExtensions has been carried out
}

// Transform is a macro named in the Transform section.
type Transform struct {
	Name       string
	Parameters *Node // nil when there are none
	Pos        Pos
}

// LanguageExtensions is the name of the transform that enables Fn::ForEach,
// Fn::Length, Fn::ToJsonString and defaults in Fn::FindInMap.
const LanguageExtensions = "AWS::LanguageExtensions"

// Parameter declares an input of the template. Absent limits are nil.
type Parameter struct {
	Name                  string
	Type                  string
	Description           string
	Default               *string
	AllowedValues         []string
	AllowedPattern        string
	ConstraintDescription string
	MinLength, MaxLength  *int
	MinValue, MaxValue    *float64
	NoEcho                bool
	Pos                   Pos
}

// Mapping is a two-level table; Table is a Map of Maps.
type Mapping struct {
	Name  string
	Table *Node
	Pos   Pos
}

// Condition is a named condition expression.
type Condition struct {
	Name string
	Expr *Node
	Pos  Pos
}

// Rule asserts something about parameters before a stack operation starts.
type Rule struct {
	Name       string
	Condition  *Node // RuleCondition, nil when the rule always applies
	Assertions []Assertion
	Pos        Pos
}

// Assertion is one check of a rule.
type Assertion struct {
	Assert      *Node
	Description string
}

// Resource declares a resource.
type Resource struct {
	LogicalID           string
	Type                string
	Properties          *Node // a Map, or nil when absent
	DependsOn           []string
	Condition           string // "" when unconditional
	DeletionPolicy      string // "" when absent; may be a function with LanguageExtensions: see DeletionPolicyNode
	UpdateReplacePolicy string
	// DeletionPolicyNode and UpdateReplacePolicyNode hold the policies as
	// written; with LanguageExtensions they may be functions.
	DeletionPolicyNode      *Node
	UpdateReplacePolicyNode *Node
	CreationPolicy          *Node
	UpdatePolicy            *Node
	Metadata                *Node
	Pos                     Pos // of the logical id
	TypePos                 Pos
}

// Output declares a value the stack returns.
type Output struct {
	Name        string
	Description string
	Value       *Node
	Export      *Node // the export's Name, nil when not exported
	Condition   string
	Pos         Pos
}

// Loop is an unexpanded Fn::ForEach block.
type Loop struct {
	Name string // the part after Fn::ForEach::
	Path string // where it stands, e.g. Resources
	Pos  Pos
}

// Parameter returns the parameter of that name, or nil.
func (t *Template) Parameter(name string) *Parameter { return t.parameters[name] }

// Condition returns the condition of that name, or nil.
func (t *Template) Condition(name string) *Condition { return t.conditions[name] }

// Mapping returns the mapping of that name, or nil.
func (t *Template) Mapping(name string) *Mapping { return t.mappings[name] }

// Resource returns the resource of that logical id, or nil.
func (t *Template) Resource(logicalID string) *Resource { return t.resources[logicalID] }

// HasTransform reports whether the Transform section names the macro.
func (t *Template) HasTransform(name string) bool {
	for _, transform := range t.Transforms {
		if transform.Name == name {
			return true
		}
	}
	return false
}
