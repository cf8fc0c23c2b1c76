package accesskey

import (
	"strings"
	"testing"
)

func TestAnIDTellsItsAccount(t *testing.T) {
	t.Parallel()
	for _, account := range []string{"000000000000", "123456789012", "999999999999"} {
		id, err := NewID(Temporary, account)
		if err != nil || len(id) != 20 || !strings.HasPrefix(id, Temporary) {
			t.Fatalf("%s: %q, %v", account, id, err)
		}
		if got, ok := Account(id); !ok || got != account {
			t.Errorf("account of %s = %s, %v; want %s", id, got, ok, account)
		}
	}
}

// The id and the account are those of an example that AWS's own documentation of GetAccessKeyInfo and its readers use.
func TestIDsOfAWSAreRead(t *testing.T) {
	t.Parallel()
	if got, ok := Account("ASIAQNZGKIQY56JQ7WML"); !ok || got != "029608264753" {
		t.Errorf("account = %s, %v", got, ok)
	}
}

func TestMalformedIDsHaveNoAccount(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "AKIA", "AKIA0000000000000000", "AKIAIOSFODNN7EXAMPLEX"} {
		if got, ok := Account(id); ok {
			t.Errorf("account of %q = %s", id, got)
		}
	}
	if _, err := NewID(LongTerm, "twelve"); err == nil {
		t.Error("an account that is no number was accepted")
	}
}
