package elbv2

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"slipway.dev/internal/twin/store"
)

// listing is where the load balancers of the twin are listed, on the twin's own host and on elb.localhost.
const listing = "/_slipway/loadbalancers"

// front is the twin's own port as far as it is the load balancers'.
type front struct{ service *Service }

// Takes tells requests for load balancers, by their host, from those for AWS's API.
func (f front) Takes(r *http.Request) bool {
	host := hostOf(r)
	return strings.HasSuffix(host, domain) || isListing(host, r)
}

func isListing(host string, r *http.Request) bool {
	return r.URL.Path == listing && (host == strings.TrimPrefix(domain, ".") || host == "127.0.0.1" || host == "localhost")
}

func hostOf(r *http.Request) string {
	host, _, _ := strings.Cut(r.Host, ":")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch host := hostOf(r); {
	case isListing(host, r):
		f.list(w, r)
	case f.service.plane.Serves(r.Host):
		f.service.plane.ServeHTTP(w, r)
	default:
		http.Error(w, fmt.Sprintf("No load balancer with a listener has the name %s. The ones there are: http://elb.localhost:%s%s", host, port(f.service.Endpoint), listing), http.StatusNotFound)
	}
}

func port(endpoint string) string { return endpoint[strings.LastIndexByte(endpoint, ':')+1:] }

// Listed is a load balancer as GET /_slipway/loadbalancers tells it.
type Listed struct {
	Account   string           `json:"account"`
	Region    string           `json:"region"`
	Name      string           `json:"name"`
	ARN       string           `json:"arn"`
	DNSName   string           `json:"dnsName"`
	Listeners []ListedListener `json:"listeners"`
}

// ListedListener is a listener and the loopback address that is its alone, "127.0.0.1:20480".
type ListedListener struct {
	ARN      string `json:"arn"`
	Port     int    `json:"port"`
	Protocol string `json:"protocol"`
	Address  string `json:"address"`
	Bound    bool   `json:"bound"` // it answers, and stays; false where something else of this machine holds the address
}

func (f front) list(w http.ResponseWriter, r *http.Request) {
	all := []Listed{}
	err := f.service.Store.View(r.Context(), func(_ context.Context, tx *store.Tx) error {
		snap, err := readSnapshot(tx)
		for _, row := range snap.balancers {
			all = append(all, f.listed(snap, row))
		}
		return err
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(all) // the client may be gone
}

func (f front) listed(snap snapshot, row store.Row[loadBalancer]) Listed {
	lb := Listed{Account: row.Account, Region: row.Region, Name: row.Value.Name, ARN: row.Value.ARN, DNSName: row.Value.DNSName, Listeners: []ListedListener{}}
	for _, l := range snap.listeners {
		if l.Value.LoadBalancer == lb.ARN {
			lb.Listeners = append(lb.Listeners, ListedListener{ARN: l.Value.ARN, Port: l.Value.Port, Protocol: l.Value.Protocol,
				Address: ownAddress(l.Value), Bound: l.Value.Held && f.service.plane.Addr(l.Value.ARN) == ownAddress(l.Value)})
		}
	}
	return lb
}
