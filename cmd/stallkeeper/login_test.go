package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/signon"
)

func TestLoginRefusesFlagsThatCannotWork(t *testing.T) {
	// A cluster that is not there: nothing of this may get as far as asking it.
	t.Setenv("KUBECONFIG", "/nonexistent")
	tests := map[string]struct {
		args []string
		want string
	}{
		"no namespaces":                {nil, "--namespaces is required"},
		"no URL":                       {[]string{"--namespaces=sales"}, "--url is required"},
		"no logins at once":            {[]string{"--namespaces=sales", "--url=https://a.example.com", "--max-concurrent-logins=0"}, "at least 1"},
		"no connections":               {[]string{"--namespaces=sales", "--url=https://a.example.com", "--max-connections=0"}, "--max-connections"},
		"no connections of an address": {[]string{"--namespaces=sales", "--url=https://a.example.com", "--max-connections-per-address=0"}, "at least 1"},
		"a delay that is negative":     {[]string{"--namespaces=sales", "--url=https://a.example.com", "--shutdown-delay=-1s"}, "must not be negative"},
		"an argument":                  {[]string{"sales"}, "unknown command"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			root := newRootCommand()
			root.SetArgs(append([]string{"login"}, tc.args...))
			if err := root.ExecuteContext(context.Background()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestSignOnRefusesFlagsThatCannotWork(t *testing.T) {
	t.Setenv(envClientSecret, "")
	for name, args := range map[string][]string{
		"no client secret":          {"--client-id=a"},
		"no client id":              {"--client-id=", "--client-secret=s"},
		"PKCE that there is not":    {"--client-secret=s", "--pkce=maybe"},
		"a certificate without key": {"--client-secret=s", "--tls-cert-file=x"},
	} {
		t.Run(name, func(t *testing.T) {
			root := newRootCommand()
			root.SetArgs(append([]string{"simulate", "sign-on", "--bind-address=127.0.0.1:0"}, args...))
			if err := root.ExecuteContext(context.Background()); exitCode(err) != exitUsage {
				t.Errorf("error %v, exit code %d", err, exitCode(err))
			}
		})
	}
}

// The fake that a seller starts is one that a user can sign in at.
func TestSignOnIsServed(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	root := newRootCommand()
	root.SetOut(writer)
	root.SetArgs([]string{"simulate", "sign-on", "--bind-address=127.0.0.1:0", "--client-secret=the-secret", "--user=zhang.san", "--tenant-id=t1", "--pkce=accept"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	first := make([]byte, 4096)
	n, err := reader.Read(first)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logged := make(chan struct{})
	go func() {
		_, _ = io.Copy(&log, reader)
		close(logged)
	}()
	domain := regexp.MustCompile(`http://\S+:\d+`).FindString(string(first[:n]))
	s := &signon.SignOn{AllowLoopbackHTTP: true}
	attempt := marketplace.SignOnAttempt{
		Client:      marketplace.SignOnClient{DomainName: domain, ClientID: "example-client", ClientSecret: "the-secret"},
		RedirectURI: "https://login.example.com/callback", State: "S1", Verifier: strings.Repeat("V", 50),
	}
	at, err := s.AuthorizeURL(attempt)
	if err != nil {
		t.Fatalf("%v in %q", err, first[:n])
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := browser.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	back, err := url.Parse(answer.Header.Get("Location"))
	if err != nil || back.Query().Get("state") != "S1" {
		t.Fatalf("sent to %s (%v)", back, err)
	}
	code := s.ReadReturn(back.Query()).Code
	user, err := s.SignedOn(ctx, attempt, code)
	if err != nil || user.EnterpriseID != "t1" || user.UserNames[0] != "zhang.san" {
		t.Errorf("signed in %v of %s, %v", user.UserNames, user.EnterpriseID, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	writer.Close()
	<-logged
	if strings.Contains(log.String(), code) || strings.Contains(log.String(), "the-secret") {
		t.Errorf("the log says the code or the secret: %s", log.String())
	}
}
