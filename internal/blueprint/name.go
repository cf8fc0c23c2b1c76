package blueprint

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// StackName is <namespace>-<kind>-<parts…>, the scheme of mu.
func StackName(namespace string, kind Kind, parts ...string) string {
	return strings.Join(append([]string{namespace, string(kind)}, parts...), "-")
}

// RepoName is the name of a service's image repository. ECR takes lower case only.
func RepoName(namespace, service string) string {
	return strings.ToLower(namespace + "-" + service)
}

// A role's name is <name>-<region> and has at most 64 characters. The region
// is known only to CloudFormation, so the name leaves room for the longest.
const (
	longestRoleName = 64 - 1 - len("ap-southeast-1")
	shortRoleName   = longestRoleName - 1 - 8
)

// roleName is the name of a role without its region. A name that would be
// too long keeps its beginning and ends in a hash of the whole.
func roleName(parts ...string) string {
	name := strings.Join(parts, "-")
	if len(name) <= longestRoleName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:shortRoleName] + "-" + hex.EncodeToString(sum[:4])
}

// rolePrefix is what every roleName of the namespace begins with.
func rolePrefix(namespace string) string {
	prefix := namespace + "-"
	return prefix[:min(len(prefix), shortRoleName)]
}
