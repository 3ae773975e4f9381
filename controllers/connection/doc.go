// Package connection validates Marketplaces: their callback keys, clocks, API credentials and missing calls. One reconciliation of a
// Marketplace:
//
//  1. check: can the keys of the callbacks, and the credentials where orders have to be read, be read? Is the clock right?
//  2. checkCalls: has a call come about each order that the marketplace has notified us of? Orders that give something back need none;
//     the marketplace is asked what an order is for.
//  3. The conditions Ready and CallsArrive, the path of the callbacks, and an event about calls that are missing.
//
// Promises:
//
//   - No key reaches a condition or a log.
//   - A notification is deleted only when a call about its order is recorded, none is to be expected, or it is too old to matter.
//   - One pass asks the marketplace about one order at most.
package connection
