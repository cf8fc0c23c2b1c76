package delivery

import (
	"net/url"
	"strings"

	"slipway.dev/internal/manifest"
)

// reachable makes the address of a load balancer one that can be called from here. Load balancers of a server on this machine
// answer on the server's own port, by names below localhost.
func (t *Target) reachable(base string) string {
	u, err := url.Parse(base)
	if err != nil || t.EndpointURL == "" || u.Port() != "" || !strings.HasSuffix(u.Hostname(), ".localhost") {
		return base
	}
	endpoint, err := url.Parse(t.EndpointURL)
	if err != nil || endpoint.Port() == "" {
		return base
	}
	u.Host = u.Hostname() + ":" + endpoint.Port()
	return u.String()
}

// serviceURL is where a service answers: the environment's address, or the service's host name, and what its first path pattern
// begins with.
func (t *Target) serviceURL(base string, s *manifest.Service) string {
	prefix := "/"
	if len(s.PathPatterns) > 0 {
		prefix = s.PathPatterns[0]
		if at := strings.IndexAny(prefix, "*?"); at >= 0 {
			prefix = prefix[:at]
		}
	}
	return t.reachable(base) + "/" + strings.TrimPrefix(prefix, "/")
}

// dnsSuffix is the domain of AWS's endpoints in a region.
func dnsSuffix(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
