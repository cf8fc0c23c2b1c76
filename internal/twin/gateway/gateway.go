// Package gateway is the twin's front door: it finds the operation a request asks for, checks its signature, asks whether the
// caller may, records the call, and runs it. Services that call each other pass through the same door, without the signature.
package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/wire"
)

// Call is one call of an operation, for authorisation and the audit record.
type Call struct {
	ID        string
	At        time.Time
	Caller    operation.Caller
	Service   string // "ecs"
	Operation string // "CreateService"
	Input     any
	Internal  bool // made by another service of the twin
	UserAgent string
	ErrorCode string // "" when it succeeded
	Duration  time.Duration
}

// Authorizer decides whether a call may be made; a refusal is an AccessDenied error in AWS's words.
type Authorizer interface {
	Authorize(ctx context.Context, call *Call) error
}

// Auditor records calls that have ended.
type Auditor interface {
	Record(call Call)
}

// Gateway serves the AWS API of all services. It is also the Invoker that services call each other through.
type Gateway struct {
	services    map[string]*operation.Service // by AWS's folder name
	signing     map[string]*operation.Service // by signing name
	credentials Credentials
	authorizer  Authorizer
	auditor     Auditor
	log         *slog.Logger
	now         func() time.Time
}

// Options are what a gateway is made of; Authorizer and Auditor may be nil.
type Options struct {
	Credentials Credentials
	Authorizer  Authorizer
	Auditor     Auditor
	Log         *slog.Logger
	Now         func() time.Time
}

// New makes a gateway without services; Register adds them.
func New(o Options) *Gateway {
	return &Gateway{
		services: map[string]*operation.Service{}, signing: map[string]*operation.Service{},
		credentials: o.Credentials, authorizer: o.Authorizer, auditor: o.Auditor, log: o.Log, now: o.Now,
	}
}

// signingNames are the names under which requests for a service are signed. They are written here so that no model needs to be
// unpacked at start; a test compares them with the models.
var signingNames = map[string]string{
	"elbv2": "elasticloadbalancing", "cloudwatch": "monitoring",
}

// SigningName is the name that requests for a service are signed for, by AWS's folder name of the service.
func SigningName(service string) string { return cmp.Or(signingNames[service], service) }

// Register adds a service.
func (g *Gateway) Register(s *operation.Service) {
	g.services[s.API.Name] = s
	g.signing[SigningName(s.API.Name)] = s
}

// Services returns the registered services by name.
func (g *Gateway) Services() map[string]*operation.Service { return g.services }

// ServeHTTP answers one API request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := Call{ID: newID(), At: g.now(), UserAgent: r.UserAgent()}
	sig, err := parseSignature(r)
	service := g.pick(r, sig)
	if service == nil {
		g.refuseUnknown(w, sig, call.ID)
		return
	}
	if err != nil {
		g.refuse(w, r, service, word(service.API, err), call)
		return
	}
	ctx, err := g.authenticate(r, service, sig, &call)
	if err != nil {
		g.refuse(w, r, service, word(service.API, err), call)
		return
	}
	g.run(ctx, w, r.WithContext(ctx), service, call)
}

// newID is a random UUID (version 4), as AWS's request ids are.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// pick finds the service by the name the request was signed for, else by its target header. An unsigned request without one
// is S3's: the only service that serves strangers.
func (g *Gateway) pick(r *http.Request, sig *signature) *operation.Service {
	if sig != nil {
		return g.signing[sig.service]
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		prefix, _, _ := strings.Cut(target, ".")
		for _, s := range g.services {
			if m, err := s.API.Model(); err == nil && m.Metadata.TargetPrefix == prefix {
				return s
			}
		}
		return nil
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return g.services["sts"]
	}
	return g.services["s3"]
}

func (g *Gateway) refuseUnknown(w http.ResponseWriter, sig *signature, id string) {
	name := ""
	if sig != nil {
		name = sig.service
	}
	w.Header().Set("X-Amzn-Requestid", id)
	w.Header().Set("X-Amzn-Errortype", "UnknownOperationException")
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusNotFound)
	body, _ := json.Marshal(map[string]string{"__type": "UnknownOperationException",
		"message": fmt.Sprintf("The twin has no service %q. slipway twin coverage lists what it has.", name)})
	w.Write(body)
}

