// Package accesskey makes access keys the way AWS does: the id tells the account, so that a key is found without searching.
package accesskey

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
)

// The prefixes of access key ids.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
const (
	LongTerm  = "AKIA" // of a user
	Temporary = "ASIA" // of a session
)

const idLength = 20

// NewID makes an access key id of an account: the prefix and sixteen characters, the first of which hold the account's number.
func NewID(prefix, account string) (string, error) {
	n, err := strconv.ParseUint(account, 10, 40)
	if err != nil {
		return "", fmt.Errorf("account %q: %w", account, err)
	}
	var random [10]byte
	rand.Read(random[:])
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], 1<<47|n<<7|uint64(random[5]&0x7f))
	copy(random[:6], head[2:])
	return prefix + base32.StdEncoding.EncodeToString(random[:]), nil
}

// Account is the account that an access key id tells; false where the id is malformed.
func Account(id string) (string, bool) {
	if len(id) != idLength {
		return "", false
	}
	raw, err := base32.StdEncoding.DecodeString(id[4:])
	if err != nil {
		return "", false
	}
	var head [8]byte
	copy(head[2:], raw[:6])
	n := binary.BigEndian.Uint64(head[:]) &^ (1 << 47) >> 7
	return fmt.Sprintf("%012d", n), n < 1e12
}

// NewSecret makes a secret access key of forty characters.
func NewSecret() string {
	var b [30]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}
