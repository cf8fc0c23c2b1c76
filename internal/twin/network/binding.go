package network

import (
	"errors"
	"fmt"

	"slipway.dev/internal/twin/store"
)

// Binding says where on this machine a port of a target really answers.
type Binding struct {
	VPC     string // "vpc-…" of a private address; empty for an instance, whose id is unique
	ID      string // private IPv4 address of a task, or id of an instance: "10.0.1.17", "i-0123456789abcdef0"
	Port    int    // the port the target is registered with
	Address string // host:port to dial, "127.0.0.1:32768"
	Owner   string // ARN of the task that publishes it
}

var bindings = &store.Table[Binding]{Name: "network_bindings", By: func(b Binding) string { return b.Owner }}

// A VPC's addresses are its own: two VPCs of one account may well use the same range.
func (b Binding) key(account, region string) store.Key {
	return store.Key{Account: account, Region: region, ID: fmt.Sprintf("%s/%s:%d", b.VPC, b.ID, b.Port)}
}

// Bind writes a binding down, in place of an older one for the same port.
func Bind(tx *store.Tx, account, region string, b Binding) error {
	return bindings.Put(tx, b.key(account, region), b)
}

// Unbind removes every binding of an owner.
func Unbind(tx *store.Tx, account, region, owner string) error {
	return bindings.DeleteBy(tx, account, region, owner)
}

// Lookup finds where a target answers: id is an instance's id or a private address in vpc, which is that of the target group.
// A binding that was made without knowing its VPC serves every VPC. Not ok means that no container stands behind the target,
// which then can only be an address of the real world.
func Lookup(tx *store.Tx, account, region, vpc, id string, port int) (address string, ok bool, err error) {
	for _, in := range []string{vpc, ""} {
		found, err := bindings.Get(tx, Binding{VPC: in, ID: id, Port: port}.key(account, region))
		if err == nil {
			return found.Address, true, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return "", false, err
		}
	}
	return "", false, nil
}
