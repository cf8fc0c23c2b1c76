package ec2

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"

	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// addresses keeps which IPv4 addresses are in use: the scope is a subnet's id, or "public". ranges keeps the subnets of a VPC as
// intervals, so that an overlap is found without reading them all.
var addresses = store.SQL("ec2_addresses", `CREATE TABLE ec2_used (
	account TEXT NOT NULL, region TEXT NOT NULL, scope TEXT NOT NULL, ip INTEGER NOT NULL, owner TEXT NOT NULL,
	PRIMARY KEY (account, region, scope, ip)) WITHOUT ROWID;
CREATE TABLE ec2_ranges (
	account TEXT NOT NULL, region TEXT NOT NULL, vpc TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, subnet TEXT NOT NULL,
	PRIMARY KEY (account, region, vpc, first)) WITHOUT ROWID`)

// public is where elastic addresses come from: a range that is set aside for tests and routed nowhere (RFC 2544).
var public = netip.MustParsePrefix("198.18.0.0/15")

const publicScope = "public"

func number(a netip.Addr) uint32 { b := a.As4(); return binary.BigEndian.Uint32(b[:]) }

func address(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// span is the first and the last address of a range.
func span(p netip.Prefix) (first, last uint32) {
	first = number(p.Masked().Addr())
	return first, first | uint32(1<<(32-p.Bits())-1)
}

// usable leaves out what AWS keeps of a subnet: the first four addresses and the last.
func usable(p netip.Prefix) (first, last uint32) {
	first, last = span(p)
	return first + 4, last - 1
}

// allocate takes a free address of a range for owner: wanted where it is set, else any. A random one, so that an address just
// given up does not come back at once.
func allocate(ctx context.Context, tx *store.Tx, scope string, in netip.Prefix, wanted, owner string) (string, error) {
	first, last := usable(in)
	if wanted != "" {
		return wanted, allocateWanted(ctx, tx, scope, first, last, wanted, owner)
	}
	for range 8 {
		n := first + rand.Uint32N(last-first+1)
		free, err := take(ctx, tx, scope, n, owner)
		if err != nil || free {
			return address(n).String(), err
		}
	}
	n, err := firstFree(ctx, tx, scope, first, last)
	if err != nil {
		return "", err
	}
	if _, err = take(ctx, tx, scope, n, owner); err != nil {
		return "", err
	}
	return address(n).String(), nil
}

func allocateWanted(ctx context.Context, tx *store.Tx, scope string, first, last uint32, wanted, owner string) error {
	a, err := netip.ParseAddr(wanted)
	if err != nil || !a.Is4() || number(a) < first || number(a) > last {
		return wire.Errorf("InvalidParameterValue", "Address %s does not fall within the subnet's address range", wanted)
	}
	free, err := take(ctx, tx, scope, number(a), owner)
	if err == nil && !free {
		return wire.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", wanted)
	}
	return err
}

// take writes an address down; not free means that somebody has it.
func take(ctx context.Context, tx *store.Tx, scope string, n uint32, owner string) (free bool, err error) {
	c := operation.CallerOf(ctx)
	var got uint32
	err = tx.QueryRow("INSERT INTO ec2_used VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING ip", c.Account, c.Region, scope, n, owner).Scan(&got)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func firstFree(ctx context.Context, tx *store.Tx, scope string, first, last uint32) (uint32, error) {
	c := operation.CallerOf(ctx)
	var n uint32
	err := tx.QueryRow(`SELECT candidate FROM (SELECT ? AS candidate UNION ALL
		SELECT ip + 1 FROM ec2_used WHERE account = ? AND region = ? AND scope = ?)
		WHERE candidate <= ? AND NOT EXISTS (SELECT 1 FROM ec2_used WHERE account = ? AND region = ? AND scope = ? AND ip = candidate)
		ORDER BY candidate LIMIT 1`, first, c.Account, c.Region, scope, last, c.Account, c.Region, scope).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		if scope == publicScope {
			return 0, wire.Errorf("AddressLimitExceeded", "The maximum number of addresses has been reached.")
		}
		return 0, wire.Errorf("InsufficientFreeAddressesInSubnet", "The specified subnet does not have enough free addresses to satisfy the request.")
	}
	return n, err
}

// release gives an address back.
func release(ctx context.Context, tx *store.Tx, scope, ip string) error {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return err
	}
	c := operation.CallerOf(ctx)
	return tx.Exec("DELETE FROM ec2_used WHERE account = ? AND region = ? AND scope = ? AND ip = ?", c.Account, c.Region, scope, number(a))
}

// ownerOf is who has an address; "" where nobody has.
func ownerOf(ctx context.Context, tx *store.Tx, scope, ip string) (owner string, err error) {
	a, err := netip.ParseAddr(ip)
	if err != nil || !a.Is4() {
		return "", nil
	}
	c := operation.CallerOf(ctx)
	err = tx.QueryRow("SELECT owner FROM ec2_used WHERE account = ? AND region = ? AND scope = ? AND ip = ?", c.Account, c.Region, scope, number(a)).Scan(&owner)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return owner, err
}

// inUse counts the addresses in use by subnet.
func inUse(ctx context.Context, tx *store.Tx) (map[string]int, error) {
	c := operation.CallerOf(ctx)
	rows, err := tx.Query("SELECT scope, count(*) FROM ec2_used WHERE account = ? AND region = ? GROUP BY scope", c.Account, c.Region)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	used := map[string]int{}
	for rows.Next() {
		var scope string
		var n int
		if err := rows.Scan(&scope, &n); err != nil {
			return nil, err
		}
		used[scope] = n
	}
	return used, rows.Err()
}

// claim writes a subnet's range down; not free means that it overlaps another of the VPC.
func claim(ctx context.Context, tx *store.Tx, vpc, subnet string, p netip.Prefix) (free bool, err error) {
	c := operation.CallerOf(ctx)
	first, last := span(p)
	// Ranges do not overlap, so only the nearest one that begins at or before the end of this one can.
	var end uint32
	err = tx.QueryRow("SELECT last FROM ec2_ranges WHERE account = ? AND region = ? AND vpc = ? AND first <= ? ORDER BY first DESC LIMIT 1",
		c.Account, c.Region, vpc, last).Scan(&end)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if err == nil && end >= first {
		return false, nil
	}
	return true, tx.Exec("INSERT INTO ec2_ranges VALUES (?, ?, ?, ?, ?, ?)", c.Account, c.Region, vpc, first, last, subnet)
}

func unclaim(ctx context.Context, tx *store.Tx, vpc string, p netip.Prefix) error {
	c := operation.CallerOf(ctx)
	first, _ := span(p)
	return tx.Exec("DELETE FROM ec2_ranges WHERE account = ? AND region = ? AND vpc = ? AND first = ?", c.Account, c.Region, vpc, first)
}

// block reads an IPv4 range for a VPC or a subnet: /16 to /28. kind is "Vpc" or "Subnet".
func block(kind, parameter, cidr string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !p.Addr().Is4() {
		return p, wire.Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", cidr, parameter)
	}
	if p.Bits() < 16 || p.Bits() > 28 {
		return p, wire.Errorf("Invalid"+kind+".Range", "The CIDR '%s' is invalid.", cidr)
	}
	return p.Masked(), nil
}
