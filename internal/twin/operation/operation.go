// Package operation is the corridor inside the twin: what an operation is, who calls it, and how one service calls another.
//
// A service lists its operations with Of. The gateway calls them for the outside world; a service that needs another one calls
// it through the generated client of the other's API package, which comes back here, so that identity, authorisation and the
// audit trail are the same on both ways.
package operation

import (
	"context"
	"fmt"

	"slipway.dev/internal/twin/wire"
)

// Fidelity says what an operation or a resource type does here.
type Fidelity string

// The fidelities of the coverage table.
const (
	Runs     Fidelity = "runs"     // has its real effect
	Recorded Fidelity = "recorded" // stored and returned faithfully, without effect on this machine
)

// Operation is one operation of a service.
type Operation struct {
	Name     string
	Fidelity Fidelity
	// Inert are the input members that are stored but have no effect; the coverage table lists them.
	Inert []string

	newInput func() any
	call     func(ctx context.Context, in any) (any, error)
}

// Of makes an operation that runs from its typed handler.
func Of[I, O any](name string, handle func(context.Context, *I) (*O, error)) Operation {
	return Operation{
		Name:     name,
		Fidelity: Runs,
		newInput: func() any { return new(I) },
		call: func(ctx context.Context, in any) (any, error) {
			typed, ok := in.(*I)
			if !ok {
				return nil, fmt.Errorf("%s: input is %T, not %T", name, in, typed)
			}
			out, err := handle(ctx, typed)
			if err != nil {
				return nil, err
			}
			return out, nil
		},
	}
}

// RecordedOf makes an operation whose effect is recorded only.
func RecordedOf[I, O any](name string, handle func(context.Context, *I) (*O, error)) Operation {
	op := Of(name, handle)
	op.Fidelity = Recorded
	return op
}

// Without names the input members that have no effect here.
func (o Operation) Without(members ...string) Operation {
	o.Inert = append(o.Inert, members...)
	return o
}

// NewInput is a pointer to an empty input.
func (o Operation) NewInput() any { return o.newInput() }

// Call runs the handler.
func (o Operation) Call(ctx context.Context, in any) (any, error) { return o.call(ctx, in) }

// Service is one AWS service of the twin.
type Service struct {
	API        *wire.API
	Operations []Operation
}

// Find returns the operation of that name.
func (s *Service) Find(name string) (Operation, bool) {
	for _, op := range s.Operations {
		if op.Name == name {
			return op, true
		}
	}
	return Operation{}, false
}

// Invoker calls an operation of any service on behalf of the caller that ctx carries.
type Invoker interface {
	Invoke(ctx context.Context, service, operation string, in any) (any, error)
}

// Call is Invoke with the output's type.
func Call[O any](ctx context.Context, to Invoker, service, name string, in any) (*O, error) {
	out, err := to.Invoke(ctx, service, name, in)
	if err != nil {
		return nil, err
	}
	typed, ok := out.(*O)
	if !ok {
		return nil, fmt.Errorf("%s:%s: output is %T, not %T", service, name, out, typed)
	}
	return typed, nil
}
