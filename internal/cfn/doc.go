// Package cfn is the CloudFormation template language: parsing with source
// positions, parameters, conditions, intrinsic functions, rules, the
// dependency graph and property comparison. It knows no server and no network;
// whatever needs one (the value of a resource, an export, an SSM parameter) is
// asked for through a function the caller supplies.
//
// The usual order of use:
//
//	t, err := cfn.Parse("app.yml", src)              // syntax and structure
//	err = t.Validate()                               // names, cycles, limits
//	params, err := t.ResolveParameters(given, previous, ssm)
//	e := &cfn.Evaluator{Template: t, Parameters: params, Pseudo: pseudo, Ref: …, GetAtt: …}
//	t, err = e.Expand()                              // transforms; sets e.Template
//	err = t.Validate()                               // what the transforms made
//	err = t.ValidateTypes()                          // properties against their schemas
//	conditions, err := e.Conditions()                // kept in e for Fn::If
//	err = e.CheckRules()
//	g, err := t.Graph(conditions)                    // order of creation
//	props, err := e.ResolveProperties(resource)      // one resource, when its turn comes
//	out, err := e.ResolveOutput(output)
//
// Errors are Errors (all faults of a step) or *Error (one evaluation); both
// show file:line:column and the source line, and Message gives AWS's text alone.
//
// The language is described in the AWS CloudFormation User Guide, "Template
// anatomy", "Intrinsic function reference", "Pseudo parameters reference" and
// "CloudFormation quotas".
package cfn
