package logs

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// group is a log group as it is stored.
type group struct {
	ID        int64
	Name      string
	Created   int // milliseconds since 1970, as everything the API says about time
	Bytes     int
	Retention int // days, 0 for ever
	groupDoc
}

type groupDoc struct {
	Class     string
	KMSKey    string            `json:",omitempty"`
	Protected bool              `json:",omitempty"`
	Tags      map[string]string `json:",omitempty"`
}

const groupColumns = "id, name, created, bytes, retention, doc"

type scanner interface{ Scan(...any) error }

func scanGroup(row scanner) (g group, err error) {
	var doc []byte
	if err := row.Scan(&g.ID, &g.Name, &g.Created, &g.Bytes, &g.Retention, &doc); err != nil {
		return g, err
	}
	return g, json.Unmarshal(doc, &g.groupDoc)
}

// errNoGroup is AWS's error for a group that is not there.
var errNoGroup = wire.Errorf("ResourceNotFoundException", "The specified log group does not exist.")

func findGroup(ctx context.Context, tx *store.Tx, name string) (group, error) {
	c := operation.CallerOf(ctx)
	g, err := scanGroup(tx.QueryRow("SELECT "+groupColumns+" FROM log_groups WHERE account = ? AND region = ? AND name = ?", c.Account, c.Region, name))
	if errors.Is(err, sql.ErrNoRows) {
		return g, errNoGroup
	}
	return g, err
}

// groupOf is the name that a request gives in one of two ways: a name, or an identifier that may be an ARN.
func groupOf(name, identifier *string) (string, error) {
	if (name == nil) == (identifier == nil) {
		return "", wire.Errorf("InvalidParameterException", "Exactly one of logGroupName and logGroupIdentifier must be given.")
	}
	return groupName(cmp.Or(wire.Value(name), wire.Value(identifier))), nil
}

// groupName takes the name out of a group's ARN, with or without ":*"; what is no ARN is a name.
func groupName(identifier string) string {
	if _, rest, ok := strings.Cut(identifier, ":log-group:"); ok {
		name, _, _ := strings.Cut(rest, ":")
		return name
	}
	return identifier
}

// CreateLogGroup makes a log group.
func (s *Service) CreateLogGroup(ctx context.Context, in *api.CreateLogGroupInput) (*api.CreateLogGroupOutput, error) {
	doc, err := json.Marshal(groupDoc{Class: cmp.Or(wire.Value(in.LogGroupClass), "STANDARD"), KMSKey: wire.Value(in.KmsKeyId),
		Protected: wire.Value(in.DeletionProtectionEnabled), Tags: in.Tags})
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(in.LogGroupName, "aws/") {
		return nil, wire.Errorf("InvalidParameterException", "Log groups starting with AWS/ are reserved for AWS.")
	}
	return &api.CreateLogGroupOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := findGroup(ctx, tx, in.LogGroupName)
		if err == nil {
			return wire.Errorf("ResourceAlreadyExistsException", "The specified log group already exists")
		}
		if !errors.Is(err, errNoGroup) {
			return err
		}
		c := operation.CallerOf(ctx)
		return tx.Exec("INSERT INTO log_groups (account, region, name, created, doc) VALUES (?, ?, ?, ?, ?)",
			c.Account, c.Region, in.LogGroupName, s.Clock.Now().UnixMilli(), doc)
	})
}

// DeleteLogGroup removes a group with its streams and metric filters at once; the sweeper removes the events.
func (s *Service) DeleteLogGroup(ctx context.Context, in *api.DeleteLogGroupInput) (*api.DeleteLogGroupOutput, error) {
	return &api.DeleteLogGroupOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := findGroup(ctx, tx, in.LogGroupName)
		if err != nil {
			return err
		}
		if g.Protected {
			return wire.Errorf("ValidationException", "The log group %s has deletion protection enabled. Disable it before deleting the log group.", g.Name)
		}
		for _, remove := range []string{"DELETE FROM log_streams WHERE grp = ?", "DELETE FROM log_groups WHERE id = ?",
			"DELETE FROM log_orphans WHERE grp = ?", "INSERT INTO log_orphans VALUES (?, 0)"} {
			if err := tx.Exec(remove, g.ID); err != nil {
				return err
			}
		}
		c := operation.CallerOf(ctx)
		tx.AfterCommit(s.wake.Wake)
		return metricFilters.DeleteBy(tx, c.Account, c.Region, g.Name)
	})
}

// change rewrites what a group's document and retention say.
func (s *Service) change(ctx context.Context, name string, change func(g *group)) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := findGroup(ctx, tx, name)
		if err != nil {
			return err
		}
		change(&g)
		doc, err := json.Marshal(g.groupDoc)
		if err != nil {
			return err
		}
		tx.AfterCommit(s.wake.Wake)
		return tx.Exec("UPDATE log_groups SET retention = ?, doc = ? WHERE id = ?", g.Retention, doc, g.ID)
	})
}

