package iam

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"slipway.dev/internal/twin/resource"
)

// awsPolicy begins the ARN of every AWS managed policy.
const awsPolicy = "arn:aws:iam::aws:policy/"

// managedLines are AWS managed policies as AWS publishes them, one a line: those that services on the twin are given.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
//
//go:embed managed.jsonl
var managedLines []byte

// awsManaged reads them when they are first asked for.
var awsManaged = sync.OnceValues(func() (map[string]managed, error) {
	all := map[string]managed{}
	d := json.NewDecoder(bytes.NewReader(managedLines))
	for d.More() {
		var line struct {
			Name, Version    string // Name with its path: "service-role/AWSLambdaRole"
			Created, Updated time.Time
			Document         json.RawMessage
		}
		if err := d.Decode(&line); err != nil {
			return nil, fmt.Errorf("AWS managed policies: %w", err)
		}
		number, err := strconv.Atoi(strings.TrimPrefix(line.Version, "v"))
		if err != nil {
			return nil, fmt.Errorf("AWS managed policy %s: version %q", line.Name, line.Version)
		}
		path, name := pathAndName(awsPolicy + line.Name)
		all[awsPolicy+line.Name] = managed{
			ARN: awsPolicy + line.Name, Name: name, Path: path, ID: "ANPA" + resource.Suffix(line.Name, 17),
			Created: line.Created, Updated: line.Updated, Default: number, Last: number,
			Versions: []version{{Number: number, Document: string(line.Document), Created: line.Updated}},
		}
	}
	return all, nil
})
