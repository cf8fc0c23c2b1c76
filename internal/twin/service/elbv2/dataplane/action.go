package dataplane

import (
	"fmt"
	"strconv"
	"strings"
)

// action is an Action made ready; exactly one field is set.
type action struct {
	forward  *forward
	redirect *Redirect
	fixed    *FixedResponse
}

func compileAction(actions []Action, groups map[string]*group) (action, error) {
	for _, a := range actions {
		switch a.Type {
		case ActionForward:
			f, err := compileForward(a.Forward, groups)
			return action{forward: f}, err
		case ActionRedirect:
			return compileRedirect(a.Redirect)
		case ActionFixedResponse:
			if a.FixedResponse.StatusCode < 200 || a.FixedResponse.StatusCode > 599 {
				return action{}, fmt.Errorf("fixed response with status %d", a.FixedResponse.StatusCode)
			}
			return action{fixed: &a.FixedResponse}, nil
		default:
			return action{}, fmt.Errorf("action type %q is not supported", a.Type)
		}
	}
	return action{}, fmt.Errorf("no forward, redirect or fixed-response action")
}

func compileForward(f Forward, groups map[string]*group) (*forward, error) {
	compiled := &forward{stickiness: f.Stickiness}
	for _, weighted := range f.TargetGroups {
		g := groups[weighted.ID]
		if g == nil {
			return nil, fmt.Errorf("target group %s is not in the configuration", weighted.ID)
		}
		if weighted.Weight < 0 {
			return nil, fmt.Errorf("target group %s has the weight %d", weighted.ID, weighted.Weight)
		}
		compiled.total += weighted.Weight
		compiled.shares = append(compiled.shares, share{g, weighted.Weight, token(weighted.ID)})
	}
	if len(compiled.shares) == 0 {
		return nil, fmt.Errorf("forward action without a target group")
	}
	return compiled, nil
}

func compileRedirect(r Redirect) (action, error) {
	if r.StatusCode != 301 && r.StatusCode != 302 {
		return action{}, fmt.Errorf("redirect with status %d", r.StatusCode)
	}
	if r.Path != "" && !strings.HasPrefix(r.Path, "/") {
		return action{}, fmt.Errorf("redirect path %q does not begin with a slash", r.Path)
	}
	return action{redirect: &r}, nil
}

// location builds the Location of a redirect. The port is left out when it is the scheme's own. The port of the request is
// the one the client asked for: on AWS that is the listener's, here it may be the one the listener was bound to or that
// of the server in front of ServeHTTP.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html#redirect-actions
func (r *Redirect) location(f *facts, protocol string, port int) string {
	asked := strconv.Itoa(port)
	if len(f.port) > 0 {
		asked = string(f.port)
	}
	parts := strings.NewReplacer(
		"#{protocol}", strings.ToLower(protocol), "#{host}", string(f.host), "#{port}", asked,
		"#{path}", strings.TrimPrefix(string(f.path), "/"), "#{query}", string(f.query))
	scheme := strings.ToLower(parts.Replace(orElse(r.Protocol, "#{protocol}")))
	host := parts.Replace(orElse(r.Host, "#{host}"))
	target := parts.Replace(orElse(r.Path, "/#{path}"))
	if query := parts.Replace(orElse(r.Query, "#{query}")); query != "" {
		target += "?" + query
	}
	number := parts.Replace(orElse(r.Port, "#{port}"))
	if scheme == "http" && number == "80" || scheme == "https" && number == "443" {
		return scheme + "://" + host + target
	}
	return scheme + "://" + host + ":" + number + target
}

func orElse(value, other string) string {
	if value == "" {
		return other
	}
	return value
}
