package main

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// kitFlags are what the calls of the joint-operations Kit say.
type kitFlags struct {
	v1                          bool
	instance, tenantID, appID   string
	order, name, domain         string
	clientID, clientSecret      string
	publicKeyFile               string
	users                       []string
	role                        string
	disabled                    bool
	departmentCode, departments []string
	flag                        int

	publicKey *rsa.PublicKey
}

// kitVerb is one call of the Kit. Every one of them can be made with --debug and no other flag.
type kitVerb struct {
	use, activity, short string
	// highest is the highest flag that the call has; 0 for none.
	highest int
	// own registers the flags that only this call has.
	own  func(cmd *cobra.Command, f *kitFlags)
	make func(ctx context.Context, kit koogallerytest.Kit, f *kitFlags) (*koogallerytest.Exchange, error)
}

var kitVerbs = []kitVerb{
	{
		use: "kit-tenant", activity: koogallery.ActivityTenantSync, short: "Synchronize an enterprise", highest: koogallery.FlagModify,
		own: func(cmd *cobra.Command, f *kitFlags) {
			cmd.Flags().StringVar(&f.order, "order", "", "order id; empty if there is no order yet")
			cmd.Flags().StringVar(&f.name, "name", "Example Enterprise", "the enterprise's name")
			cmd.Flags().StringVar(&f.domain, "domain", "https://login.example.com", "domain at which its users sign in")
		},
		make: func(ctx context.Context, kit koogallerytest.Kit, f *kitFlags) (*koogallerytest.Exchange, error) {
			return kit.TenantSync(ctx, koogallerytest.KitTenant{
				InstanceID: f.instance, OrderID: f.order, TenantID: f.tenantID, TenantCode: "example", Name: f.name, DomainName: f.domain, Flag: f.flag,
			})
		},
	},
	{
		use: "kit-application", activity: koogallery.ActivityApplicationSync,
		short: "Synchronize an application and its OAuth2 client", highest: koogallery.FlagModify,
		own: func(cmd *cobra.Command, f *kitFlags) {
			cmd.Flags().StringVar(&f.clientID, "client-id", "example-client", "client id")
			cmd.Flags().StringVar(&f.clientSecret, "client-secret", "example-client-secret", "client secret in plain text; the call encrypts it")
			cmd.Flags().StringVar(&f.publicKeyFile, "public-key-file", "",
				"PEM file with the public key for kitPrivateKey, as uploaded to the seller console (needed unless --flag is 0; a debug call without it deletes)")
		},
		make: func(ctx context.Context, kit koogallerytest.Kit, f *kitFlags) (*koogallerytest.Exchange, error) {
			return kit.ApplicationSync(ctx, koogallerytest.KitApplication{
				InstanceID: f.instance, TenantID: f.tenantID, AppID: f.appID, ClientID: f.clientID, ClientSecret: f.clientSecret,
				PublicKey: f.publicKey, Flag: f.flag,
			})
		},
	},
	{
		use: "kit-users", activity: koogallery.ActivityAuthSync, short: "Authorize users for the application, or withdraw that", highest: koogallery.FlagWithdraw,
		own: func(cmd *cobra.Command, f *kitFlags) {
			cmd.Flags().StringSliceVar(&f.users, "user", []string{"example.user"}, "account names, at most 500")
			cmd.Flags().StringVar(&f.role, "role", "user", "user or admin")
			cmd.Flags().BoolVar(&f.disabled, "disabled", false, "send enable=false")
		},
		make: kitUsers,
	},
	{
		use: "kit-department", activity: koogallery.ActivitySingleOrgSync, short: "Synchronize one department", highest: koogallery.FlagModify,
		own: func(cmd *cobra.Command, f *kitFlags) {
			cmd.Flags().StringSliceVar(&f.departmentCode, "code", []string{"D1"}, "the department's code")
		},
		make: func(ctx context.Context, kit koogallerytest.Kit, f *kitFlags) (*koogallerytest.Exchange, error) {
			return kit.SingleOrgSync(ctx, f.instance, f.tenantID, kitDepartments(f.departmentCode)[0], f.flag)
		},
	},
	{
		use: "kit-departments", activity: koogallery.ActivityAllOrgSync, short: "Synchronize all departments",
		own: func(cmd *cobra.Command, f *kitFlags) {
			cmd.Flags().StringSliceVar(&f.departments, "codes", []string{"D1", "D2"}, "the departments' codes; departments left out are deleted")
		},
		make: func(ctx context.Context, kit koogallerytest.Kit, f *kitFlags) (*koogallerytest.Exchange, error) {
			return kit.AllOrgSync(ctx, f.instance, f.tenantID, kitDepartments(f.departments)...)
		},
	},
}

