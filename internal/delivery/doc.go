// Package delivery is what the commands do: it brings the stacks of a manifest up, builds and ships the image, deploys the
// service, shows what runs, and takes it all down again.
//
// It speaks to AWS's public APIs and to nothing else, so the same code delivers to an AWS account, to the twin and to any other
// server of those APIs. It keeps no state: what is there is read from the stacks, their tags and their outputs.
package delivery
