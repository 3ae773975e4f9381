package koogallerytest

import (
	"context"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// kitCases: protocol page 8. Debug calls come with an empty instanceId and orderId. Here testFlag is a number, as all pages have it.
func kitCases(v Generation) []Case {
	const (
		tenant, application = koogallery.ActivityTenantSync, koogallery.ActivityApplicationSync
		users               = koogallery.ActivityAuthSync
		one, all            = koogallery.ActivitySingleOrgSync, koogallery.ActivityAllOrgSync
		add, modify, remove = koogallery.FlagAdd, koogallery.FlagModify, koogallery.FlagDelete
	)
	told, unauthenticated := kitTenant(v, add), refusedWith(koogallery.ResultUnauthenticated)
	cases := []Case{
		{v, everyType, tenant, "", "", repeated(told, 1), accepted, "8.2", Documented},
		{v, everyType, tenant, "", "again", repeated(told, 2), accepted, "2.2", Documented},
		{v, everyType, tenant, "", "deleted twice", repeated(kitTenant(v, remove), 2), accepted, "2.2", Documented},
		{v, everyType, application, "", "", repeated(kitApplication(v, add), 1), accepted, "8.3", Documented},
		{v, everyType, application, "", "deleted twice", repeated(kitApplication(v, remove), 2), accepted, "2.2", Documented},
		{v, everyType, users, "", "", repeated(kitAuthorized(v, add, 1), 1), accepted, "8.2", Documented},
		{v, everyType, users, "", "again", repeated(kitAuthorized(v, add, 1), 2), accepted, "2.2", Documented},
		{v, everyType, users, "", "500 users", repeated(kitAuthorized(v, add, 500), 1), accepted, "8.2", Documented},
		{v, everyType, users, "", "modified", repeated(kitAuthorized(v, modify, 1), 1), accepted, "8.2", Documented},
		{v, everyType, users, "", "deleted twice", repeated(kitAuthorized(v, remove, 1), 2), accepted, "2.2", Documented},
		{v, everyType, one, "", "", repeated(kitDepartment(v, add), 1), accepted, "8.2", Documented},
		{v, everyType, one, "", "deleted twice", repeated(kitDepartment(v, remove), 2), accepted, "2.2", Documented},
		{v, everyType, all, "", "", repeated(kitDepartments(v), 1), accepted, "8.2", Documented},
		{v, everyType, tenant, "", "signed with another key", unproven(wrongKey, told), unauthenticated, "8.1", Inferred},
	}
	if v == KitV1 {
		return cases
	}
	return append(cases, []Case{
		{v, everyType, tenant, "", "modified", repeated(kitTenant(v, modify), 1), accepted, "8.2", Documented},
		{v, everyType, users, "", "authorization withdrawn", repeated(kitAuthorized(v, koogallery.FlagWithdraw, 1), 1), accepted, "8.2", Documented},
		{v, everyType, tenant, "", "signed in lower case", with(lowerHex, told), accepted, "8.1", Documented},
		{v, everyType, tenant, "", "members in another order", with(inAnotherOrder, told), accepted, "8.1", Inferred},
		{v, everyType, tenant, "", "sent five minutes before", spoiled(skewed(-5*time.Minute), told), refused, "8.1", Documented},
	}...)
}

// Ids of the Kit's debug calls.
const (
	kitTenantID = "debug-tenant"
	kitAppID    = "debug-app"
)

func (a *attempt) kitOf(v Generation) Kit {
	if v == KitV1 {
		return a.KitV1()
	}
	return a.Kit()
}

func kitTenant(v Generation, flag int) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.kitOf(v).TenantSync(ctx, KitTenant{
			TenantID: kitTenantID, TenantCode: "debug", Name: "Debug", DomainName: "https://login.example.com", Flag: flag,
		})
	}
}

// kitApplication needs the public key for a secret; without one it deletes, which takes none, and says so.
func kitApplication(v Generation, flag int) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		call := KitApplication{
			TenantID: kitTenantID, AppID: kitAppID, ClientID: "debug-client", ClientSecret: "debug-secret", PublicKey: a.kitPublicKey, Flag: flag,
		}
		if call.PublicKey == nil && flag != koogallery.FlagDelete {
			call.Flag = koogallery.FlagDelete
			a.notes = append(a.notes, "applicationSync was played as a deletion: without the public key no client secret can be encrypted")
		}
		return a.kitOf(v).ApplicationSync(ctx, call)
	}
}

func kitAuthorized(v Generation, flag, count int) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		call := KitUsers{TenantID: kitTenantID, AppID: kitAppID, Flag: flag}
		for range count {
			call.Users = append(call.Users, KitUser{
				UserName: "debug-" + randomHex(8), Name: "调试", OrgCode: "D1", Role: "admin", Enable: "true", EmployeeType: 1, EntryDate: "2024-05-1",
			})
		}
		return a.kitOf(v).AuthSync(ctx, call)
	}
}

func kitDepartment(v Generation, flag int) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.kitOf(v).SingleOrgSync(ctx, "", kitTenantID, KitDepartment{Code: "D1", Name: "研发"}, flag)
	}
}

func kitDepartments(v Generation) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.kitOf(v).AllOrgSync(ctx, "", kitTenantID, KitDepartment{Code: "D1", Name: "研发"}, KitDepartment{Code: "D2", Name: "二部", ParentCode: "D1"})
	}
}
