package dataplane

import (
	"crypto/tls"
	"net/netip"
	"time"
)

// Config is everything the data plane serves: an immutable snapshot that Apply swaps in as a whole. The caller must
// not change it, nor anything it points to, after handing it over.
type Config struct {
	LoadBalancers []LoadBalancer
	// TargetGroups are named by the forward actions. One that no action names is not health-checked and its targets
	// are "unused", as on AWS.
	TargetGroups []TargetGroup
}

// LoadBalancer is one Application Load Balancer.
type LoadBalancer struct {
	ID         string // the ARN
	Name       string
	DNSName    string // matched, without regard to case, with the Host header by Plane.ServeHTTP
	Attributes Attributes
	Listeners  []Listener
	// Aliases are further host names by which Plane.ServeHTTP finds this load balancer, such as DNS records that
	// point to it. "*.example.test" stands for every name below example.test.
	Aliases []string
}

// Attributes are the load balancer attributes with an effect on traffic. The zero value holds AWS's defaults.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#load-balancer-attributes
type Attributes struct {
	IdleTimeout              time.Duration // idle_timeout.timeout_seconds; 0 means 60 s
	ClientKeepAlive          time.Duration // client_keep_alive.seconds; 0 means 1 h
	DropInvalidHeaderFields  bool          // routing.http.drop_invalid_header_fields.enabled
	PreserveHostHeader       bool          // routing.http.preserve_host_header.enabled; the host is passed on as sent either way
	XFFClientPort            bool          // routing.http.xff_client_port.enabled
	XFFMode                  XFFMode       // routing.http.xff_header_processing.mode; "" means append
	DesyncMitigation         DesyncMode    // routing.http.desync_mitigation_mode; "" means defensive
	HTTP2Disabled            bool          // the inverse of routing.http2.enabled
	TLSVersionAndCipherAdded bool          // routing.http.x_amzn_tls_version_and_cipher_suite.enabled
}

// XFFMode says what happens to the X-Forwarded-For header of a client.
type XFFMode string

// The modes of routing.http.xff_header_processing.mode.
const (
	XFFAppend   XFFMode = "append"
	XFFPreserve XFFMode = "preserve"
	XFFRemove   XFFMode = "remove"
)

// DesyncMode says how a request that is lawful but suspicious (a GET or HEAD with a body) is dealt with: monitor lets
// it pass, defensive closes both connections after it, strictest refuses it. Requests with two lengths, or a length
// beside a transfer coding, are refused in every mode.
type DesyncMode string

// The modes of routing.http.desync_mitigation_mode.
const (
	DesyncMonitor   DesyncMode = "monitor"
	DesyncDefensive DesyncMode = "defensive"
	DesyncStrictest DesyncMode = "strictest"
)

// Listener is one port of a load balancer.
type Listener struct {
	ID       string // the ARN
	Port     int    // the port on AWS: what X-Forwarded-Port and #{port} say
	Protocol string // HTTP or HTTPS
	// Bind is the loopback address this listener has for itself, "127.0.0.1:0" for any free port (see Plane.Addr),
	// or "" for none: then it is reached through Plane.ServeHTTP and Plane.Handler alone.
	Bind string
	// TLS terminates TLS on the Bind address. Required there when Protocol is HTTPS.
	TLS   *tls.Config
	Rules []Rule // in the order of their priority; the default rule, without conditions, is the last
}

// Rule is a listener rule. All its conditions must hold.
type Rule struct {
	ID         string // the ARN
	Priority   int    // informative: the order in Listener.Rules decides
	Conditions []Condition
	Actions    []Action // the first forward, redirect or fixed-response decides; others (authentication) are refused by Apply
}

// ConditionField names what a condition looks at.
type ConditionField string

// The fields of RuleCondition in the ELBv2 API.
const (
	FieldPath        ConditionField = "path-pattern"
	FieldHost        ConditionField = "host-header"
	FieldHeader      ConditionField = "http-header"
	FieldMethod      ConditionField = "http-request-method"
	FieldQueryString ConditionField = "query-string"
	FieldSourceIP    ConditionField = "source-ip"
)

