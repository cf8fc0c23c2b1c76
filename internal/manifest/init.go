package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// InitOptions are the answers that Init writes down. Empty ones are left to
// their defaults.
type InitOptions struct {
	// Environments are the names to declare; acceptance when there is none.
	Environments []string
	// Provider is the provider of all of them; ProviderFargate when empty.
	Provider string
	// Service is the service's name.
	Service string
	// Port is the container's port; 8080 when 0.
	Port int
}

const initHead = `# What this repository needs, and where it runs.
# docs/manifest.md explains every key; "slipway validate" checks this file.

environments:
`

const initEnvironment = `  - name: %s
    provider: %s   # or %s
`

const initService = `
service:
  name: %s
  port: %d                # what the container listens on
  healthEndpoint: /health   # must answer 200 to 299
  pathPatterns:             # what the load balancer sends here
    - /*

  # desiredCount: 2         # tasks to run
  # cpu: 256                # 1024 units are one vCPU
  # memory: 512             # MiB
  # environment:
  #   LOG_LEVEL: info
`

// Init writes a small commented manifest. Names are quoted where YAML needs
// it, so the file loads whenever the names themselves are allowed.
func Init(opt InitOptions) []byte {
	if len(opt.Environments) == 0 {
		opt.Environments = []string{"acceptance"}
	}
	provider, other := ProviderFargate, ProviderECS
	if opt.Provider == ProviderECS {
		provider, other = other, provider
	}
	var b strings.Builder
	b.WriteString(initHead)
	for _, env := range opt.Environments {
		fmt.Fprintf(&b, initEnvironment, scalarText(env), provider, other)
	}
	if opt.Service == "" {
		opt.Service = "my-service"
	}
	if opt.Port == 0 {
		opt.Port = 8080
	}
	fmt.Fprintf(&b, initService, scalarText(opt.Service), opt.Port)
	return []byte(b.String())
}

// scalarText is a text as YAML on one line.
func scalarText(text string) string {
	out, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text})
	if err != nil {
		return fmt.Sprintf("%q", text)
	}
	return strings.TrimSuffix(string(out), "\n")
}
