package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

const envClientSecret = "CLIENT_SECRET"

// newSignOnCommand serves a fake of KooGallery's sign-on until it is ended.
func newSignOnCommand() *cobra.Command {
	var (
		address string
		pair    certificateFiles
		pkce    string
		user    koogallerytest.SignOnUser
		options koogallerytest.SignOnOptions
	)
	cmd := &cobra.Command{
		Use:   "sign-on",
		Short: "Serve a fake of the sign-on: authorize, token, userinfo and logout",
		Long: `Serve a fake of the sign-on of an enterprise, until interrupted: the four endpoints that "stallkeeper login" calls. Its address
is the domain to tell with "simulate kit-tenant --domain", its client the one of "simulate kit-application". "stallkeeper login" takes
plain HTTP only with --allow-loopback-http.

All browsers share one session. With --user, that user is signed in from the start. Without it, authorize shows a form; programs post
userName and tenant to ` + koogallerytest.SignOnSessionPath + `. A line is printed for each call, without its query. Anyone who
reaches it can sign in as any user: keep it on 127.0.0.1.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.ClientSecret = orEnvironment(options.ClientSecret, envClientSecret)
			options.PKCE = koogallerytest.SignOnPKCE(pkce)
			switch options.PKCE {
			case koogallerytest.PKCEAccepted, koogallerytest.PKCEIgnored, koogallerytest.PKCERefused:
			default:
				return usageError("--pkce must be accept, ignore or refuse")
			}
			switch {
			case options.ClientID == "" || options.ClientSecret == "":
				return usageError("an OAuth2 client is required: set --client-id, and the secret in $%s", envClientSecret)
			case (pair.certificate == "") != (pair.privateKey == ""):
				return usageError("--tls-cert-file and --tls-private-key-file must be set together")
			}
			fake := koogallerytest.NewSignOn(options)
			if user.UserName != "" {
				user.Name, user.Role = "Example User", "user"
				fake.SignIn(user)
			}
			return serveFake(cmd.Context(), address, pair, fake, cmd.OutOrStdout(), func(base string) string {
				return fmt.Sprintf("The fake sign-on is ready.\n  stallkeeper simulate kit-tenant --domain %s\n  POST userName and tenant to    %s\n",
					base, base+koogallerytest.SignOnSessionPath)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&address, "bind-address", "127.0.0.1:8481", "address to serve on; port 0 picks a free port")
	flags.StringVar(&pair.certificate, "tls-cert-file", "", "PEM file with the TLS certificate; if empty, plain HTTP is served")
	flags.StringVar(&pair.privateKey, "tls-private-key-file", "", "PEM file with its private key")
	flags.StringVar(&options.ClientID, "client-id", "example-client", "client id of the application")
	flags.StringVar(&options.ClientSecret, "client-secret", "",
		"client secret; prefer $"+envClientSecret+", which other users of this machine can't see")
	flags.StringVar(&pkce, "pkce", string(koogallerytest.PKCEIgnored), "PKCE handling: accept (and verify), ignore, or refuse")
	flags.StringVar(&user.UserName, "user", "", "account name of the user who is signed in from the start")
	flags.StringVar(&user.LoginName, "login-name", "", "the user's loginName, which only one version of userinfo contains")
	flags.StringVar(&user.Tenant, "tenant-id", "example-tenant", "KooGallery's id of the user's enterprise")
	return cmd
}
