// Package subscription implements how a marketplace's calls change spec.subscription. It is pure: a subscription, a call and a time in, a
// new subscription or an error out. The callback server stores the results of [Merge] and [MergeLicenseRequest]; the subpackages orders
// and licenses apply orders and license codes to a subscription, for the controllers.
//
// What the package promises:
//
//   - An argument is never changed. A result that equals the argument means that nothing is to be written.
//   - A repeated call changes nothing. Of late calls the one that was sent last counts, whatever the order of arrival.
//   - A release is final, but for a person.
//   - A renewal never shortens the paid time, and a renewal's change that was canceled is not applied, whichever came first.
//   - A correction is applied once ([ApplyCorrection]); a call that was sent later goes over it.
//   - Lists stay within their bounds; a call is never refused because a list is full, a request for a license may be.
//   - [Changeable] and the order that follows agree on the plan, because both ask [FindPlans].
package subscription
