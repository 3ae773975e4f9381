package login

import (
	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// users finds a user of a directory, whose shard is read.
type users interface {
	User(enterprise, application, userName string) (directory.UserLine, bool)
}

// admit decides whether the user whom the marketplace has signed in may use the application that the sign-on was begun for. What counts
// is the directory: of the marketplace's answer only whose account it is.
func admit(all users, a attempt, is marketplace.SignedOn) (directory.UserLine, error) {
	if is.EnterpriseID != a.Enterprise {
		return directory.UserLine{}, errOtherEnterprise
	}
	var user directory.UserLine
	for _, name := range is.UserNames {
		found, ok := all.User(a.Enterprise, a.Application, name)
		switch {
		case !ok:
		case user.UserName != "":
			// Two names of one account that are two users: whichever were taken, somebody could choose a name to become another.
			return directory.UserLine{}, errAmbiguousUser
		default:
			user = found
		}
	}
	switch {
	case user.UserName == "":
		return directory.UserLine{}, errUnknownUser
	case !user.Authorized:
		return directory.UserLine{}, errWithdrawn
	case !user.Enabled:
		return directory.UserLine{}, errDisabled
	}
	return user, nil
}