func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, s *operation.Service, e *wire.Error, call Call) {
	if _, err := s.API.Model(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	q, _ := s.API.Route(r)
	if q.Op != nil {
		call.Operation = q.Op.Name
	}
	call.Service, call.ErrorCode = s.API.Name, e.Code
	g.record(call)
	q.WriteError(w, e, call.ID)
}

// authenticate checks the signature and returns a context that carries the caller.
func (g *Gateway) authenticate(r *http.Request, s *operation.Service, sig *signature, call *Call) (context.Context, error) {
	if sig == nil && (strings.HasPrefix(r.Header.Get("Authorization"), "AWS ") || r.URL.Query().Has("AWSAccessKeyId")) {
		return nil, errOldScheme
	}
	if sig == nil {
		return nil, errMissing
	}
	credential, err := g.credentials.Credential(r.Context(), sig.accessKeyID)
	switch {
	case errors.Is(err, ErrUnknownKey):
		return nil, errUnknown
	case err != nil:
		return nil, err
	case credential.SessionToken != sig.token:
		return nil, errUnknown
	case !credential.Expires.IsZero() && g.now().After(credential.Expires):
		return nil, errExpired
	}
	if err := sig.check(r, credential.Secret, g.now()); err != nil {
		return nil, err
	}
	c := credential.Caller
	c.AccessKeyID, c.Region, c.RequestID = sig.accessKeyID, sig.region, call.ID
	c.SourceIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	c.Endpoint = "http://" + r.Host
	call.Caller = c
	return operation.WithCaller(r.Context(), c), nil
}

// run decodes, authorises, executes and answers.
func (g *Gateway) run(ctx context.Context, w http.ResponseWriter, r *http.Request, s *operation.Service, call Call) {
	call.Service = s.API.Name
	q, err := s.API.Route(r)
	if err != nil {
		g.fail(w, q, err, call)
		return
	}
	call.Operation = q.Op.Name
	op, ok := s.Find(q.Op.Name)
	if !ok {
		g.fail(w, q, notServed(s.API.Name, q.Op.Name), call)
		return
	}
	in := op.NewInput()
	if err = q.Decode(in); err == nil {
		err = s.API.Validate(q.Op, in)
	}
	if err != nil {
		g.fail(w, q, err, call)
		return
	}
	call.Input = in
	out, err := g.execute(ctx, op, in, &call)
	if err != nil {
		g.fail(w, q, err, call)
		return
	}
	g.record(call)
	if err := q.WriteOutput(w, out, call.ID); err != nil {
		g.log.Error("answer not sent", "service", call.Service, "operation", call.Operation, "error", err)
	}
}

// notServed is the answer for an operation that AWS has and the twin does not.
func notServed(service, name string) error {
	return &wire.Error{Code: "UnknownOperationException", Status: http.StatusNotImplemented,
		Message: fmt.Sprintf("The twin does not serve %s:%s. slipway twin coverage lists what it serves.", service, name)}
}

func (g *Gateway) execute(ctx context.Context, op operation.Operation, in any, call *Call) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s:%s panicked: %v", call.Service, op.Name, p)
			g.log.Error("panic", "operation", call.Service+":"+op.Name, "value", p)
		}
		call.Duration = g.now().Sub(call.At)
	}()
	if g.authorizer != nil {
		if err := g.authorizer.Authorize(ctx, call); err != nil {
			return nil, err
		}
	}
	return op.Call(ctx, in)
}

func (g *Gateway) fail(w http.ResponseWriter, q *wire.Request, err error, call Call) {
	e, internal := wire.AsError(err)
	if internal {
		g.log.Error("operation failed", "operation", call.Service+":"+call.Operation, "request", call.ID, "error", err)
	}
	call.ErrorCode = e.Code
	g.record(call)
	q.WriteError(w, e, call.ID)
}

func (g *Gateway) record(call Call) {
	if g.auditor != nil {
		g.auditor.Record(call)
	}
}

// Invoke calls an operation for the caller that ctx carries, as one service of the twin calls another.
func (g *Gateway) Invoke(ctx context.Context, service, name string, in any) (any, error) {
	s := g.services[service]
	if s == nil {
		return nil, fmt.Errorf("no service %s", service)
	}
	op, ok := s.Find(name)
	if !ok {
		return nil, notServed(service, name)
	}
	m, err := s.API.Model()
	if err != nil {
		return nil, err
	}
	if err := s.API.Validate(m.Operations[name], in); err != nil {
		return nil, err
	}
	call := Call{ID: newID(), At: g.now(), Caller: operation.CallerOf(ctx), Service: service, Operation: name, Input: in, Internal: true}
	out, err := g.execute(ctx, op, in, &call)
	if err != nil {
		e, _ := wire.AsError(err)
		call.ErrorCode = e.Code
	}
	g.record(call)
	return out, err
}
