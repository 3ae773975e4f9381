// Package orders applies what a marketplace's order API says to a subscription. It is pure: a subscription, an order and
// the products in, a new subscription or a problem with its remedy out.
//
//	Pending → the caller reads the order → Apply → the caller stores the subscription
//
// A call whose order is not applied yet carries a lookup. It keeps it until the order was applied, so that a seller who
// corrects a product or a credential need do nothing else. Orders are applied in the order in which their calls came; one
// that was placed before the order that is in force changes nothing.
package orders
