// Package conformance has programs that nobody here wrote judge the twin: the AWS CLI, boto3, Docker's client, Terraform. It holds
// tests only. `make conformance` runs them; docs/conformance.md says what each program is asked.
package conformance
