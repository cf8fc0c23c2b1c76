package ec2

import (
	"slipway.dev/internal/twin/store"
)

// references says what cannot go while something else is there; it makes a dependency check one look-up.
var references = store.SQL("ec2_references", `CREATE TABLE ec2_references (
	account TEXT NOT NULL, region TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
	PRIMARY KEY (account, region, source, target)) WITHOUT ROWID;
CREATE INDEX ec2_references_target ON ec2_references (account, region, target)`)

// refer makes targets what the source depends on, in place of what it did.
func refer(tx *store.Tx, source store.Key, targets []string) error {
	if err := tx.Exec("DELETE FROM ec2_references WHERE account = ? AND region = ? AND source = ?", source.Account, source.Region, source.ID); err != nil {
		return err
	}
	for _, target := range targets {
		if target == "" || target == source.ID {
			continue
		}
		if err := tx.Exec("INSERT OR IGNORE INTO ec2_references VALUES (?, ?, ?, ?)", source.Account, source.Region, source.ID, target); err != nil {
			return err
		}
	}
	return nil
}

// referred reports whether anything depends on the target.
func referred(tx *store.Tx, target store.Key) (used bool, err error) {
	err = tx.QueryRow("SELECT EXISTS (SELECT 1 FROM ec2_references WHERE account = ? AND region = ? AND target = ?)",
		target.Account, target.Region, target.ID).Scan(&used)
	return used, err
}
