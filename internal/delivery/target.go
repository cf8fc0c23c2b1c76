package delivery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
)

// The names of targets.
const (
	TargetTwin     = "twin"     // the cloud on this machine
	TargetAWS      = "aws"      // an AWS account
	TargetEndpoint = "endpoint" // any other server of AWS's APIs
)

// Target is where a project is delivered to.
type Target struct {
	Name        string // one of the Target constants
	Region      string
	Account     string
	EndpointURL string // empty for AWS
	Config      aws.Config
	Clients     Clients
}

// TargetOptions choose a target. The zero value is the twin of this user.
type TargetOptions struct {
	Name        string // twin or aws; empty is twin, or endpoint where EndpointURL is set
	EndpointURL string
	Region      string // empty: the SDK's own chain, the twin's region
	Profile     string
	AssumeRole  string // ARN
	Proxy       string // of calls to AWS
	Home        string // of the twin; empty is Home()
	// StartTwin starts the twin and returns when it answers. Nil starts none.
	StartTwin func(context.Context) error
}

// OpenTarget finds the target and asks it who the caller is there.
func OpenTarget(ctx context.Context, o TargetOptions) (*Target, error) {
	t, err := o.locate(ctx)
	if err != nil {
		return nil, err
	}
	t.Clients = clientsOf(t.Config)
	if t.Account == "" {
		who, err := t.Clients.Identity.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return nil, t.stranger(ctx, err)
		}
		t.Account = aws.ToString(who.Account)
	}
	return t, nil
}

// stranger explains why the target does not know the caller. The SDK's own account of looking for credentials is long, and its last
// try, the metadata service of an EC2 instance, is what it complains of.
func (t *Target) stranger(ctx context.Context, err error) error {
	if t.Name == TargetAWS && t.Config.Credentials != nil {
		if _, missing := t.Config.Credentials.Retrieve(ctx); missing != nil {
			return fmt.Errorf("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, log in (aws sso login), or name a profile with --profile (%w)", missing)
		}
	}
	return fmt.Errorf("ask %s who you are: %w", t.place(), err)
}

// place names the target to a person.
func (t *Target) place() string {
	switch t.Name {
	case TargetAWS:
		return "AWS"
	case TargetTwin:
		return "the twin"
	}
	return t.EndpointURL
}

func (o TargetOptions) locate(ctx context.Context) (*Target, error) {
	switch {
	case o.EndpointURL != "" && (o.Name == "" || o.Name == TargetEndpoint):
		return o.endpoint(ctx)
	case o.EndpointURL != "":
		return nil, fmt.Errorf("--target %s and --endpoint-url exclude each other", o.Name)
	case o.Name == "" || o.Name == TargetTwin:
		return o.twin(ctx)
	case o.Name == TargetAWS:
		return o.aws(ctx)
	}
	return nil, fmt.Errorf("unknown target %q: twin and aws are known, and --endpoint-url URL for any other server of AWS's APIs", o.Name)
}

func (o TargetOptions) aws(ctx context.Context) (*Target, error) {
	options, err := o.common()
	if err != nil {
		return nil, err
	}
	if o.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(o.Profile))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	if loaded.Region == "" {
		return nil, errors.New("no AWS region: give --region, set AWS_REGION, or set one in the profile")
	}
	return o.assume(&Target{Name: TargetAWS, Region: loaded.Region, Config: loaded}), nil
}

// endpoint takes the credentials of the environment; emulators take any, so that test/test stands where there are none.
func (o TargetOptions) endpoint(ctx context.Context) (*Target, error) {
	if u, err := url.Parse(o.EndpointURL); err != nil || u.Host == "" {
		return nil, fmt.Errorf("--endpoint-url %q is no URL such as http://127.0.0.1:5000", o.EndpointURL)
	}
	options, err := o.common()
	if err != nil {
		return nil, err
	}
	switch {
	case o.Profile != "":
		options = append(options, config.WithSharedConfigProfile(o.Profile))
	case os.Getenv("AWS_ACCESS_KEY_ID") == "":
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("test", "test", "")))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	if loaded.Region == "" {
		loaded.Region = "us-east-1"
	}
	endpoint := strings.TrimRight(o.EndpointURL, "/")
	loaded.BaseEndpoint = &endpoint
	return o.assume(&Target{Name: TargetEndpoint, Region: loaded.Region, EndpointURL: endpoint, Config: loaded}), nil
}

// twin reaches the twin of this user, and starts it where it does not run.
func (o TargetOptions) twin(ctx context.Context) (*Target, error) {
	c, err := o.connect(ctx)
	if err != nil {
		return nil, err
	}
	transport, err := o.transport()
	if err != nil {
		return nil, err
	}
	if o.Region != "" {
		c.Region = o.Region
	}
	t := &Target{Name: TargetTwin, Region: c.Region, Account: c.Account, EndpointURL: c.Endpoint, Config: aws.Config{
		Region:       c.Region,
		BaseEndpoint: &c.Endpoint,
		Credentials:  credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, ""),
		HTTPClient:   &http.Client{Transport: transport},
	}}
	if o.AssumeRole != "" {
		t.Account = "" // the role's
	}
	return o.assume(t), nil
}

func (o TargetOptions) connect(ctx context.Context) (Connection, error) {
	home := o.Home
	if home == "" {
		var err error
		if home, err = Home(); err != nil {
			return Connection{}, err
		}
	}
	c, err := ReadConnection(home)
	if err == nil {
		err = c.answers(ctx)
	}
	if !errors.Is(err, ErrNoTwin) || o.StartTwin == nil {
		return c, err
	}
	if err := o.StartTwin(ctx); err != nil {
		return c, err
	}
	return ReadConnection(home)
}

// answers asks whether somebody listens where the file says. The file may outlive the twin, and its process id may be another's.
func (c Connection) answers(ctx context.Context) error {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return fmt.Errorf("the twin's endpoint %q: %w", c.Endpoint, err)
	}
	dialer := net.Dialer{Timeout: 2 * time.Second}
	connection, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoTwin, err)
	}
	return connection.Close()
}

func (o TargetOptions) common() ([]func(*config.LoadOptions) error, error) {
	transport, err := o.transport()
	if err != nil {
		return nil, err
	}
	// The SDK's own warnings are about its searches; what matters comes back as an error.
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if o.Proxy != "" {
		options = append(options, config.WithHTTPClient(&http.Client{Transport: transport}))
	}
	if o.Region != "" {
		options = append(options, config.WithRegion(o.Region))
	}
	return options, nil
}

func (o TargetOptions) transport() (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	if o.Proxy == "" {
		return transport, nil
	}
	text := o.Proxy
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	proxy, err := url.Parse(text)
	if err != nil || proxy.Host == "" {
		return nil, fmt.Errorf("--proxy %q is no URL such as http://proxy.example.com:3128", o.Proxy)
	}
	transport.Proxy = http.ProxyURL(proxy)
	return transport, nil
}

// assume exchanges the credentials for those of a role, where one is asked for.
func (o TargetOptions) assume(t *Target) *Target {
	if o.AssumeRole != "" {
		provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(t.Config), o.AssumeRole, func(a *stscreds.AssumeRoleOptions) {
			a.RoleSessionName = "slipway"
		})
		t.Config.Credentials = aws.NewCredentialsCache(provider)
	}
	return t
}

// local reports whether waiting costs nothing: the server is not AWS.
func (t *Target) local() bool { return t.Name != TargetAWS }