func kitUsers(ctx context.Context, kit koogallerytest.Kit, f *kitFlags) (*koogallerytest.Exchange, error) {
	call := koogallerytest.KitUsers{InstanceID: f.instance, TenantID: f.tenantID, AppID: f.appID, Flag: f.flag}
	for _, name := range f.users {
		call.Users = append(call.Users, koogallerytest.KitUser{
			UserName: name, Name: "Example User", OrgCode: "D1", Role: f.role, Enable: map[bool]string{false: "true", true: "false"}[f.disabled],
			Mobile: "13800000000", Email: "user@example.com",
		})
	}
	return kit.AuthSync(ctx, call)
}

func kitDepartments(codes []string) []koogallerytest.KitDepartment {
	departments := make([]koogallerytest.KitDepartment, 0, len(codes))
	for _, code := range codes {
		departments = append(departments, koogallerytest.KitDepartment{Code: code, Name: "Department " + code})
	}
	return departments
}

// newKitCommands are the calls of the joint-operations Kit.
func newKitCommands() []*cobra.Command {
	commands := make([]*cobra.Command, 0, len(kitVerbs))
	for _, verb := range kitVerbs {
		commands = append(commands, newKitVerbCommand(verb))
	}
	return commands
}

func newKitVerbCommand(verb kitVerb) *cobra.Command {
	f := &kitFlags{}
	cmd := &cobra.Command{Use: verb.use, Short: verb.short + " (" + verb.activity + ")"}
	flags := cmd.Flags()
	flags.BoolVar(&f.v1, "v1", false, "use V1 of the Kit instead of V2")
	flags.StringVar(&f.instance, "instance", "", "instance id; empty if there is no order yet, and in debug calls")
	flags.StringVar(&f.tenantID, "tenant-id", "example-tenant", "KooGallery's id of the enterprise")
	flags.StringVar(&f.appID, "app-id", "example-app", "KooGallery's id of the application")
	if verb.highest > 0 {
		flags.IntVar(&f.flag, "flag", koogallery.FlagAdd, "0 delete, 1 add, 2 modify, 3 withdraw authorization (users only)")
	}
	verb.own(cmd, f)
	return newKeyedCallCommand(cmd, kitKey, func(flags *callFlags) (call, error) {
		if flags.debug && verb.activity == koogallery.ActivityApplicationSync && f.publicKeyFile == "" {
			// Only an addition has a secret to encrypt.
			f.flag = koogallery.FlagDelete
		}
		if err := f.check(verb); err != nil {
			return call{}, err
		}
		return call{expected: onlySuccess, make: func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return verb.make(ctx, f.kit(caller), f)
		}}, nil
	})
}

func (f *kitFlags) kit(caller koogallerytest.Caller) koogallerytest.Kit {
	if f.v1 {
		return caller.KitV1()
	}
	return caller.Kit()
}

func (f *kitFlags) check(verb kitVerb) (err error) {
	switch {
	case f.flag < 0 || f.flag > verb.highest:
		return usageError("--flag must be from 0 to %d", verb.highest)
	case verb.activity == koogallery.ActivitySingleOrgSync && len(f.departmentCode) != 1:
		return usageError("--code must be a single code")
	case verb.activity != koogallery.ActivityApplicationSync || f.flag == koogallery.FlagDelete:
		return nil
	case f.publicKeyFile == "":
		return usageError("--public-key-file is required: create it with openssl rsa -in kitPrivateKey -pubout")
	}
	f.publicKey, err = readPublicKey("public-key-file", f.publicKeyFile)
	return err
}

// readPublicKey reads the file that a flag names.
func readPublicKey(flag, file string) (*rsa.PublicKey, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError("reading --%s: %w", flag, err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, usageError("--%s: %s is not a PEM file", flag, file)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if key, ok := parsed.(*rsa.PublicKey); err == nil && ok {
		return key, nil
	}
	return nil, usageError("--%s: %s contains no RSA public key: create it with openssl rsa -in kitPrivateKey -pubout", flag, file)
}