// Condition is a rule condition; it holds when one of its values does. Patterns know * (any run of characters) and ?
// (exactly one). Paths and methods are matched with regard to case, the others without.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
type Condition struct {
	Field  ConditionField
	Header string         // http-header: the name of the header
	Values []string       // path-pattern, host-header, http-header, http-request-method
	Regex  []string       // path-pattern, host-header, http-header: regular expressions, beside or instead of Values
	Query  []QueryPair    // query-string
	CIDRs  []netip.Prefix // source-ip
}

// QueryPair is one value of a query-string condition. Without Key, any parameter with the value will do.
type QueryPair struct{ Key, Value string }

// ActionType names what a rule does with a request.
type ActionType string

// The action types that serve a request.
const (
	ActionForward       ActionType = "forward"
	ActionRedirect      ActionType = "redirect"
	ActionFixedResponse ActionType = "fixed-response"
)

// Action is a rule action; the field of its type is set.
type Action struct {
	Type          ActionType
	Forward       Forward
	Redirect      Redirect
	FixedResponse FixedResponse
}

// Forward spreads requests over target groups by weight.
type Forward struct {
	TargetGroups []WeightedTargetGroup
	// Stickiness, when above zero, keeps a client on the group it first got for that long (cookie AWSALBTG).
	Stickiness time.Duration
}

// WeightedTargetGroup names a target group by its ID. A group of weight zero gets nothing.
type WeightedTargetGroup struct {
	ID     string
	Weight int
}

// Redirect answers with a Location made of the parts of the request. Each part is the value itself or contains
// #{protocol}, #{host}, #{port}, #{path}, #{query}; "" means the part is kept.
type Redirect struct {
	Protocol   string // HTTP, HTTPS or #{protocol}
	Host       string
	Port       string
	Path       string // begins with a slash; #{path} in it is without its leading slash
	Query      string // without the question mark
	StatusCode int    // 301 or 302
}

// FixedResponse answers with a body of its own.
type FixedResponse struct {
	StatusCode  int // 2xx, 4xx or 5xx
	ContentType string
	Body        string
}

// TargetGroup is a set of targets, how they are checked and how requests are spread over them.
type TargetGroup struct {
	ID                  string // the ARN
	Name                string
	Protocol            string // HTTP or HTTPS (certificates of targets are not verified, as on AWS)
	ProtocolVersion     string // HTTP1 (or ""), HTTP2, GRPC
	Algorithm           string // round_robin (or ""), least_outstanding_requests, weighted_random
	Stickiness          Stickiness
	DeregistrationDelay time.Duration // how long in-flight requests of a draining target may last; 0 cuts them at once
	SlowStart           time.Duration // a target that became healthy gets a linearly growing share for that long; 0 is off
	HealthCheck         HealthCheck
	Targets             []Target
}

// Stickiness keeps a client on one target.
type Stickiness struct {
	Enabled    bool
	Type       string        // lb_cookie (AWSALB) or app_cookie (AWSALBAPP)
	CookieName string        // app_cookie: the application's cookie
	Duration   time.Duration // how long a client stays on its target
}

// HealthCheck says how a target is checked. The zero value of each field has AWS's default for an Application Load
// Balancer with instance or ip targets.
type HealthCheck struct {
	Disabled           bool
	Protocol           string        // HTTP or HTTPS; "" is the protocol of the group
	Port               string        // "" or "traffic-port", or a port number (on the host of Target.Address)
	Path               string        // "" is "/" ("/AWS.ALB/healthcheck" for GRPC)
	Interval           time.Duration // 0 is 30 s
	Timeout            time.Duration // 0 is 5 s
	HealthyThreshold   int           // 0 is 5
	UnhealthyThreshold int           // 0 is 2
	Matcher            string        // "200", "200,302", "200-299"; gRPC codes for GRPC; "" is 200 (12 for GRPC)
}

// Target is one member of a target group. A target is known by its ID and Port; changing its Address makes it new.
type Target struct {
	ID       string // as registered: an address, an instance id
	Port     int    // as registered
	Address  string // host:port that is really dialled; "" when nobody is there (yet): checks and requests fail
	Zone     string // the availability zone, handed back in TargetHealth
	Draining bool   // deregistered: no new requests, in-flight ones may finish
	// HealthAddress is the host:port that is dialled for health checks whose port is not the traffic port, where the
	// host of Address with that port is not it (a container's published port). "" for that default.
	HealthAddress string
}