// retentions are the days a retention policy may say.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// PutRetentionPolicy says after how many days events are deleted.
func (s *Service) PutRetentionPolicy(ctx context.Context, in *api.PutRetentionPolicyInput) (*api.PutRetentionPolicyOutput, error) {
	if !slices.Contains(retentions, in.RetentionInDays) {
		return nil, wire.Errorf("InvalidParameterException", "1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", in.RetentionInDays, retentions)
	}
	return &api.PutRetentionPolicyOutput{}, s.change(ctx, in.LogGroupName, func(g *group) { g.Retention = in.RetentionInDays })
}

// DeleteRetentionPolicy lets events stay.
func (s *Service) DeleteRetentionPolicy(ctx context.Context, in *api.DeleteRetentionPolicyInput) (*api.DeleteRetentionPolicyOutput, error) {
	return &api.DeleteRetentionPolicyOutput{}, s.change(ctx, in.LogGroupName, func(g *group) { g.Retention = 0 })
}

// AssociateKmsKey writes down the key.
func (s *Service) AssociateKmsKey(ctx context.Context, in *api.AssociateKmsKeyInput) (*api.AssociateKmsKeyOutput, error) {
	name, err := groupOf(in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	return &api.AssociateKmsKeyOutput{}, s.change(ctx, name, func(g *group) { g.KMSKey = in.KmsKeyId })
}

// DisassociateKmsKey forgets the key.
func (s *Service) DisassociateKmsKey(ctx context.Context, in *api.DisassociateKmsKeyInput) (*api.DisassociateKmsKeyOutput, error) {
	name, err := groupOf(in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	return &api.DisassociateKmsKeyOutput{}, s.change(ctx, name, func(g *group) { g.KMSKey = "" })
}

// DescribeLogGroups lists groups by name.
func (s *Service) DescribeLogGroups(ctx context.Context, in *api.DescribeLogGroupsInput) (*api.DescribeLogGroupsOutput, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, wire.Errorf("InvalidParameterException", "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	all, filters, err := s.groups(ctx, wire.Value(in.LogGroupNamePrefix))
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(g group) bool { return !wantedGroup(g, in) })
	all, next, err := page.Cut(all, in.NextToken, in.Limit, 50, "InvalidParameterException")
	if err != nil {
		return nil, err
	}
	out := &api.DescribeLogGroupsOutput{LogGroups: []api.LogGroup{}, NextToken: next}
	for _, g := range all {
		out.LogGroups = append(out.LogGroups, describeGroup(ctx, g, filters[g.Name]))
	}
	return out, nil
}

// wantedGroup reports whether a group is what the request asks for, but for the prefix.
func wantedGroup(g group, in *api.DescribeLogGroupsInput) bool {
	contains := strings.Contains(strings.ToLower(g.Name), strings.ToLower(wire.Value(in.LogGroupNamePattern)))
	named := func(identifier string) bool { return groupName(identifier) == g.Name }
	return contains && (in.LogGroupClass == nil || *in.LogGroupClass == g.Class) &&
		(len(in.LogGroupIdentifiers) == 0 || slices.ContainsFunc(in.LogGroupIdentifiers, named))
}

// groups returns the groups whose names begin with prefix, and how many metric filters each has.
func (s *Service) groups(ctx context.Context, prefix string) (all []group, filters map[string]int, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		c := operation.CallerOf(ctx)
		rows, err := tx.Query("SELECT "+groupColumns+" FROM log_groups WHERE account = ? AND region = ? AND substr(name, 1, ?) = ? ORDER BY name",
			c.Account, c.Region, len([]rune(prefix)), prefix)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			g, err := scanGroup(rows)
			if err != nil {
				return err
			}
			all = append(all, g)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		filters, err = countFilters(tx, c.Account, c.Region)
		return err
	})
	return all, filters, err
}

func groupARN(ctx context.Context, name string) string {
	return operation.ARN(ctx, "logs", "log-group:"+name)
}

func describeGroup(ctx context.Context, g group, filters int) api.LogGroup {
	arn := groupARN(ctx, g.Name)
	return api.LogGroup{
		Arn: new(arn + ":*"), LogGroupArn: &arn, LogGroupName: &g.Name, CreationTime: &g.Created, StoredBytes: &g.Bytes,
		RetentionInDays: wire.Maybe(g.Retention), LogGroupClass: &g.Class, KmsKeyId: wire.Maybe(g.KMSKey), MetricFilterCount: &filters,
		DeletionProtectionEnabled: &g.Protected,
	}
}
