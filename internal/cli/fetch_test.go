package cli_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// client resolves every name to this machine, as curl and browsers do for names below localhost.
var client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
	DisableKeepAlives: true,
	DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	},
}}

// fetch gets a page; anything but 200 is an error.
func fetch(url string) (string, error) {
	answer, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%w: %s", errStatus, answer.Status)
	}
	return string(body), err
}
