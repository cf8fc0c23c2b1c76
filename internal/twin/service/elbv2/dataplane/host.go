package dataplane

import (
	"net/http"
	"strings"
)

// hostTable finds the listener for a Host header.
type hostTable struct {
	exact    map[string]*listener
	suffixes []hostSuffix
}

// hostSuffix stands for "*.example.test".
type hostSuffix struct {
	suffix   string // ".example.test"
	listener *listener
}

// add enters the names of a load balancer for its listener with port 80, else its only one.
func (t *hostTable) add(lb LoadBalancer, listeners map[string]*listener) {
	var entry *listener
	for _, spec := range lb.Listeners {
		if spec.Port == 80 || len(lb.Listeners) == 1 {
			entry = listeners[spec.ID]
		}
	}
	if entry == nil {
		return
	}
	for _, name := range append([]string{lb.DNSName}, lb.Aliases...) {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if suffix, ok := strings.CutPrefix(name, "*"); ok {
			t.suffixes = append(t.suffixes, hostSuffix{suffix, entry})
		} else if name != "" {
			t.exact[name] = entry
		}
	}
}

func (t *hostTable) find(host string) *listener {
	name := strings.ToLower(strings.TrimSuffix(string(hostWithoutPort([]byte(host))), "."))
	if l := t.exact[name]; l != nil {
		return l
	}
	for _, s := range t.suffixes {
		if strings.HasSuffix(name, s.suffix) && len(name) > len(s.suffix) {
			return s.listener
		}
	}
	return nil
}

// Serves says whether some load balancer has this host, which may carry a port.
func (p *Plane) Serves(host string) bool { return p.hosts.Load().find(host) != nil }

// ServeHTTP serves a request of another server: the load balancer is found by the Host header (DNSName or Aliases),
// its listener is the one with port 80, else the only one. A host no load balancer has gets 404.
func (p *Plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l := p.hosts.Load().find(r.Host)
	if l == nil {
		http.NotFound(w, r)
		return
	}
	l.ServeHTTP(w, r)
}
