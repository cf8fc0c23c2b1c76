package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// zoneQuery asks for the zones of the region that are open. It is EC2's query API, called without its client: that one package
// takes longer to build than all of slipway.
const zoneQuery = "Action=DescribeAvailabilityZones&Version=2016-11-15&Filter.1.Name=zone-type&Filter.1.Value.1=availability-zone&Filter.2.Name=state&Filter.2.Value.1=available"

// zoneCount is how many availability zones a network of these environments can use; 0, which lets the templates choose, when none
// of them gets a network of its own. A network of one zone holds no load balancer, so that is an error.
func (p *Project) zoneCount(ctx context.Context, names []string) (int, error) {
	needed := false
	for _, name := range names {
		e, err := p.Manifest.FindEnvironment(name)
		if err != nil {
			return 0, err
		}
		needed = needed || e.VPCTarget.IsZero()
	}
	if !needed {
		return 0, nil
	}
	count, err := p.Target.zones(ctx)
	if err != nil {
		return 0, fmt.Errorf("count the availability zones of %s: %w", p.Target.Region, err)
	}
	if count < 2 {
		return 0, fmt.Errorf("the region %s has %d availability zones open to this account, and a load balancer needs 2", p.Target.Region, count)
	}
	return min(count, 3), nil
}

func (t *Target) zones(ctx context.Context) (int, error) {
	endpoint := t.EndpointURL
	if endpoint == "" {
		endpoint = fmt.Sprintf("https://ec2.%s.%s", t.Region, dnsSuffix(t.Region))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/", strings.NewReader(zoneQuery))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	credentials, err := t.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return 0, err
	}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, fmt.Sprintf("%x", sha256.Sum256([]byte(zoneQuery))), "ec2", t.Region, time.Now()); err != nil {
		return 0, err
	}
	answer, err := t.Clients.HTTP.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return 0, err
	}
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("EC2 answered %s: %s", answer.Status, text)
	}
	var zones struct {
		Names []string `xml:"availabilityZoneInfo>item>zoneName"`
	}
	err = xml.Unmarshal(text, &zones)
	return len(zones.Names), err
}
