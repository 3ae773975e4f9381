// Package orders applies orders of a marketplace to a subscription. It is pure: a subscription, an order and
// the products in, a new subscription or a problem with its remedy out.
//
//	Pending → the caller reads the order → Apply → the caller stores the subscription
//
// A call whose order is not applied yet carries a lookup. It keeps it until the order was applied, so that a seller who
// corrects a product or a credential need do nothing else. Orders are applied in the order in which their calls came; one
// that was placed before the order that is in force changes nothing. A renewal's smaller plan or quantity waits for the end
// of the period that is paid, and no longer waits once a later order is in force.
//
// Whatever the marketplace writes, a result is within the bounds of the API: texts are cut, and a quantity that does not fit
// is a problem.
package orders
